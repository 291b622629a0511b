"""What is to be done for a record that becomes no member. Pure."""

import hashlib

from app.domain.member import Skip
from app.domain.planning import (
    ARCHIVED_BY_US,
    FLAGGED_INACTIVE,
    LEFT,
    Action,
    Decision,
    Known,
    Outcome,
    Policy,
    is_closed,
)


def decide_skip(skip: Skip, known: Known, policy: Policy) -> Decision:
    """A record that becomes no member. One that was a member and has left is treated by the inactive policy."""
    same = known.state is not None and known.reason == skip.reason
    decision = Decision(
        skip.key,
        skip.code,
        Action.NONE,
        Outcome.SKIPPED,
        skip.reason,
        skip.is_active,
        known=known,
        flags=known.flags,
        detail=skip.detail,
        remember=not same,
        member_hash=known.member_hash,
    )
    if skip.reason == "bad_email":
        return _refuse_locally(decision, skip, known)
    if _has_left(decision) and not known.old_shared:  # else another record stands for the address
        decision.action = {"archive": Action.ARCHIVE, "unsubscribe": Action.UNSUBSCRIBE, "none": Action.NONE}.get(
            policy.inactive, Action.FLAG
        )
        decision.flags |= FLAGGED_INACTIVE
        if decision.action is Action.ARCHIVE:
            decision.flags |= ARCHIVED_BY_US
    return decision


def _has_left(decision: Decision) -> bool:
    """Whether the record loses a member that may be treated by the inactive policy."""
    known = decision.known
    return (
        decision.reason in LEFT
        and known.state == "synced"
        and known.old_status is not None
        and not is_closed(known.old_status, known.flags)
    )


def is_early(decision: Decision) -> bool:
    """Whether the others who come to the member, or leave it too, have a say about what becomes of it."""
    return decision.action in (Action.ARCHIVE, Action.UNSUBSCRIBE) or (
        decision.known.old_shared and _has_left(decision)
    )


def _refuse_locally(decision: Decision, skip: Skip, known: Known) -> Decision:
    """A broken address: a dead letter once, `refused_before` while the source still says the same."""
    decision.fingerprint = hashlib.sha256(skip.detail.encode()).digest()[:16]
    if known.state == "rejected" and known.fingerprint == decision.fingerprint:
        decision.reason, decision.remember = "refused_before", False
    else:
        decision.outcome, decision.remember = Outcome.REJECTED, True
    return decision
