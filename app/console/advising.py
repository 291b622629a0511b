"""What to do next: where something is the matter, one sentence and the buttons that put it right. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app.console import wording
from app.console.health import LATE, QUIET_HOURS, Health
from app.console.presenting import coming

Row = Mapping[str, Any]


class Step(NamedTuple):
    """A button, or a link when not `is_post`; `right` is what a session must be allowed: read, operate, administer."""

    label: str
    to: str
    right: str = "read"
    is_post: bool = False
    is_main: bool = False
    confirm: str = ""
    hidden: Mapping[str, str] = {}


class Advice(NamedTuple):
    """`about` names the thing, `is_so` says what is the matter with it, `do` what comes next."""

    about: str
    tone: str
    is_so: str
    do: str
    steps: Sequence[Step]


def of_connection(connection: Row) -> Advice | None:
    """None when it works, or nobody has looked yet."""
    at, system = f"/connections/{connection['id']}", wording.SYSTEMS[connection["system"]]
    after = "Syncs that wait for it then catch up by themselves."
    if connection["state"] == "needs_authorization":
        so = connection["state_reason"] or "Nobody has signed in yet."
        sign_in = Step(f"Sign in at {system}", f"{at}/authorize", "administer", is_post=True, is_main=True)
        return Advice(connection["name"], "bad", so, f"Sign in at {system} once more. {after}", [sign_in])
    if connection["state"] == "needs_attention":
        steps = [
            Step("Change address or credential", f"{at}#change", "administer", is_main=True),
            Step("Ping again", f"{at}/ping", "operate", is_post=True),
        ]
        so = connection["state_reason"] or "The last ping failed."
        return Advice(connection["name"], "bad", so, f"Put that right, then ping it again. {after}", steps)
    return None


def of_connections(connections: Sequence[Row]) -> Advice | None:
    """What the first of them that does not work asks of people."""
    return next((found for each in connections if (found := of_connection(each)) is not None), None)


def of_run(run: Row, sync: Row, at: datetime) -> Advice | None:
    """What a run asks of people; None when nothing."""
    state, here = run["state"], f"/runs/{run['id']}"
    if state == "halted":
        return Advice(sync["name"], "warn", run["reason"] or "Its brake stopped it.", _HALTED, _decisions(here))
    if state == "failed" and not run["dry_run"]:
        return Advice(sync["name"], "bad", run["reason"] or "No reason was kept.", _FAILED, [_again(run), *_looks(run)])
    if state in ("queued", "running") and run["reason"] and run["reason_code"] != QUIET_HOURS:
        do = _PUT_OFF.format(coming(run["next_try_at"], at))
        return Advice(sync["name"], "warn", run["reason"], do, _looks(run))
    if state == "partially_failed" and not run["dry_run"]:
        letters = Step("See which and why", f"/dead-letters?sync_id={run['sync_id']}&state=open", is_main=True)
        count = run["counts"]["rejected"]
        so = f"{count} record{' was' if count == 1 else 's were'} refused; everything else was carried."
        return Advice(sync["name"], "warn", so, REFUSED, [letters])
    return None


_HALTED = "Nothing is written until somebody decides: let it go on if that is right, or cancel it and change the rules."
_FAILED = "Nothing is lost: the next run carries what this one did not. Try again when the cause is gone."
_PUT_OFF = "Nobody needs to do anything yet: it tries again by itself {}, and nothing is lost meanwhile."
REFUSED = "Put them right in X3 and they are tried again by themselves."
_WAITING_FOR_NOBODY = "No worker has taken it up. Whoever runs the service should see that workers run."
_STOPPED = "Put that right, then let the sync go on: its next run catches up."


def _decisions(here: str) -> list[Step]:
    return [
        Step(
            "Go on in spite of the brake", f"{here}/approve", "operate", is_post=True, is_main=True,
            confirm="Let this run write what its brake stopped?",
        ),
        Step("Cancel the run", f"{here}/cancel", "operate", is_post=True, confirm="Cancel this run?"),
    ]  # fmt: skip


def _again(run: Row) -> Step:
    mode = run["mode"] if run["mode"] in ("delta", "full", "reconcile") else "delta"
    return Step(
        "Try again now", f"/syncs/{run['sync_id']}/run", "operate", is_post=True, is_main=True, hidden={"mode": mode}
    )


def _looks(run: Row) -> list[Step]:
    """Where the cause may be seen."""
    return [Step("Audit of this run", f"/audit?run_id={run['id']}")]


def of_sync(sync: Row, run: Row | None, health: Health, connections: Sequence[Row], at: datetime) -> Advice | None:
    """What comes first of what a sync asks of people. `connections` are its own two, `run` its newest that is real."""
    here = f"/syncs/{sync['id']}"
    if (cause := of_connections(connections)) is not None:
        return cause
    if sync["state"] == "needs_attention":
        steps = [Step("Let it go on", f"{here}/resume", "operate", is_post=True, is_main=True)]
        steps += [Step("Look at its last run", f"/runs/{run['id']}")] if run else []
        return Advice(sync["name"], "bad", sync["state_reason"] or "It has stopped.", _STOPPED, steps)
    if health.word == LATE:
        return Advice(sync["name"], "warn", health.sentence, _WAITING_FOR_NOBODY, [Step("Look at its runs", here)])
    if sync["state"] == "paused" or not sync["enabled"]:
        return None
    return of_run(run, sync, at) if run is not None else None
