"""Recording and alert rules: valid, tried out, about families that exist, and each alert with its page."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.tools import tool

ROOT = Path(__file__).parents[2]
RULES = ROOT / "helm/ml-connector/files/rules"
CASES = ROOT / "tests/contract/rules/alerts.test.yaml"
RUNBOOK = ROOT / "docs/runbook"


def rules(file: str) -> list[dict[str, Any]]:
    document = yaml.safe_load((RULES / file).read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules("alerts.yaml")}
RECORDED = {rule["record"]: rule for rule in rules("recording.yaml")}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = tool("promtool", "prometheus")
    return subprocess.run([program, *arguments], cwd=CASES.parent, capture_output=True, text=True, check=False)


def test_the_rules_are_valid() -> None:
    checked = promtool("check", "rules", *sorted(RULES.glob("*.yaml")))

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_rules_do_what_their_cases_say() -> None:
    tried = promtool("test", "rules", CASES.name)

    assert tried.returncode == 0, tried.stdout + tried.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_seen_to_fire(alert: str) -> None:
    cases = yaml.safe_load(CASES.read_text("utf-8"))["tests"]
    fired = [
        sample["labels"]
        for case in cases
        for question in case["promql_expr_test"]
        for sample in question["exp_samples"]
        if alert in question["expr"] or f'alertname="{alert}"' in sample["labels"]
    ]

    assert fired


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_severity_and_a_page_that_answers_three_questions(alert: str) -> None:
    rule = ALERTS[alert]
    page = RUNBOOK / f"{alert}.md"

    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["runbook"] == f"docs/runbook/{alert}.md"
    text = page.read_text("utf-8")
    assert text.startswith(f"# {alert}\n")
    assert [heading for heading in ("## Means", "## Look at", "## Do") if heading not in text] == []
    assert f"({alert}.md)" in (RUNBOOK / "README.md").read_text("utf-8")


def test_no_page_is_about_an_alert_that_does_not_exist() -> None:
    assert {page.stem for page in RUNBOOK.glob("Mlc*.md")} == set(ALERTS)


def families() -> set[str]:
    page = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    return set(re.findall(r"^\| `(mlc_[a-z_0-9]+)`", page, re.MULTILINE))


@pytest.mark.parametrize("rule", [*ALERTS.values(), *RECORDED.values()], ids=lambda rule: rule.get("alert", "recorded"))
def test_a_rule_asks_for_what_exists(rule: dict[str, Any]) -> None:
    names = set(re.findall(r"\bmlc_[a-z_0-9]+", rule["expr"]))
    recorded = set(re.findall(r"\bmlc:[a-z_0-9:]+", rule["expr"]))

    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in names} <= families()
    assert recorded <= set(RECORDED)
