"""What waits to be sent: new members for a batch, filled across pages and spread out at the end; single changes."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, TypeVar

from app.domain.planning import Decision
from app.sync.pages import Page

LARGEST = 500  # Marketing API: members per POST /lists/{list_id}
SMALLEST = 50
FIRST = 100  # until one answer has told how long a member takes
LINGER_SECONDS = 0.15
TOGETHER = 20  # changes written down by one batch row
CALM_SECONDS = 20.0  # a call should stay well under Mailchimp's 120 s

Row = tuple[Page, Decision]
T = TypeVar("T")


class Ahead(Generic[T]):
    """Single changes that were written down, a few ahead of the senders: none of them waits for the database between
    two calls, and they do not all do so at once."""

    def __init__(self, queue: asyncio.Queue[T], ahead: int, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._queue = queue
        self._ready: asyncio.Queue[T] = asyncio.Queue(ahead)
        self._write = write

    async def fill(self) -> None:
        """Runs until cancelled; raises what `write` raises, and nothing of that portion is sent."""
        while True:
            some = [await self._queue.get()]
            while len(some) < TOGETHER and not self._queue.empty():
                some.append(self._queue.get_nowait())
            await self._write(some)
            for each in some:
                await self._ready.put(each)

    async def next(self) -> T:
        """The next to be sent."""
        return await self._ready.get()


class BatchSize:
    """How many members one call carries, from the latency seen. Kept per audience for the life of the process."""

    _learnt: dict[object, int] = {}  # noqa: RUF012  # shared on purpose

    def __init__(self, audience: object) -> None:
        self._audience = audience
        self.value = self._learnt.get(audience, FIRST)

    def took(self, members: int, seconds: float) -> None:
        """A call with so many members answered after so long."""
        fits = int(CALM_SECONDS * members / max(seconds, 0.001))
        self._set(min(max(fits, SMALLEST), LARGEST))

    def timed_out(self) -> None:
        self._set(max(self.value // 2, SMALLEST))

    def _set(self, value: int) -> None:
        self.value = self._learnt[self._audience] = value


class Outbox:
    """Rows for the insert-only call. `senders` is how many calls may run at once."""

    def __init__(self, size: BatchSize, senders: int) -> None:
        self.size = size
        self._senders = senders
        self._idle = 0
        self._rows: deque[Row] = deque()
        self._draining = False
        self._wake = asyncio.Event()

    def put(self, rows: Collection[Row]) -> None:
        self._rows.extend(rows)
        if rows:
            self._wake.set()

    def drain(self) -> None:
        """Nothing more will be read: do not wait for full batches."""
        self._draining = True
        self._wake.set()

    async def take(self) -> list[Row]:
        """The next batch: full, or what has waited long enough, shared among the idle senders."""
        self._idle += 1
        try:
            return await self._take()
        finally:
            self._idle -= 1

    async def _take(self) -> list[Row]:
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while True:
            waiting = len(self._rows)
            if waiting >= self.size.value:
                return self._pop(self.size.value)
            if waiting and (self._draining or (deadline is not None and loop.time() >= deadline)):
                share = -(-waiting // max(self._idle, 1))
                return self._pop(min(max(share, SMALLEST), self.size.value))
            if not waiting:
                deadline = None
            elif deadline is None:
                deadline = loop.time() + LINGER_SECONDS
            self._wake.clear()
            timeout = None if deadline is None else max(deadline - loop.time(), 0.001)
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except TimeoutError:
                continue

    def _pop(self, count: int) -> list[Row]:
        rows = [self._rows.popleft() for _ in range(min(count, len(self._rows)))]
        if self._rows:
            self._wake.set()
        return rows
