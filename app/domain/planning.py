"""What is to be done for each record of a page, given what we remember and what Mailchimp says. Pure."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

import msgspec

from app.domain.consent import is_opted_out, stricter
from app.domain.member import Member, MergeValue, Skip

SEPARATOR = "\x1f"

FLAGGED_INACTIVE = 1  # the inactive policy has been applied and not reversed
ARCHIVED_BY_US = 2
CREATED_BY_US = 4
UNSUBSCRIBED_BY_US = 8
BORN_UNSUBSCRIBED = 16  # made by us as unsubscribed, which is nobody's refusal
REFUSED = 32  # its person had opted out under an address it has no longer, and the present one does not say so yet


class Action(StrEnum):
    """The one call (or small fixed sequence of calls) that carries a decision."""

    NONE = "none"
    INSERT = "insert"  # insert-only bulk row
    UPDATE = "update"  # PATCH without status
    MOVE = "move"  # PATCH the old member to the new address
    MERGE = "merge"  # the new address is a member already: update it, archive ours
    RESTORE = "restore"  # bring back what we archived
    ARCHIVE = "archive"
    UNSUBSCRIBE = "unsubscribe"
    FLAG = "flag"  # put the inactive mark on a member that left the filter


class Outcome(StrEnum):
    """Where a record of a run ends; the six counts of a run."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REJECTED = "rejected"


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Another record of the same sync that stands for the same address, or keeps it shut since it has refused."""

    key: str
    is_active: bool
    run_id: UUID
    made_member: bool = False  # the member was made for it, so whatever it holds came from that record


class Known(msgspec.Struct, frozen=True, gc=False):
    """What the ledger remembers of one key, and Mailchimp's status of its addresses (None: not a member)."""

    state: str | None = None
    reason: str | None = None
    member_hash: bytes | None = None
    fingerprint: bytes | None = None
    tags: str = ""
    flags: int = 0
    is_active: bool = True
    status: str | None = None
    old_status: str | None = None  # of the remembered address, when it differs from the present one
    owner: Owner | None = None
    old_shared: bool = False  # other records of the sync have a claim to the remembered address
    ours: bool = False  # the present address is archived, and that was our own doing for another record
    born: bool = False  # the member of the present address was made by us as unsubscribed, and nobody said more since
    owner_leaves: bool = False  # on this very page
    old_taken: bool = False  # a neighbour on the page comes to the remembered address


def is_shut(known: Known) -> bool:
    """Whether the present address is closed to us."""
    return is_closed(known.status, BORN_UNSUBSCRIBED if known.born else 0)


def is_closed(status: str | None, flags: int = 0) -> bool:
    """Whether Mailchimp knows the address in a status that is closed to us.

    A member whom the tenant wanted to be `unsubscribed` from the start is not: no call of ours ever opens it.
    """
    if status == "unsubscribed" and flags & BORN_UNSUBSCRIBED:
        return False
    return status is not None and is_opted_out(status)


def born(status: str) -> int:
    """Flags of a member that we have just made with this status."""
    return CREATED_BY_US | (BORN_UNSUBSCRIBED if status == "unsubscribed" else 0)


def born_as(flags: int, known: Known) -> int:
    """The flags of a record that stands for the member of its present address from now on."""
    return flags | BORN_UNSUBSCRIBED if known.born else flags & ~BORN_UNSUBSCRIBED


UNKNOWN = Known()
LEFT = ("filtered", "no_email", "contact_gone", "x3_deleted")  # reasons for which a member loses its record
CLAIMLESS = (*LEFT, "mailing_prohibited", "bad_email")  # whoever ended so has no say about the address remembered
FINAL = ("opted_out", "forgotten")  # answers that stay true until the source record changes


class Policy(msgspec.Struct, frozen=True):
    """The parts of a sync that decide; `inactive` is its action."""

    new_member_status: str
    inactive: str

    @property
    def retires(self) -> bool:
        """Whether inactive records have no member; else theirs is marked."""
        return self.inactive in ("archive", "unsubscribe")


class Decision(msgspec.Struct, gc=False):
    """What happens to one record; `outcome` and `reason` are expectations until the call has answered."""

    key: str
    code: str
    action: Action
    outcome: Outcome
    reason: str | None
    is_active: bool
    member: Member | None = None
    fragment: bytes = b""
    fingerprint: bytes | None = None
    known: Known = UNKNOWN
    demote: Owner | None = None  # this record takes the address over from that one
    status: str | None = None  # for INSERT: status of the new row; afterwards: what Mailchimp answered
    detail: str = ""
    field: str | None = None
    drift: str | None = None  # how the audience differs although the record has not changed (reconcile runs)
    flags: int = 0
    remember: bool = True  # whether the ledger row changes
    alone: bool = False  # to be sent by a call of its own, not in a batch of operations
    gave_up: bool = False  # the member of the former address was archived
    later: bool = False  # to be decided once more when all others have been carried; nothing happens now
    done: bool = False  # the call was made by an earlier holder of the run: only to be remembered
    member_hash: bytes | None = None  # what the ledger shall hold
    warnings: list[tuple[str, str]] = []

    @property
    def writes(self) -> bool:
        return self.action is not Action.NONE

    @property
    def has_effect(self) -> bool:
        """Whether a call is made or the ledger changes."""
        return self.remember or self.action is not Action.NONE


Encode = Callable[[Mapping[str, MergeValue], str | None], bytes]


def fingerprint(member: Member, fragment: bytes, encode: Encode) -> bytes:
    """16 bytes that change exactly when something we would send for this member changes."""
    digest = hashlib.sha256(b"%b%b%b" % (fragment, member.email.encode(), _tail(member.tags, member.tags_off)))
    if member.fill_fields:
        digest.update(encode(member.fill_fields, None))
    return digest.digest()[:16]


@lru_cache(maxsize=1024)
def _tail(on: tuple[str, ...], off: tuple[str, ...]) -> bytes:
    return SEPARATOR.join(("", *on, "", *off)).encode()


def better(key: str, is_active: bool, other: Owner) -> bool:
    """Whether a record shall own an address rather than `other`: active first, then the lowest key."""
    return (not is_active, key) < (not other.is_active, other.key)


def decide_all(
    candidates: Sequence[Member | Skip],
    known: Mapping[str, Known],
    policy: Policy,
    encode: Encode,
    *,
    last_look: bool = True,
    takes_out: bool = True,
) -> list[Decision]:
    """One decision per candidate, in order. Two candidates with one address: one owner, the other skipped.

    Unless it is the `last_look`, who would give up a member for an address that is another record's waits: that one
    may be about to leave, to the very member that would be given up. Until the run `takes_out`, neither is the member
    taken out of a record that has left: another one may be about to come to it.
    """
    addresses = [candidate.hash for candidate in candidates if isinstance(candidate, Member)]
    shared = len(set(addresses)) < len(addresses)  # nearly every page has no two of one
    owners = _page_owners(candidates) if shared else {}
    claimed = {c.hash for c in candidates if isinstance(c, Member) and _takes_over(c, policy)} if known else set()
    here = {candidate.key: _claims(candidate) for candidate in candidates} if known else {}
    decisions = []
    for candidate in candidates:
        remembered = known.get(candidate.key, UNKNOWN)
        if remembered.member_hash in claimed and _left(candidate, remembered):
            remembered = msgspec.structs.replace(remembered, old_shared=True, old_taken=not remembered.old_shared)
        if isinstance(candidate, Skip):
            decision = _decide_skip(candidate, remembered, policy)
            if not takes_out and remembered.member_hash not in claimed and _is_early(decision):
                _wait(decision)
            decisions.append(decision)
            continue
        if remembered.owner is not None and here.get(remembered.owner.key, candidate.hash) != candidate.hash:
            remembered = msgspec.structs.replace(remembered, owner_leaves=True)
        rival = owners.get(candidate.hash, NOBODY)
        decision = _decide_member(candidate, remembered, policy, encode, rival)
        if remembered.owner and not last_look and remembered.owner.key not in here and _gives_up(decision):
            _wait(decision)
        decisions.append(decision)
    return decisions


def _wait(decision: Decision) -> None:
    decision.later, decision.remember, decision.action = True, False, Action.NONE


def _takes_over(member: Member, policy: Policy) -> bool:
    """Whether the record has a member at its address from now on; not when it may not be mailed, or is taken out."""
    return not member.is_prohibited and (member.is_active or not policy.retires)


def _claims(candidate: Member | Skip) -> bytes | None:
    """The address a record stands for from now on."""
    return candidate.hash if isinstance(candidate, Member) and not candidate.is_prohibited else None


def _gives_up(decision: Decision) -> bool:
    """Whether the record leaves an address of its own for one that another record has."""
    moved = decision.known.member_hash not in (None, decision.member_hash)
    return decision.action is Action.MERGE or (moved and decision.reason == "duplicate_email")


def _left(candidate: Member | Skip, known: Known) -> bool:
    return not (isinstance(candidate, Member) and candidate.hash == known.member_hash)


def _page_owners(candidates: Iterable[Member | Skip]) -> dict[bytes, Owner]:
    owners: dict[bytes, Owner] = {}
    for candidate in candidates:
        if isinstance(candidate, Skip) or candidate.is_prohibited:
            if isinstance(candidate, Member):
                owners.setdefault(candidate.hash, NOBODY)
            continue
        best = owners.get(candidate.hash, NOBODY)
        if best is NOBODY or better(candidate.key, candidate.is_active, best):
            owners[candidate.hash] = Owner(candidate.key, candidate.is_active, NO_RUN)
    return owners


NO_RUN = UUID(int=0)
NOBODY = Owner("\U0010ffff", False, NO_RUN)


def _decide_skip(skip: Skip, known: Known, policy: Policy) -> Decision:
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


def _is_early(decision: Decision) -> bool:
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


def _decide_member(member: Member, known: Known, policy: Policy, encode: Encode, rival: Owner) -> Decision:
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
