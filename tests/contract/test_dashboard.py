"""The Grafana dashboard: well-formed, on the grid, and asking Prometheus for what exists."""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from tests.contract.test_rules import RECORDED, families
from tests.fixtures.tools import tool

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "helm/ml-connector/files/dashboard.json").read_text("utf-8")
)
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]


def test_it_can_be_imported_anywhere() -> None:
    assert DASHBOARD["uid"] == "ml-connector"
    assert "id" not in DASHBOARD
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "tenant"}
    sources = [panel["datasource"] for panel in PANELS if panel["type"] != "row"]
    sources += [target["datasource"] for panel in PANELS for target in panel.get("targets", [])]
    assert {source["uid"] for source in sources} == {"${datasource}"}


def test_panels_have_ids_titles_and_places_of_their_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert all(panel["title"] for panel in PANELS)
    assert all(place["x"] + place["w"] <= 24 for place in (panel["gridPos"] for panel in PANELS))
    for one, other in combinations((panel["gridPos"] for panel in PANELS), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


def test_it_shows_what_exists() -> None:
    asked = {name for expression in EXPRESSIONS for name in re.findall(r"\bmlc_[a-z_0-9]+", expression)}
    recorded = {name for expression in EXPRESSIONS for name in re.findall(r"\bmlc:[a-z_0-9:]+", expression)}

    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} <= families()
    assert recorded <= set(RECORDED)
    assert len(EXPRESSIONS) > 20


def test_each_expression_is_promql(tmp_path: Path) -> None:
    plain = [expression.replace("$__rate_interval", "5m").replace("$tenant", ".*") for expression in EXPRESSIONS]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(plain)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    checked = subprocess.run(
        [tool("promtool", "prometheus"), "check", "rules", file], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
