"""The chart renders, is what Kubernetes accepts, and refuses values that cannot be meant."""

import copy
import os
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml

from app.settings import Settings
from tests.contract.chart.conftest import CHART, ROOT, Rendered, helm, render, values_of

KUBERNETES = [f"1.{minor}" for minor in range(30, 38)]
OURS = ("ServiceMonitor", "PrometheusRule", "ScaledObject")  # kinds whose schemas are no part of Kubernetes


def test_helm_has_nothing_to_complain_about() -> None:
    findings = helm().lint(str(CHART))

    assert findings["errors"] == []
    assert [found for found in findings["messages"] if found["severity"] > 1] == []


@pytest.mark.parametrize("version", KUBERNETES)
def test_each_object_is_what_kubernetes_accepts(rendered: Rendered, version: str) -> None:
    try:
        import kubernetes_validate
    except ImportError:
        said = "kubernetes-validate is not installed: python3 dev.py install chart"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)

    for manifest in rendered.manifests:
        if manifest["kind"] not in OURS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_rendering_twice_gives_the_same(rendered: Rendered) -> None:
    assert render(rendered.values) == rendered.files


def test_an_upgrade_changes_the_notes_only(rendered: Rendered) -> None:
    again = render(rendered.values, upgrade=True)

    assert {name for name in again if again[name] != rendered.files[name]} == {"NOTES.txt"}


def test_names_are_unique_and_labels_say_whose_they_are(rendered: Rendered) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered.manifests]

    assert len(set(names)) == len(names)
    for each in rendered.manifests:
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "mlc"
        assert len(each["metadata"]["name"]) <= 63


REFUSED: list[tuple[str, Any]] = [
    ("config.MLC_PUBLIC_URL", "connector.acme.test"),
    ("config.MLC_OPERATOR_KEY", "a secret among the values"),
    ("config.MLC_SMTP_URL", "smtps://user:password@mail.acme.test"),
    ("config.MLC_RETENTION_DAYS", 90),
    ("config.DATABASE", "x"),
    ("secrets.databaseUrl", "postgresql://user:password@host/db"),
    ("secrets.databaseUrl.name", ""),
    ("image.digest", "sha256:short"),
    ("image.tag", "with space"),
    ("api.replicas", "two"),
    ("api.unknown", 1),
    ("worker.keda.trigger", "cron"),
    ("worker.terminationGracePeriodSeconds", 5),
    ("worker.resources.limits.memory", None),
    ("ingress", {"enabled": True}),
    ("ingress.paths", ["/metrics"]),
    ("networkPolicy.vendors.cidrs", ["example.com"]),
    ("monitoring.port", 80),
]


@pytest.mark.parametrize(("path", "value"), REFUSED, ids=[path for path, _ in REFUSED])
def test_values_that_cannot_be_meant_are_refused(path: str, value: Any) -> None:
    values = copy.deepcopy(values_of("minimal"))
    *above, last = path.split(".")
    place = values
    for name in above:
        place = place.setdefault(name, {})
    place[last] = value

    with pytest.raises(helm().HelmError, match="schema"):
        render(values)


def test_the_public_address_is_asked_for() -> None:
    with pytest.raises(helm().HelmError, match="MLC_PUBLIC_URL is needed"):
        render({})


def test_the_settings_named_are_settings(rendered: Rendered) -> None:
    known = {f"MLC_{name.upper()}" for name in Settings.model_fields}
    named = set(rendered.one("ConfigMap", "connector")["data"])
    for _, container in rendered.containers():
        named |= {env["name"] for env in container["env"] if env["name"].startswith("MLC_")}

    assert named <= known


def test_chart_and_product_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    product = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

    assert (chart["appVersion"], chart["version"]) == (product, product)


def test_the_readme_is_made_of_the_values() -> None:
    checked = subprocess.run([sys.executable, ROOT / "helm" / "readme.py", "--check"], check=False)

    assert checked.returncode == 0, "python helm/readme.py"


def leaves(values: dict[str, Any], above: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in values.items():
        path = f"{above}{name}"
        nested = (
            isinstance(value, dict) and value and not path.startswith(("config", "secrets.", "monitoring.dashboard"))
        )
        found |= leaves(value, f"{path}.") if nested and path not in ENDS else {path}
    return found


ENDS = {"api.resources", "worker.resources", "migration.resources"}


def test_every_value_is_described() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    page = (CHART / "README.md").read_text("utf-8")
    undescribed = {path for path in leaves(values) if f"| `{path}` |" not in page}

    assert undescribed - {"monitoring.dashboard"} == set()
