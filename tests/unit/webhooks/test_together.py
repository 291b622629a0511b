"""Calls made together: alone at once, under load many in one, and nobody pays for another."""

import asyncio
from collections.abc import Hashable, Sequence

import asyncpg
import pytest

from app.webhooks.together import MOST, Together


class Database:
    """Doubles numbers; cannot take 13, and goes away at 99."""

    def __init__(self) -> None:
        self.calls: list[tuple[Hashable, list[int]]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def call(self, lane: Hashable, items: Sequence[int]) -> list[int]:
        self.calls.append((lane, list(items)))
        await self.open.wait()
        await asyncio.sleep(0)
        if 13 in items:
            raise asyncpg.DataError("13")
        if 99 in items:
            raise ConnectionResetError
        return [2 * item for item in items]


async def test_who_comes_alone_is_served_at_once() -> None:
    database = Database()
    together = Together(database.call)

    assert [await together("a", n) for n in (1, 2)] == [2, 4]
    assert database.calls == [("a", [1]), ("a", [2])]


async def test_those_who_come_meanwhile_are_served_together() -> None:
    database = Database()
    together = Together(database.call)

    results = await asyncio.gather(*(together("a", -n) for n in range(MOST + 5)))

    assert results == [-2 * n for n in range(MOST + 5)]
    assert [len(items) for _, items in database.calls] == [MOST, 5]


async def test_lanes_do_not_wait_for_one_another() -> None:
    database = Database()
    database.open.clear()
    together = Together(database.call)
    waiting = [asyncio.create_task(together(lane, 1)) for lane in ("a", "b")]
    await asyncio.sleep(0.01)

    assert database.calls == [("a", [1]), ("b", [1])]
    database.open.set()
    assert await asyncio.gather(*waiting) == [2, 2]


async def test_what_the_database_cannot_take_costs_nobody_else() -> None:
    database = Database()
    together = Together(database.call)

    results = await asyncio.gather(*(together("a", n) for n in (1, 12, 13, 14)), return_exceptions=True)

    assert [result if isinstance(result, int) else type(result) for result in results] == [2, 24, asyncpg.DataError, 28]


async def test_a_database_that_is_gone_is_told_to_all_of_a_call_and_asked_again_by_the_next() -> None:
    database = Database()
    together = Together(database.call)

    results = await asyncio.gather(*(together("a", n) for n in (1, 99, 3)), return_exceptions=True)

    assert [type(result) for result in results] == [ConnectionResetError] * 3
    assert await together("a", 4) == 8


async def test_who_stops_waiting_stops_nobody_else() -> None:
    database = Database()
    database.open.clear()
    together = Together(database.call)
    first, second, third = (asyncio.create_task(together("a", n)) for n in (1, 2, 3))
    await asyncio.sleep(0.01)
    first.cancel()
    second.cancel()
    await asyncio.sleep(0.01)
    database.open.set()

    assert await third == 6
    with pytest.raises(asyncio.CancelledError):
        await first
