"""What is to be done for each record of a page, given what we remember and what Mailchimp says. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from app.domain.member import Member, Skip
from app.domain.member_rules import decide_member, stays_behind
from app.domain.planning import NO_RUN, NOBODY, UNKNOWN, Action, Decision, Encode, Known, Owner, Policy, better
from app.domain.skip_rules import decide_skip, is_early


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
    claimed = _claimed(candidates, known, policy) if known else set()
    here = {candidate.key: _claims(candidate) for candidate in candidates} if known else {}
    decisions = []
    for candidate in candidates:
        remembered = known.get(candidate.key, UNKNOWN)
        if remembered.member_hash in claimed and _left(candidate, remembered):
            remembered = msgspec.structs.replace(remembered, old_shared=True, old_taken=not remembered.old_shared)
        if isinstance(candidate, Skip):
            decision = decide_skip(candidate, remembered, policy)
            if not takes_out and remembered.member_hash not in claimed and is_early(decision):
                _wait(decision)
            decisions.append(decision)
            continue
        if remembered.owner is not None and here.get(remembered.owner.key, candidate.hash) != candidate.hash:
            remembered = msgspec.structs.replace(remembered, owner_leaves=True)
        rival = owners.get(candidate.hash, NOBODY)
        decision = decide_member(candidate, remembered, policy, encode, rival)
        if remembered.owner and not last_look and remembered.owner.key not in here and _gives_up(decision):
            _wait(decision)
        decisions.append(decision)
    return decisions


def _wait(decision: Decision) -> None:
    decision.later, decision.remember, decision.action = True, False, Action.NONE


def _claimed(candidates: Iterable[Member | Skip], known: Mapping[str, Known], policy: Policy) -> set[bytes]:
    """Addresses at which a record of the page has a member from now on; none has who may not be mailed, is taken out,
    or stays with the address it refused since others have that too."""
    return {
        one.hash
        for one in candidates
        if isinstance(one, Member)
        and not one.is_prohibited
        and (one.is_active or not policy.retires)
        and not stays_behind(one, known.get(one.key, UNKNOWN))
    }


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
