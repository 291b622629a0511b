"""The senders: batches of new members, and single changes of known ones. Intent first, then the call."""

import asyncio
import time
from collections.abc import Sequence

from app.domain.errors import RecordRejected, Transient
from app.domain.planning import Action, Decision, Outcome, born
from app.sync.bulk_members import MemberBulkSender
from app.sync.changing import Changer, new_fragment
from app.sync.flight import Flight
from app.sync.outbox import Ahead, Row
from app.sync.pages import Page
from app.sync.ports import NewMember, RowError
from app.sync.recovering import LeftBehind
from app.sync.refusing import refuse

UNKNOWN_TRIES = 3
PAUSE_SECONDS = 1.0
MISSING = Transient("rows_missing", "Mailchimp answers without naming every contact that was sent.")


class Writer:
    """Carries decisions to Mailchimp; each ends with close() on its page, or the run ends with the exception."""

    def __init__(self, flight: Flight, left_behind: LeftBehind) -> None:
        self._flight = flight
        self._run = flight.run
        self._left_behind = left_behind
        self._changer = Changer(flight)
        self._tries: dict[str, int] = {}
        self._ahead = Ahead(self._flight.changes, self._run.pace.senders, self._announce_changes)

    async def carry_bulk(self) -> None:
        """The one sender of batches of operations, if this run has any; runs until cancelled."""
        if self._run.bulk is not None:
            await MemberBulkSender(self._flight, self._changer, self._run.bulk, self._run.bulk_from).carry()

    async def insert_batches(self) -> None:
        """One sender of new members; runs until cancelled."""
        while True:
            rows = await self._flight.outbox.take()
            await self._insert(rows)

    async def announce_changes(self) -> None:
        """Writes single changes down before they are sent; runs until cancelled."""
        await self._ahead.fill()

    async def carry_changes(self) -> None:
        """One sender of single changes; runs until cancelled."""
        while True:
            await self._change(*await self._ahead.next())

    async def _insert(self, rows: Sequence[Row]) -> None:
        await self._announce("insert", rows)
        status = self._run.policy.new_member_status
        members = [
            NewMember(d.member.hash, d.member.email, new_fragment(self._run, d), d.member.tags)
            for _, d in rows
            if d.member
        ]
        began = time.monotonic()
        try:
            result = await self._run.target.insert(members, status)
        except Transient as error:
            if not error.outcome_unknown:
                raise
            await self._unanswered(rows, error)
            return
        self._flight.outbox.size.took(len(rows), time.monotonic() - began)
        for page, decision in rows:
            hash_ = decision.member.hash if decision.member else b""
            if (created := result.created.get(hash_)) is not None:
                decision.status = created
                decision.flags |= born(created)
                self._flight.close(page)
            elif hash_ in result.exists:
                await self._exists_after_all((page, decision))
            elif (error_row := result.refused.get(hash_)) is not None:
                refuse(decision, error_row)
                self._flight.close(page)
            else:
                self._again((page, decision), MISSING)

    async def _exists_after_all(self, page_row: Row) -> None:
        """Mailchimp knows the address: made by a call of ours whose answer was lost, or by somebody else meanwhile."""
        page, decision = page_row
        if await self._left_behind.made(decision):
            self._flight.close(page)
            return
        if decision.action is Action.INSERT:
            decision.action, decision.outcome = Action.UPDATE, Outcome.UPDATED
        decision.status = None
        self._flight.changes.put_nowait(page_row)

    async def _unanswered(self, rows: Sequence[Row], error: Transient) -> None:
        """The whole call is of unknown outcome. The insert-only call changes nobody it finds, so it may be repeated."""
        self._flight.outbox.size.timed_out()
        await asyncio.sleep(error.retry_after or PAUSE_SECONDS)
        for row in rows:
            self._again(row, error)

    def _again(self, row: Row, error: Transient) -> None:
        """A row that no answer named."""
        decision = row[1]
        tries = self._tries[decision.key] = self._tries.get(decision.key, 0) + 1
        if tries >= UNKNOWN_TRIES:
            raise error
        self._left_behind.expect(decision)
        self._flight.outbox.put([row])

    async def _change(self, page: Page, decision: Decision) -> None:
        try:
            await self._changer.carry(page, decision)
        except RecordRejected as error:
            refuse(decision, RowError(error.code, error.message, error.field))
            self._flight.close(page)

    async def _announce_changes(self, rows: Sequence[Row]) -> None:
        await self._announce("update", rows)

    async def _announce(self, kind: str, rows: Sequence[Row]) -> None:
        pairs = [(_target(d), d.fingerprint or bytes(16)) for _, d in rows]
        await self._flight.announced.write(kind, self._run.audience_id, pairs, (page for page, _ in rows))


def _target(decision: Decision) -> bytes:
    """The member a call changes."""
    if decision.action in (Action.INSERT, Action.UPDATE, Action.RESTORE) and decision.member is not None:
        return decision.member.hash
    return decision.known.member_hash or decision.member_hash or bytes(16)
