"""The chart, rendered by Helm itself in several value sets, as Python values."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "ml-connector"
SETS = sorted(path.stem.removesuffix("-values") for path in (CHART / "ci").glob("*-values.yaml"))

Manifest = dict[str, Any]


def helm() -> Any:
    """The Helm library. CI must have it (`dev.py install chart`); it exists for Linux on x86-64 only."""
    try:
        import helm_python
    except ImportError:
        said = "Helm's library is not installed: python3 dev.py install chart (Linux on x86-64)"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    return helm_python


def values_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text("utf-8"))
    return found


def render(values: Mapping[str, Any], *, upgrade: bool = False) -> dict[str, str]:
    """File name to text; raises what Helm raises."""
    with helm().Chart.load(str(CHART)) as chart:
        found: dict[str, str] = chart.render(dict(values), name="mlc", namespace="prod", is_upgrade=upgrade)
    return {name.removeprefix("ml-connector/templates/"): text for name, text in found.items()}


def manifests(files: Mapping[str, str]) -> list[Manifest]:
    texts = (text for name, text in files.items() if name.endswith(".yaml"))
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


class Rendered:
    """One value set, rendered."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values = values_of(name)
        self.files = render(self.values)
        self.manifests = manifests(self.files)

    def of(self, kind: str) -> list[Manifest]:
        return [found for found in self.manifests if found["kind"] == kind]

    def one(self, kind: str, ending: str = "") -> Manifest:
        (found,) = [each for each in self.of(kind) if each["metadata"]["name"].endswith(ending)]
        return found

    def pods(self) -> Iterator[tuple[Manifest, Manifest]]:
        """Each workload with its pod template."""
        for each in self.manifests:
            if each["kind"] in ("Deployment", "Job"):
                yield each, each["spec"]["template"]

    def containers(self) -> Iterator[tuple[Manifest, Manifest]]:
        """Each workload with each of its containers."""
        for workload, pod in self.pods():
            for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
                yield workload, container


@pytest.fixture(scope="session")
def all_rendered() -> dict[str, Rendered]:
    return {name: Rendered(name) for name in SETS}


@pytest.fixture(params=SETS)
def rendered(request: pytest.FixtureRequest, all_rendered: dict[str, Rendered]) -> Rendered:
    return all_rendered[request.param]


@pytest.fixture
def production(all_rendered: dict[str, Rendered]) -> Rendered:
    return all_rendered["production"]


@pytest.fixture
def keda(all_rendered: dict[str, Rendered]) -> Rendered:
    return all_rendered["keda"]


@pytest.fixture
def bare(all_rendered: dict[str, Rendered]) -> Rendered:
    return all_rendered["bare"]
