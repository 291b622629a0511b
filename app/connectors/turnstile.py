"""A gate inside one process: at most N at once, first come first served within a priority."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PRIORITIES = 3


class Turnstile:
    """Counts who is inside. The limit comes with each visitor, so pacers of different limits may share one gate."""

    def __init__(self) -> None:
        self.inside = 0
        self._queues: tuple[deque[tuple[asyncio.Future[None], int]], ...] = tuple(deque() for _ in range(PRIORITIES))

    @property
    def waiting(self) -> bool:
        """Whether anybody queues here."""
        return any(self._queues)

    @asynccontextmanager
    async def turn(self, limit: int, priority: int = 0) -> AsyncIterator[None]:
        """Wait for a place and hold it; priority 0 goes before 1, and 1 before 2."""
        if self.inside < limit and not any(self._queues[: priority + 1]):
            self.inside += 1
        else:
            await self._queue(limit, priority)
        try:
            yield
        finally:
            self._leave()

    async def _queue(self, limit: int, priority: int) -> None:
        entry = (asyncio.get_running_loop().create_future(), limit)
        self._queues[priority].append(entry)
        try:
            await entry[0]
        except asyncio.CancelledError:
            if entry in self._queues[priority]:
                self._queues[priority].remove(entry)
            else:  # let in and cancelled in the same breath
                self._leave()
            raise

    def _leave(self) -> None:
        """Places are handed over, never raced for: a newcomer cannot overtake."""
        self.inside -= 1
        for queue in self._queues:
            while queue and self.inside < queue[0][1]:
                self.inside += 1
                queue.popleft()[0].set_result(None)
