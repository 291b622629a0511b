"""What is to be done for a record that should be a member: by whom it is owned, and what consent allows. Pure."""

import msgspec

from app.domain.consent import stricter
from app.domain.member import Member
from app.domain.planning import (
    ARCHIVED_BY_US,
    BORN_UNSUBSCRIBED,
    FINAL,
    FLAGGED_INACTIVE,
    NOBODY,
    REFUSED,
    UNSUBSCRIBED_BY_US,
    Action,
    Decision,
    Encode,
    Known,
    Outcome,
    Owner,
    Policy,
    better,
    born_as,
    fingerprint,
    is_closed,
    is_shut,
)


def decide_member(member: Member, known: Known, policy: Policy, encode: Encode, rival: Owner) -> Decision:
    fragment = encode(member.merge_fields, member.language)
    decision = Decision(
        member.key,
        member.code,
        Action.NONE,
        Outcome.UNCHANGED,
        None,
        member.is_active,
        member=member,
        fragment=fragment,
        fingerprint=fingerprint(member, fragment, encode),
        known=known,
        flags=known.flags,
        member_hash=member.hash,
        warnings=list(member.warnings),
    )
    if known.reason == "forgotten" and known.member_hash is None:  # erased: consent moves with the record
        decision.member_hash = None
        return _skip(decision, "forgotten", known)
    if member.is_prohibited:
        return _prohibit(decision, known)
    if (rival is not NOBODY and rival.key != member.key) or (
        known.owner is not None and not known.owner_leaves and not better(member.key, member.is_active, known.owner)
    ):
        return _shadow(decision, known)
    decision.demote = known.owner
    if not member.is_active and policy.retires:
        return _retire(decision, known, policy)
    return _carry(decision, member, known, policy)


def _skip(decision: Decision, reason: str, known: Known) -> Decision:
    decision.outcome, decision.reason = Outcome.SKIPPED, reason
    decision.remember = not (
        known.state == "skipped"
        and known.reason == reason
        and known.member_hash == decision.member_hash
        and known.is_active == decision.is_active
        and known.flags == decision.flags
    )
    if decision.action is Action.NONE:
        decision.fingerprint = known.fingerprint
    return decision


def _prohibit(decision: Decision, known: Known) -> Decision:
    """Mailing prohibited in X3 is a legal signal: make no member, take down one of ours that may be mailed."""
    reachable = known.status if known.status is not None else known.old_status
    moved = known.member_hash not in (None, decision.member_hash)
    ours = known.state == "synced" and known.member_hash is not None
    if ours and reachable in ("subscribed", "pending"):
        decision.action = Action.UNSUBSCRIBE
        decision.flags |= UNSUBSCRIBED_BY_US
    if moved or decision.action is not Action.NONE:
        decision.member_hash = known.member_hash
    return _skip(decision, "mailing_prohibited", known)


def _shadow(decision: Decision, known: Known) -> Decision:
    """Another record owns the address; a member of ours under a former address is archived unless it is shared."""
    had_other = known.state == "synced" and known.member_hash not in (None, decision.member_hash)
    open_there = known.old_status is not None and not is_closed(known.old_status, known.flags)
    if had_other and not known.old_shared and open_there:
        decision.action = Action.ARCHIVE
    elif known.member_hash != decision.member_hash and _has_refused(known):
        decision.flags |= REFUSED
    if known.member_hash != decision.member_hash:
        decision.flags &= ~BORN_UNSUBSCRIBED
    return _skip(decision, "duplicate_email", known)


def _has_refused(known: Known) -> bool:
    """Whether the member under the former address is closed, and that was not our own doing."""
    return is_closed(known.old_status, known.flags) and not known.flags & ARCHIVED_BY_US


def _retire(decision: Decision, known: Known, policy: Policy) -> Decision:
    """Inactive in X3, and the policy takes the member out rather than marking it."""
    if known.flags & FLAGGED_INACTIVE:
        decision.outcome, decision.remember = Outcome.UNCHANGED, False
        decision.member_hash = known.member_hash
        return decision
    status = known.status if known.member_hash == decision.member_hash else known.old_status
    if known.state != "synced" or status is None or is_closed(status, known.flags):
        return _skip(decision, "inactive" if not is_closed(status, known.flags) else "opted_out", known)
    decision.action = Action.ARCHIVE if policy.inactive == "archive" else Action.UNSUBSCRIBE
    decision.outcome = Outcome.UPDATED
    decision.flags |= FLAGGED_INACTIVE | (ARCHIVED_BY_US if policy.inactive == "archive" else UNSUBSCRIBED_BY_US)
    decision.member_hash = known.member_hash
    return decision


def _carry(decision: Decision, member: Member, known: Known, policy: Policy) -> Decision:
    """An owner that belongs into the audience: unchanged, new, moved, brought back, changed or closed to us."""
    moved = known.member_hash is not None and known.member_hash != member.hash
    if known.state == "rejected" and known.fingerprint == decision.fingerprint:
        decision.outcome, decision.reason, decision.remember = Outcome.SKIPPED, "refused_before", False
        return decision
    if known.reason in FINAL and known.status is None and not moved and known.fingerprint == decision.fingerprint:
        return _skip(decision, known.reason, known)
    if known.flags & REFUSED:
        return _still_refused(decision, member, known)
    if known.flags & ARCHIVED_BY_US and not moved and known.status in ("archived", None):
        return _bring_back(decision)
    shadow = known.reason == "duplicate_email"  # the remembered address is another record's
    if moved and known.old_status == "forgotten" and known.status is None and not shadow:  # nobody is left to move
        decision.member_hash = known.member_hash
        return _skip(decision, "forgotten", known)
    if moved and known.old_status is not None and not known.old_shared and not shadow:
        return _move(decision, known)
    if moved and is_closed(known.old_status, known.flags):
        if known.old_taken and known.status is not None and not shadow:
            return _move(decision, known)  # nobody shares it: the stricter consent of the two wins
        decision.member_hash = known.member_hash
        return _skip(decision, _closed(known.old_status), known)
    decision.flags = born_as(decision.flags, known)
    if known.ours:
        return _bring_back(decision)
    if is_shut(known):
        return _skip(decision, _closed(known.status), known)
    if not moved and known.state == "synced" and known.fingerprint == decision.fingerprint and decision.demote is None:
        decision.remember = known.is_active != decision.is_active
        return decision
    if known.flags & FLAGGED_INACTIVE:
        decision.flags &= ~FLAGGED_INACTIVE
    if known.status is None:
        decision.action, decision.outcome = Action.INSERT, Outcome.CREATED
        decision.status = policy.new_member_status
        if moved and known.old_status is not None:  # the shared address it comes from stays with somebody else
            decision.status = stricter(decision.status, known.old_status)
        if moved and known.flags & ARCHIVED_BY_US:  # the member we had archived is another record's by now
            decision.status = stricter(decision.status, "transactional")
            decision.flags &= ~ARCHIVED_BY_US
    else:
        decision.action, decision.outcome = Action.UPDATE, Outcome.UPDATED
    return decision


def stays_behind(member: Member, known: Known) -> bool:
    """Whether the record has a new address and goes on standing for the one that has refused, as others do."""
    moved = known.member_hash not in (None, member.hash)
    shadow = known.reason == "duplicate_email"
    return moved and known.old_shared and not shadow and is_closed(known.old_status, known.flags)


def stay_out(decision: Decision) -> None:
    """The present address had refused, although no member says so any more: nobody is made, or moved, there. A refusal
    may come to it all the same."""
    if decision.action is Action.MOVE:
        if decision.outcome is Outcome.SKIPPED:
            return
        decision.action = Action.ARCHIVE
    else:
        decision.action = Action.NONE
    decision.status = None
    decision.flags &= ~BORN_UNSUBSCRIBED
    _skip(decision, "opted_out", decision.known)


def _still_refused(decision: Decision, member: Member, known: Known) -> Decision:
    """Its person had opted out, and came here by way of an address that others have too. From the moment this address
    says so itself, a change of mind there counts."""
    if known.ours:
        _bring_back(decision)  # unsubscribed: whoever else comes here finds the refusal
    elif known.status is not None and not known.born:
        decision.flags &= ~REFUSED
        if not is_closed(known.status):
            decision.known = msgspec.structs.replace(known, member_hash=member.hash)
            decision.action = Action.UNSUBSCRIBE
            decision.flags |= UNSUBSCRIBED_BY_US
    return _skip(decision, "opted_out", known)


def _bring_back(decision: Decision) -> Decision:
    decision.action, decision.outcome = Action.RESTORE, Outcome.UPDATED
    decision.flags &= ~(ARCHIVED_BY_US | FLAGGED_INACTIVE)
    return decision


def _move(decision: Decision, known: Known) -> Decision:
    """The address changed: the member moves with its consent; an address Mailchimp knows already is merged into."""
    decision.flags &= ~FLAGGED_INACTIVE
    closed = is_closed(known.old_status, known.flags) and not known.flags & ARCHIVED_BY_US
    if known.status is not None:
        decision.action = Action.MERGE
        closed = closed or (is_shut(known) and not known.ours)
    else:
        decision.action = Action.MOVE
    decision.outcome = Outcome.UPDATED
    if closed:
        decision.outcome, decision.reason = Outcome.SKIPPED, _closed(known.old_status)
    return decision


def _closed(status: str | None) -> str:
    return "forgotten" if status == "forgotten" else "opted_out"
