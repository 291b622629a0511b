"""Large updates as batches of operations: beside the direct calls, one batch at a time, each row accounted for."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import structlog

from app.db import batches
from app.domain.errors import ConnectorError, RecordRejected, Transient
from app.domain.planning import Action
from app.sync.changing import Changer
from app.sync.flight import Flight
from app.sync.opened import LeaseLost, OpenRun
from app.sync.outbox import Row
from app.sync.ports import BulkAnswered, BulkUpdater, RowError
from app.sync.refusing import refuse

LOOK_SECONDS = 0.5
LONGEST_SECONDS = 3600.0  # Mailchimp promises nothing; tens of thousands of operations were seen to take an hour
CLOCK_ERROR = timedelta(minutes=5)

log = structlog.get_logger(__name__)


class BulkSender:
    """Takes plain updates off the queue of single changes while more of them wait than `run.bulk_from`."""

    def __init__(self, flight: Flight, changer: Changer, bulk: BulkUpdater) -> None:
        self._flight = flight
        self._run = flight.run
        self._changer = changer
        self._bulk = bulk

    async def carry(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._flight.changes.qsize() >= self._run.bulk_from and (rows := self._taken()):
                await self._send(rows)

    def _taken(self) -> list[Row]:
        """Plain updates, at most as many as one batch holds; none when they are too few for a batch."""
        queue = self._flight.changes
        rows: list[Row] = []
        others: list[Row] = []
        while not queue.empty() and len(rows) < self._bulk.largest:
            row = queue.get_nowait()
            (rows if _plain(row) else others).append(row)
        if len(rows) < self._run.bulk_from:
            others, rows = [*others, *rows], []
        for row in others:
            queue.put_nowait(row)
        return rows

    async def _send(self, rows: Sequence[Row]) -> None:
        run, id_ = self._run, uuid4()
        pairs = [(d.member.hash, d.fingerprint or bytes(16)) for _, d in rows if d.member is not None]
        async with run.database.transaction(run.tenant_id) as connection:
            if await self._held(connection, pairs):
                self._directly(rows)
                return
            if not await batches.announce_bulk(
                connection, run.tenant_id, id_, run.run_id, run.fence, run.audience_id, batches.packed(pairs)
            ):
                raise LeaseLost
        self._flight.announced(id_, {page for page, _ in rows})
        vendor_id = await self._submitted(id_, [(d.member.hash, d.fragment) for _, d in rows if d.member is not None])
        log.info("batch.submitted", operations=len(rows))
        answers = await self._bulk.answers(vendor_id, [hash_ for hash_, _ in pairs], seconds=LONGEST_SECONDS)
        for place, row in enumerate(rows):
            await self._answered(row, answers.get(place))
        log.info("batch.finished", operations=len(rows), answered=len(answers))

    async def _held(self, connection: asyncpg.Connection, pairs: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether another batch of the connection is under way, or some of these members are."""
        run = self._run
        held = await batches.conflicting(
            connection, run.tenant_id, run.audience_id, run.run_id, run.fence, run.pace.settle_seconds, pairs
        )
        return held or await batches.bulk_under_way(connection, run.tenant_id, run.audience_id)

    async def _submitted(self, id_: UUID, rows: Sequence[tuple[bytes, bytes]]) -> str:
        run = self._run
        try:
            vendor_id = await self._bulk.submit(id_, rows)
        except Transient as error:
            if not error.outcome_unknown:
                raise
            vendor_id = await self._found_or_sent_again(id_, rows)
        async with run.database.transaction(run.tenant_id) as connection:
            await batches.note_vendor_id(connection, run.tenant_id, id_, vendor_id)
        return vendor_id

    async def _found_or_sent_again(self, id_: UUID, rows: Sequence[tuple[bytes, bytes]]) -> str:
        async with self._run.database.transaction(self._run.tenant_id) as connection:
            sent_at = await batches.sent_at(connection, self._run.tenant_id, id_)
        found = await self._bulk.find(id_, sent_at - CLOCK_ERROR, len(rows))
        return found or await self._bulk.submit(id_, rows)

    async def _answered(self, row: Row, answer: BulkAnswered | None) -> None:
        page, decision = row
        if answer is None or isinstance(answer, Transient) or _is_gone(answer):
            self._directly([row])
        elif isinstance(answer, RecordRejected):
            refuse(decision, RowError(answer.code, answer.message, answer.field))
            self._flight.close(page)
        elif isinstance(answer, ConnectorError):
            raise answer
        else:
            await self._changer.noted(page, decision, answer)

    def _directly(self, rows: Sequence[Row]) -> None:
        """Leave these to the single calls: an update may be sent again."""
        for row in rows:
            row[1].alone = True
            self._flight.changes.put_nowait(row)


def _plain(row: Row) -> bool:
    """Whether one PATCH without a read before it carries the whole decision."""
    decision = row[1]
    member = decision.member
    plain = decision.action is Action.UPDATE and decision.demote is None and not decision.alone
    return plain and member is not None and not member.fill_fields


def _is_gone(answer: object) -> bool:
    return isinstance(answer, RecordRejected) and answer.code == "member_gone"


async def settle_left_behind(run: OpenRun) -> None:
    """Batches whose holder is gone: finished ones are done with; others are stopped, and their members are left
    alone for the settle time, so that nothing older arrives after something newer. Once per slice."""
    if run.bulk is None:
        return
    async with run.database.transaction(run.tenant_id) as connection:
        left = await batches.bulk_left_behind(connection, run.tenant_id, run.audience_id, run.run_id, run.fence)
    for row in left:
        operations = len(row["members"]) // 32
        vendor_id = row["vendor_id"] or await run.bulk.find(row["id"], row["sent_at"] - CLOCK_ERROR, operations)
        finished = vendor_id is None or await run.bulk.over(vendor_id)
        if not finished and vendor_id is not None:
            await run.bulk.cancel(vendor_id)
        async with run.database.transaction(run.tenant_id) as connection:
            await batches.close_bulk(connection, run.tenant_id, row["id"], finished=finished)
        log.info("batch.settled", finished=finished, found=vendor_id is not None)
