"""What the pages say: times with their zone, health in a word, reasons in a sentence."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from jinja2 import UndefinedError

from app.api.schemas.connections import KINDS
from app.api.schemas.runs import REASONS
from app.connectors.mailchimp.errors import SENTENCES
from app.console import connection_forms, wording
from app.console.charts import HEIGHT, chart
from app.console.explaining import fields, status_of, verdict
from app.console.guide import STEPS, Guide
from app.console.health import of_sync
from app.console.presenting import ago, lasting, number, shown, to_instant, when
from app.console.runs import segments
from app.console.templating import render

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def a_sync(**given: Any) -> dict[str, Any]:
    return {
        "state": "active", "state_reason": None, "enabled": True, "next_due_at": None, "freshness_seconds": 60, **given,
    }  # fmt: skip


def a_run(state: str, **given: Any) -> dict[str, Any]:
    return {"state": state, "reason": None, "reason_code": None, **given}


@pytest.mark.parametrize(
    ("sync", "run", "word"),
    [
        (a_sync(state="needs_attention", state_reason="The key was revoked."), None, "Needs attention"),
        (a_sync(), a_run("halted", reason="Too many."), "Halted"),
        (a_sync(state="paused"), a_run("failed"), "Paused"),
        (a_sync(enabled=False), a_run("succeeded"), "Switched off"),
        (a_sync(), a_run("running"), "Running"),
        (a_sync(), a_run("failed", reason="X3 is gone."), "Last run failed"),
        (a_sync(next_due_at=(NOW - timedelta(hours=1)).isoformat()), a_run("succeeded"), "Late"),
        (a_sync(next_due_at=(NOW - timedelta(minutes=1)).isoformat()), a_run("succeeded"), "Healthy"),
        (a_sync(), None, "Never run"),
        (a_sync(), a_run("partially_failed"), "Some records refused"),
    ],
)
def test_health_is_one_word(sync: dict[str, Any], run: dict[str, Any] | None, word: str) -> None:
    assert of_sync(sync, run, NOW).word == word


def test_what_needs_somebody_comes_first() -> None:
    bad, good = of_sync(a_sync(), a_run("failed"), NOW), of_sync(a_sync(), a_run("succeeded"), NOW)

    assert bad.rank < of_sync(a_sync(), None, NOW).rank < good.rank


def test_instants_are_shown_with_their_zone() -> None:
    paris = ZoneInfo("Europe/Paris")

    assert str(when("2026-01-31T23:30:00Z", paris)) == (
        '<time datetime="2026-01-31T23:30:00+00:00">1 Feb 2026, 00:30 CET</time>'
    )
    assert "14:00 CEST" in when(NOW, paris)
    assert str(when(None, paris)) == "–"
    assert to_instant("2026-07-01T14:00", "Europe/Paris") == "2026-07-01T14:00:00+02:00"
    assert to_instant("nonsense", "Europe/Paris") == "nonsense"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0, "0 s"), (0.42, "0.4 s"), (65, "1 min 5 s"), (3600, "1 h"), (200_000, "2 d 7 h")],
)
def test_durations_have_two_units_at_most(seconds: float | None, words: str) -> None:
    assert lasting(seconds) == words


def test_how_long_ago() -> None:
    assert ago(NOW - timedelta(minutes=3), NOW) == "3 minutes ago"
    assert ago(NOW + timedelta(days=1), NOW) == "in 1 day"
    assert ago(None, NOW) == "never"


def test_values_of_records_are_read_by_people() -> None:
    assert [shown(value) for value in (None, "", True, ["a", "b"], {"city": "Rome", "zip": ""}, 3)] == [
        "–", "–", "yes", "a, b", "Rome", "3",
    ]  # fmt: skip
    assert number(1234567) == "1\u202f234\u202f567"


def test_what_a_record_holds_is_never_markup() -> None:
    context = {"root": "", "assets": "", "title": "<script>alert(1)</script>", "sentence": '" onload="x'}

    page = render("alone.html", context)

    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert '" onload="' not in page


def test_a_page_that_lacks_something_fails_rather_than_show_nothing() -> None:
    with pytest.raises(UndefinedError):
        render("alone.html", {})


def test_every_kind_of_connection_has_its_form_and_its_words() -> None:
    assert set(connection_forms.FORMS) == set(KINDS)
    assert all(kind in wording.KINDS for _, kind in KINDS)
    for (system, kind), (_, settings, credential) in KINDS.items():
        names = {each.name for each in connection_forms.inputs(system, kind)}
        known = settings.model_fields.keys() | credential.model_fields.keys() | {"url"}
        assert names <= known, (system, kind)
        needed = {name for name, field in credential.model_fields.items() if field.is_required()}
        assert needed <= names, (system, kind)


def test_reasons_of_refusals_have_a_sentence() -> None:
    for reason in (*REASONS, *SENTENCES):
        assert reason in wording.REASONS
        assert wording.reason(reason).endswith(".")
    assert wording.reason("something_new") == "Something new"
    assert wording.decision("skipped:no_email").startswith("Left out: No usable")


RECORD = {"state": "synced", "reason": None, "is_active": True}


def test_a_verdict_says_why() -> None:
    assert verdict(RECORD, True).tone == "good"
    assert "store" in verdict(RECORD, False).sentence
    assert "inactive" in verdict({**RECORD, "is_active": False}, True).sentence
    assert "filter" in verdict({**RECORD, "state": "skipped", "reason": "filtered"}, True).sentence
    assert "dead letter" in verdict({**RECORD, "state": "rejected", "reason": "merge_field"}, True).sentence


def test_fields_tell_what_was_sent_last_and_what_would_be_now() -> None:
    mapping = {
        "fields": [{"target": "CITY", "source": "default_address.city"}, {"target": "KIND", "constant": "customer"}],
        "email": {"sources": ["default_address.emails"]},
        "language": None,
    }
    timeline = [
        {
            "action": "member.created",
            "run_id": "r1",
            "fields": {"CITY": {"after": "ROME"}, "KIND": {"after": "customer"}},
        },
        {"action": "consent.noted", "run_id": None, "fields": {"status": {"after": "unsubscribed"}}},
        {"action": "member.updated", "run_id": "r2", "fields": {"CITY": {"after": "MILAN"}}},
    ]
    member = {
        "email_address": "a@b.test",
        "merge_fields": {"CITY": "TURIN"},
        "fill_fields": {},
        "language": None,
        "tags": [],
    }

    found = {field.name: field for field in fields(timeline, mapping, member)}

    assert list(found) == ["EMAIL", "CITY", "KIND"]
    assert (found["CITY"].sent, found["CITY"].run_id, found["CITY"].now, found["CITY"].differs) == (
        "MILAN",
        "r2",
        "TURIN",
        True,
    )
    assert (found["KIND"].source, found["KIND"].run_id) == ("fixed: customer", "r1")
    assert not any(field.differs for field in fields(timeline, mapping, None))


def test_the_newest_status_of_the_right_audience_counts() -> None:
    seen = [
        {"audience_id": "b", "status": "subscribed"},
        {"audience_id": "a", "status": "cleaned"},
        {"audience_id": "a", "status": "x"},
    ]

    assert status_of(seen, "a") == seen[1]
    assert status_of(seen, "c") is None


def test_a_chart_holds_every_stretch_of_time() -> None:
    began, ended = "2026-07-01T12:00:00Z", "2026-07-01T12:00:10Z"
    drawn = chart(began, ended, 2, [{"at": began, "records": 10}, {"at": "2026-07-01T12:00:06Z", "records": 40}])

    assert drawn is not None
    assert drawn.highest == 20
    points = [tuple(map(float, point.split(","))) for point in drawn.line.split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert (points[0][0], points[-1][0]) == (0, 600)
    assert points[2][1] == HEIGHT  # nothing happened in the second stretch
    assert chart(None, None, 1, []) is None


def test_the_bar_is_full_and_in_order() -> None:
    found = segments({"created": 1, "updated": 1, "unchanged": 0, "skipped": 2, "rejected": 0})

    assert [(name, begins, width) for name, begins, width in found if width] == [
        ("created", 0, 25), ("updated", 25, 25), ("skipped", 50, 50),
    ]  # fmt: skip


def test_the_guide_goes_to_what_is_missing() -> None:
    names = [name for name, _ in STEPS]
    guide = Guide()
    found = []
    for change in (
        {"x3": "1"},
        {"mailchimp": "2"},
        {"stream": "customers", "audience": "3"},
        {"mapping": "4"},
        {"sync": "5"},
        {"run": "6"},
    ):
        found.append(guide.step())
        guide = guide._replace(**change)
    assert [*found, guide.step()] == names
    assert guide.done() == names[:-1]


def test_every_audit_event_has_words() -> None:
    """Those that are named where they are written; reasons that are sentences stay what they are."""
    written = re.compile(r"""(?:audit\(|Event\(|_event\(row, )\s*"([a-z_]+\.[a-z_]+)\"""")
    found = {name for path in Path("app").rglob("*.py") for name in written.findall(path.read_text())}

    assert len(found) > 25
    assert found - wording.ACTIONS.keys() == set()
    assert wording.reason("The run would add 12. Approve or cancel.") == "The run would add 12. Approve or cancel."
