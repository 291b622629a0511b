"""Large updates as batches of operations: beside the direct calls, one batch at a time, each row accounted for.

What members (`bulk_members.py`) and orders (`bulk_orders.py`) have in common.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar
from uuid import UUID, uuid4

import structlog

from app.db import batches
from app.domain.errors import ConnectorError, RecordRejected, Transient
from app.sync.bulk_settling import CLOCK_ERROR, close
from app.sync.opened import LeaseLost, OpenRun
from app.sync.ports import Bulk

LOOK_SECONDS = 0.5
BUSY_SECONDS = 5.0  # while another batch of the connection is under way
LONGEST_SECONDS = 3600.0  # Mailchimp promises nothing; tens of thousands of operations were seen to take an hour

ItemT = TypeVar("ItemT")
RowT = TypeVar("RowT")
AnsweredT = TypeVar("AnsweredT")
Pair = tuple[bytes, bytes]

log = structlog.get_logger(__name__)


class BulkSender(ABC, Generic[ItemT, RowT, AnsweredT]):
    """Takes plain items off the queue of single changes while at least `least` of them wait.

    It takes those that would wait longest, so that the direct calls go on with what is to be remembered first.
    """

    def __init__(
        self, run: OpenRun, bulk: Bulk[RowT, AnsweredT], queue: asyncio.Queue[ItemT], target: UUID, least: int
    ) -> None:
        self._run = run
        self._bulk = bulk
        self._queue = queue
        self._target = target
        self._least = least
        self._connection_id: UUID = run.sync["target_connection_id"]

    @abstractmethod
    def is_plain(self, item: ItemT) -> bool:
        """Whether one call, that nothing has to be read for, carries it."""

    @abstractmethod
    def row(self, item: ItemT) -> RowT:
        """What is handed over."""

    @abstractmethod
    def pair(self, item: ItemT) -> Pair:
        """What is changed, and into what: 16 bytes each."""

    @abstractmethod
    def singly(self, item: ItemT) -> None:
        """From now on it is no longer plain."""

    @abstractmethod
    async def carried(self, item: ItemT, answer: AnsweredT) -> None:
        """It was carried out."""

    @abstractmethod
    def refused(self, item: ItemT, error: RecordRejected) -> bool:
        """Note a refusal; false when a single call shall have another try."""

    async def carry(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._run.stopping:  # what is under way is finished by single calls, which take less long
                continue
            if self._queue.qsize() >= self._least and (items := self._taken()):
                await self._send(items)

    def _taken(self) -> list[ItemT]:
        """The last plain items, at most as many as one batch holds; none when they are too few for a batch."""
        waiting = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        plain = [place for place, item in enumerate(waiting) if self.is_plain(item)]
        taken = set(plain[-self._bulk.largest :]) if len(plain) >= self._least else set()
        for place, item in enumerate(waiting):
            if place not in taken:
                self._queue.put_nowait(item)
        return [waiting[place] for place in sorted(taken)]

    async def _send(self, items: Sequence[ItemT]) -> None:
        id_, rows = uuid4(), [self.row(item) for item in items]
        if not await self._announced(id_, items):
            return
        vendor_id = await self._submitted(id_, rows)
        log.info("batch.submitted", operations=len(items))
        answers = await self._bulk.answers(vendor_id, rows, seconds=LONGEST_SECONDS)
        await close(self._run, id_, finished=True)
        log.info("batch.finished", operations=len(items), answered=len(answers))
        await self._account(items, answers)

    async def _announced(self, id_: UUID, items: Sequence[ItemT]) -> bool:
        """Write down what is about to be sent; false, and the items are back, when it has to wait for something."""
        run, pairs = self._run, [self.pair(item) for item in items]
        async with run.database.transaction(run.tenant_id) as connection:
            if await batches.conflicting(
                connection, run.tenant_id, self._target, run.run_id, run.fence, run.pace.settle_seconds, pairs
            ):
                self._directly(items)
                return False
            is_busy = await batches.bulk_under_way(connection, run.tenant_id, self._connection_id)
            if not is_busy and not await batches.announce_bulk(
                connection,
                run.tenant_id,
                id_,
                run.run_id,
                run.fence,
                self._target,
                self._connection_id,
                batches.packed(pairs),
            ):
                raise LeaseLost
        if is_busy:
            for item in items:
                self._queue.put_nowait(item)
            await asyncio.sleep(BUSY_SECONDS)
        return not is_busy

    async def _submitted(self, id_: UUID, rows: Sequence[RowT]) -> str:
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

    async def _found_or_sent_again(self, id_: UUID, rows: Sequence[RowT]) -> str:
        async with self._run.database.transaction(self._run.tenant_id) as connection:
            sent_at = await batches.sent_at(connection, self._run.tenant_id, id_)
        found = await self._bulk.find(id_, sent_at - CLOCK_ERROR, len(rows))
        return found or await self._bulk.submit(id_, rows)

    async def _account(self, items: Sequence[ItemT], answers: Mapping[int, AnsweredT | ConnectorError]) -> None:
        for place, item in enumerate(items):
            answer = answers.get(place)
            if answer is None or isinstance(answer, Transient):
                self._directly([item])
            elif isinstance(answer, RecordRejected):
                if not self.refused(item, answer):
                    self._directly([item])
            elif isinstance(answer, ConnectorError):
                raise answer
            else:
                await self.carried(item, answer)

    def _directly(self, items: Sequence[ItemT]) -> None:
        """Leave these to the single calls: each may be sent again."""
        for item in items:
            self.singly(item)
            self._queue.put_nowait(item)
