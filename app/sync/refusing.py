"""What a typed refusal makes of a record."""

from app.domain.planning import Decision, Outcome
from app.sync.ports import RowError

SKIPS = {"forgotten": "forgotten", "compliance": "opted_out"}


def refuse(decision: Decision, error: RowError) -> None:
    """Closed to us for good, or a dead letter; either way nothing is sent again until the source record changes."""
    decision.detail, decision.field, decision.remember = error.message, error.field, True
    skip = SKIPS.get(error.reason)
    if skip is not None:
        decision.outcome, decision.reason = Outcome.SKIPPED, skip
        decision.status = "forgotten" if skip == "forgotten" else None
    else:
        decision.outcome, decision.reason, decision.status = Outcome.REJECTED, error.reason, None
