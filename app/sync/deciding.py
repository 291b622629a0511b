"""From a page of parties to decisions: map, look up, decide; whatever an open page still touches is decided later."""

import asyncio
from collections.abc import Sequence

import msgspec

from app.db import consent, records
from app.domain.deciding import decide_all
from app.domain.member import Member, Skip
from app.domain.member_rules import stay_out
from app.domain.party import Party, Refusal
from app.domain.planning import FINAL, UNKNOWN, Action, Decision, Known, Outcome, Owner, better
from app.sync.flight import Flight
from app.sync.forgetting import without_erased
from app.sync.ledger import known_of
from app.sync.mirror import Mirror
from app.sync.opened import OpenRun
from app.sync.pages import Page
from app.sync.recovering import LeftBehind

Candidate = Member | Skip
MAKING = (Action.INSERT, Action.MOVE, Action.RESTORE)  # calls after which there is a member where none was
MOST_LATER = 1000  # records that wait for another look; with more of them, each is decided when it is read


class Decider:
    """Plans pages one after the other; late candidates of a page go on beside it."""

    def __init__(self, flight: Flight, mirror: Mirror, left_behind: LeftBehind, late: asyncio.TaskGroup) -> None:
        self._flight = flight
        self._run = flight.run
        self._mirror = mirror
        self._left_behind = left_behind
        self._one = asyncio.Lock()
        self._late = late

    async def plan(self, page: Page) -> None:
        """Decide every record of a page and hand on what is to be written."""
        self._flight.planned(page)
        source = page.source
        if self._run.keeper is None:  # nobody needs the parties any more once they are candidates
            page.source = msgspec.structs.replace(source, parties=())
        candidates = page.given or await candidates_of(self._run, source.parties)
        if source.refused:
            page.decisions.extend(await self._refused(source.refused))
        await self._go_on(page, candidates)
        self._flight.close(page)

    async def _go_on(self, page: Page, candidates: Sequence[Candidate]) -> None:
        blocked, blockers = await self._decide(page, candidates)
        if blocked:
            page.open += 1
            self._late.create_task(self._decide_later(page, blocked, blockers))

    async def _decide_later(self, page: Page, candidates: Sequence[Candidate], blockers: set[Page]) -> None:
        while candidates:
            for blocker in blockers:
                await blocker.remembered.wait()
            candidates, blockers = await self._decide(page, candidates)
        self._flight.close(page)

    async def _decide(self, page: Page, candidates: Sequence[Candidate]) -> tuple[list[Candidate], set[Page]]:
        """Decide those whose addresses no earlier page holds; the others come back with the pages they wait for.

        One at a time: between looking an address up and holding it, nobody else may decide about it.
        """
        async with self._one:
            return await self._decide_alone(page, candidates)

    async def _decide_alone(self, page: Page, candidates: Sequence[Candidate]) -> tuple[list[Candidate], set[Page]]:
        released = self._flight.watch_releases()
        candidates, decisions = await self._decisions(candidates, page)
        if not self._mirror.fresh and any(d.writes or d.reason in FINAL for d in decisions):
            await self._mirror.refresh()
            candidates, decisions = await self._decisions(candidates, page)
        if self._run.brake is not None:
            self._run.brake.sift(page, decisions)
            return [], set()
        waiting, blockers = self._waiting(page, candidates, decisions, released)
        blocked, going = [], decisions
        if waiting:
            blocked = [candidate for candidate in candidates if candidate.key in waiting]
            going = [decision for decision in decisions if decision.key not in waiting]
        held: list[bytes | None] = []
        for candidate, decision in zip(candidates, decisions, strict=True):
            if decision.has_effect or decision.key in waiting:
                held.append(_hash(candidate))
                if decision.known is not UNKNOWN:
                    held += (decision.member_hash, decision.known.member_hash)
        self._flight.hold(page, dict.fromkeys(held))
        page.later.extend(decision for decision in going if decision.later)
        going = [decision for decision in going if not decision.later] if page.later else going
        page.decisions.extend(going)
        if self._left_behind:
            for decision in going:
                if decision.action is Action.UPDATE and decision.known.state is None:
                    await self._left_behind.made(decision)
        if not self._run.dry:
            self._flight.dispatch(page, going)
        return blocked, blockers

    def _waiting(
        self, page: Page, candidates: Sequence[Candidate], decisions: Sequence[Decision], released: set[bytes]
    ) -> tuple[set[str], set[Page]]:
        """Keys whose present or remembered address an earlier page holds, or held until a moment ago, and all that
        come to one of their addresses or leave it: those are decided together."""
        touched = {h for c, d in zip(candidates, decisions, strict=True) for h in (_hash(c), d.known.member_hash) if h}
        if self._flight.holds_none(touched) and released.isdisjoint(touched):
            return set(), set()
        waiting: set[str] = set()
        blockers: set[Page] = set()
        pairs = [
            (c.key, {h for h in (_hash(c), d.known.member_hash) if h})
            for c, d in zip(candidates, decisions, strict=True)
        ]
        addresses: set[bytes] = set()
        for key, both in pairs:
            found = self._flight.blockers(page, both)
            if found or not released.isdisjoint(both):
                waiting.add(key)
                blockers |= found
                addresses |= both
        grown = bool(waiting)
        while grown:
            joining = [(key, both) for key, both in pairs if key not in waiting and not addresses.isdisjoint(both)]
            grown = bool(joining)
            waiting.update(key for key, _ in joining)
            addresses.update(*(both for _, both in joining))
        return waiting, blockers

    async def _refused(self, refusals: Sequence[Refusal]) -> list[Decision]:
        """Rows that the source would not give: dead letters, once per reason; what we remember of them stays."""
        run, codes = self._run, [refusal.code for refusal in refusals]
        async with run.database.transaction(run.tenant_id) as connection:
            known = await known_of(run, connection, codes, [None] * len(codes))
        return [refused(refusal, known.get(refusal.code, UNKNOWN)) for refusal in refusals]

    async def _decisions(
        self, candidates: Sequence[Candidate], page: Page
    ) -> tuple[Sequence[Candidate], list[Decision]]:
        """One decision per candidate, and the candidates they are about: who was erased is a skip."""
        run = self._run
        if not candidates:
            return candidates, []
        candidates, known, shut = await recall(run, candidates)
        if run.dry:
            known = self._with_dry_owners(candidates, known)
        last_look, takes_out = self._patience(page)
        decisions = decide_all(candidates, known, run.policy, run.encode, last_look=last_look, takes_out=takes_out)
        for decision in decisions if shut else ():
            if decision.action in MAKING and decision.member and decision.member.hash in shut:
                stay_out(decision)
        if run.reconciler is not None:
            await run.reconciler.compare(decisions)
        return candidates, decisions

    def _patience(self, page: Page) -> tuple[bool, bool]:
        """Whether this is the last look at those who come, and at those who leave: first all have come."""
        position = self._flight.position
        if self._run.dry or page.lane.kind == "absent" or len(position.later) > MOST_LATER:
            return True, True
        return page.lane.kind == "again", page.lane.kind == "again" and position.looks > 1

    def _with_dry_owners(self, candidates: Sequence[Candidate], known: dict[str, Known]) -> dict[str, Known]:
        """Nothing is remembered in a dry run, so the owners that earlier pages found are kept here."""
        seen = self._flight.seen_dry
        owners: dict[bytes, Owner] = {}
        for candidate in candidates:
            if isinstance(candidate, Skip) or candidate.is_prohibited:
                continue
            rival, before = seen.get(candidate.hash), known.get(candidate.key, UNKNOWN)
            if rival is not None and rival.key != candidate.key and before.owner is None:
                known[candidate.key] = msgspec.structs.replace(before, owner=rival)
            best = owners.get(candidate.hash, rival)
            if best is None or better(candidate.key, candidate.is_active, best):
                owners[candidate.hash] = Owner(candidate.key, candidate.is_active, self._run.run_id)
        seen.update(owners)
        return known


async def candidates_of(run: OpenRun, parties: Sequence[Party]) -> list[Candidate]:
    """What these parties become; contacts that a party has no longer come as skips."""
    members = run.mapping.members
    candidates = [made for party in parties for made in members(party)]
    if (run.mapping.per_contact or run.sheds_contacts) and parties:
        async with run.database.transaction(run.tenant_id) as connection:
            codes = [party.code for party in parties]
            carried = await records.carried_keys(connection, run.tenant_id, run.sync_id, codes)
        made_now = {candidate.key for candidate in candidates}
        candidates += [Skip(key, code, "contact_gone") for key, code in carried if key not in made_now]
    return candidates


async def recall(
    run: OpenRun, candidates: Sequence[Candidate]
) -> tuple[Sequence[Candidate], dict[str, Known], set[bytes]]:
    """The candidates, people who were erased as skips; what is known of each; and addresses that are nobody's now and
    had refused when their member left them."""
    async with run.database.transaction(run.tenant_id) as connection:
        candidates = await without_erased(connection, run.keys, run.tenant_id, candidates)
        keys, hashes = [candidate.key for candidate in candidates], [_hash(candidate) for candidate in candidates]
        known = await known_of(run, connection, keys, hashes)
        nobodys = [h for k, h in zip(keys, hashes, strict=True) if h and known.get(k, UNKNOWN).status is None]
        shut = await consent.vacated(connection, run.tenant_id, run.audience_id, nobodys) if nobodys else set()
    return candidates, known, shut


def _hash(candidate: Candidate) -> bytes | None:
    return candidate.hash if isinstance(candidate, Member) else None


def refused(refusal: Refusal, known: Known) -> Decision:
    """A row that cannot be read is a dead letter until it reads well again."""
    again = known.state == "rejected" and known.reason == refusal.reason
    return Decision(
        refusal.code,
        refusal.code,
        Action.NONE,
        Outcome.SKIPPED if again else Outcome.REJECTED,
        "refused_before" if again else refusal.reason,
        known.is_active,
        known=known,
        flags=known.flags,
        detail=refusal.message,
        remember=not again,
        member_hash=known.member_hash,
    )
