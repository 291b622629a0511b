"""How a sync is doing, in a word, a tone and a sentence. Pure: time is passed in."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from app.console.presenting import ago, lasting, parsed

OVERDUE = timedelta(minutes=10)
LATE = "Late"
QUIET_HOURS = "quiet_hours"
_ORDER = ("bad", "warn", "busy", "quiet", "good")


class Health(NamedTuple):
    """`sentence` says what is the matter, or nothing."""

    word: str
    tone: str
    sentence: str = ""

    @property
    def rank(self) -> int:
        """What needs somebody comes first."""
        return _ORDER.index(self.tone)


def of_sync(sync: Mapping[str, Any], run: Mapping[str, Any] | None, at: datetime) -> Health:
    """`run` is the newest run of the sync that was not a dry run, None when there was none."""
    if sync["state"] == "needs_attention":
        return Health("Needs attention", "bad", sync["state_reason"] or "Look at its last run.")
    if run is not None and run["state"] == "halted":
        return Health("Halted", "warn", run["reason"] or "A run waits for a decision.")
    if sync["state"] == "paused":
        return Health("Paused", "quiet", "No run starts until it is resumed.")
    if not sync["enabled"]:
        return Health("Switched off", "quiet", "Its schedule starts no runs.")
    if run is not None and run["state"] in ("queued", "running"):
        if run["reason_code"] == QUIET_HOURS:
            return Health("Quiet hours", "quiet", run["reason"] or "")
        if run["reason"]:
            return Health("Waiting to try again", "warn", run["reason"])
        return Health("Running" if run["state"] == "running" else "Waiting", "busy")
    if run is not None and run["state"] == "failed":
        return Health("Last run failed", "bad", run["reason"] or "")
    due = parsed(sync["next_due_at"])
    if due is not None and at - due > OVERDUE:
        return Health(LATE, "warn", f"It was due {ago(due, at)}.")
    if run is None:
        return Health("Never run", "quiet", "Start a first run.")
    if run["state"] == "cancelled":
        return Health("Last run cancelled", "quiet", "What it did not carry, the next run does.")
    if run["state"] == "partially_failed":
        return Health("Some records refused", "warn", "See its dead letters.")
    return Health("Healthy", "good")


def freshness(sync: Mapping[str, Any]) -> str:
    """How far behind X3 the audience may be."""
    seconds = sync["freshness_seconds"]
    return "nothing carried yet" if seconds is None else f"{lasting(seconds)} behind"
