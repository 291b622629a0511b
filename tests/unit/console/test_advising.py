"""What to do next: a sentence and a button for each thing that can be the matter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.console.advising import REFUSED, of_connection, of_run, of_sync
from app.console.health import LATE
from app.console.health import of_sync as health_of

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def a_sync(**given: Any) -> dict[str, Any]:
    return {"id": "s", "name": "customers", "state": "active", "state_reason": None, "enabled": True,
            "next_due_at": None, "freshness_seconds": 60, **given}  # fmt: skip


def a_run(state: str, **given: Any) -> dict[str, Any]:
    return {"id": "r", "sync_id": "s", "state": state, "mode": "full", "dry_run": False, "reason": None,
            "reason_code": None, "next_try_at": None, "counts": {"rejected": 0}, **given}  # fmt: skip


def a_connection(state: str = "ok", system: str = "sage_x3", **given: Any) -> dict[str, Any]:
    return {"id": "c", "name": "X3", "system": system, "state": state, "state_reason": None, **given}


def advice(sync: dict[str, Any], run: dict[str, Any] | None, *connections: dict[str, Any]) -> Any:
    return of_sync(sync, run, health_of(sync, run, NOW), connections, NOW)


def test_nothing_is_asked_when_nothing_is_the_matter() -> None:
    fine = a_connection()
    for state in ("queued", "running", "succeeded", "cancelled"):
        assert advice(a_sync(), a_run(state), fine) is None
    assert advice(a_sync(), None, fine) is None
    assert advice(a_sync(state="paused"), a_run("failed"), fine) is None
    assert of_connection(a_connection("unverified")) is None


@pytest.mark.parametrize(
    ("connection", "label", "to", "is_post"),
    [
        (a_connection("needs_authorization"), "Sign in at Sage X3", "/connections/c/authorize", True),
        (a_connection("needs_authorization", "mailchimp"), "Sign in at Mailchimp", "/connections/c/authorize", True),
        (a_connection("needs_attention"), "Change address or credential", "/connections/c#change", False),
    ],
)
def test_a_connection_that_does_not_work_comes_before_what_follows_from_it(
    connection: dict[str, Any], label: str, to: str, is_post: bool
) -> None:
    found = advice(a_sync(state="needs_attention"), a_run("failed"), a_connection(), connection)

    first = found.steps[0]
    assert (found.about, found.tone) == ("X3", "bad")
    assert (first.label, first.to, first.is_post, first.right) == (label, to, is_post, "administer")
    assert found.is_so.endswith(".")


def test_a_sync_that_stopped_is_let_go_on() -> None:
    found = advice(a_sync(state="needs_attention", state_reason="The audience is gone."), a_run("failed"))

    assert found.is_so == "The audience is gone."
    assert [step.to for step in found.steps] == ["/syncs/s/resume", "/runs/r"]


def test_a_halted_run_is_approved_or_cancelled() -> None:
    found = of_run(a_run("halted", reason="Too many."), a_sync(), NOW)

    assert found is not None
    assert [(step.to, step.right) for step in found.steps] == [
        ("/runs/r/approve", "operate"),
        ("/runs/r/cancel", "operate"),
    ]
    assert all(step.confirm for step in found.steps)


def test_a_failed_run_is_tried_again_in_its_own_way() -> None:
    found = of_run(a_run("failed", reason="X3 is down."), a_sync(), NOW)
    replayed = of_run(a_run("failed", mode="replay"), a_sync(), NOW)

    assert found is not None
    assert (found.steps[0].to, dict(found.steps[0].hidden)) == ("/syncs/s/run", {"mode": "full"})
    assert replayed is not None
    assert dict(replayed.steps[0].hidden) == {"mode": "delta"}
    assert of_run(a_run("failed", dry_run=True), a_sync(), NOW) is None


@pytest.mark.parametrize(
    ("next_try_at", "when"),
    [
        (NOW + timedelta(minutes=5), "in 5 minutes"),
        (NOW - timedelta(seconds=3), "any moment now"),
        (None, "any moment"),
    ],
)
def test_a_run_that_was_put_off_needs_nobody(next_try_at: datetime | None, when: str) -> None:
    run = a_run("running", reason="Sage X3 is down.", next_try_at=next_try_at)

    found = advice(a_sync(), run, a_connection())

    assert when in found.do
    assert all(not step.is_post for step in found.steps)
    assert health_of(a_sync(), run, NOW).word == "Waiting to try again"


def test_quiet_hours_are_nothing_to_worry_about() -> None:
    run = a_run("queued", reason="It is not to be read now.", reason_code="quiet_hours")

    assert advice(a_sync(), run, a_connection()) is None
    assert health_of(a_sync(), run, NOW).tone == "quiet"


def test_refused_records_are_counted_and_led_to() -> None:
    one, three = (of_run(a_run("partially_failed", counts={"rejected": n}), a_sync(), NOW) for n in (1, 3))

    assert one is not None
    assert three is not None
    assert (one.is_so.partition(";")[0], three.is_so.partition(";")[0]) == (
        "1 record was refused",
        "3 records were refused",
    )
    assert (one.do, one.steps[0].to) == (REFUSED, "/dead-letters?sync_id=s&state=open")


def test_a_run_that_nobody_takes_up_is_the_operators() -> None:
    late = a_sync(next_due_at=(NOW - timedelta(hours=1)).isoformat())

    assert health_of(late, a_run("succeeded"), NOW).word == LATE
    assert "workers run" in advice(late, a_run("succeeded"), a_connection()).do
