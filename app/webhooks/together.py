"""Calls of one kind that come while another one is under way are made together, as soon as that one has ended."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

import asyncpg

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 100  # items of one call
Waiting = list[tuple[Item, asyncio.Future[Result]]]


class Together(Generic[Item, Result]):
    """Who comes alone is served at once; under load a call serves many, so that the load of the database falls.

    `call` gets a lane and its items, and gives one result per item, in order. Lanes do not wait for one another. An
    item the database cannot take (`asyncpg.DataError`) costs nobody else: all of its call are then tried alone. Whoever
    stops waiting does not stop the call.
    """

    def __init__(self, call: Callable[[Hashable, Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._call = call
        self._lanes: dict[Hashable, Waiting[Item, Result]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, lane: Hashable, item: Item) -> Result:
        """The result of this item; raises what the call raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        waiting = self._lanes.get(lane)
        if waiting is None:
            self._lanes[lane] = [(item, future)]
            task = asyncio.create_task(self._serve(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            waiting.append((item, future))
        return await future

    async def _serve(self, lane: Hashable) -> None:
        try:
            while waiting := self._lanes[lane]:
                group, self._lanes[lane] = waiting[:MOST], waiting[MOST:]
                await self._made(lane, group)
        finally:
            for _, future in self._lanes.pop(lane):  # nobody, unless this was cancelled
                future.cancel()

    async def _made(self, lane: Hashable, group: Waiting[Item, Result]) -> None:
        try:
            results = await self._call(lane, [item for item, _ in group])
        except asyncpg.DataError as error:
            if len(group) == 1:
                _fail(group, error)
                return
            for one in group:
                await self._made(lane, [one])
        except Exception as error:  # whatever it is, those who wait must hear of it
            _fail(group, error)
        except asyncio.CancelledError:
            for _, future in group:
                future.cancel()
            raise
        else:
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(group: Waiting[Item, Result], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
