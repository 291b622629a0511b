"""Several readers share the keys of a source: each party is read once, whatever the keys look like."""

import asyncio
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.sync.opened import OpenRun
from app.sync.pages import Lane, Position
from app.sync.reading import Reader
from tests.fakes import FakeX3, Row


def a_run(x3: FakeX3, readers: int = 4) -> OpenRun:
    run = SimpleNamespace(source=x3, row={"codes": None}, pace=SimpleNamespace(readers=readers), stopping=False)
    return cast(OpenRun, run)


async def read(x3: FakeX3, *, slow: bool = False) -> tuple[Counter[str], Position, int]:
    run, position = a_run(x3), Position()
    reader = Reader(run, position, None)
    position.lanes = await reader.lanes()
    seen: Counter[str] = Counter()
    behind: dict[int, str | None] = {}
    pages = 0
    async for page in reader.pages():
        if slow:
            await asyncio.sleep(0)
        seen.update(party.code for party in page.source.parties)
        pages += 1
        codes = [party.code for party in page.source.parties]
        assert codes == sorted(codes)
        assert not codes or (behind.get(id(page.lane)) or "") < codes[0]
        behind[id(page.lane)] = page.source.last_key or behind.get(id(page.lane))
    return seen, position, pages


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("seed", range(12))
async def test_every_party_is_read_once(seed: int, slow: bool) -> None:
    dice = random.Random(seed)
    x3 = FakeX3(page_size=dice.choice([1, 3, 10]))
    clumps = dice.choices("ABCXYZ019", k=3)
    for _ in range(dice.randint(4, 400)):
        code = dice.choice(clumps) + "".join(dice.choices("0123456789ABC", k=dice.randint(1, 5)))
        x3.put(Row(code, f"{code}@acme.test", code))

    seen, position, _ = await read(x3, slow=slow)

    assert seen == Counter(list(x3.rows))
    assert all(lane.after is None or lane.until is None or lane.after < lane.until for lane in position.lanes)


async def test_a_reader_that_is_done_takes_over_half_of_the_longest_way() -> None:
    x3 = FakeX3(page_size=5)
    x3.put(*(Row(f"A{n:04d}", None, "x") for n in range(900)), Row("Z0000", None, "x"))  # all in the first quarter

    seen, position, _ = await read(x3)

    assert len(seen) == 901
    assert len(position.lanes) > 4


async def test_small_remainders_are_left_to_their_reader() -> None:
    x3 = FakeX3(page_size=100)
    x3.put(*(Row(f"C{n:05d}", None, "x") for n in range(1000)))

    _, position, pages = await read(x3)

    assert len(position.lanes) == 4
    assert pages <= 4 * (3 + 1)


async def test_few_parties_are_read_by_one_reader() -> None:
    x3 = FakeX3()
    x3.put(Row("C1", None, "x"), Row("C2", None, "x"))

    assert await Reader(a_run(x3), Position(), None).lanes() == [Lane("scan")]


async def test_what_a_reader_raises_reaches_whoever_takes_the_pages() -> None:
    class Broken(FakeX3):
        async def bounds(self) -> Any:
            return None

    x3 = Broken()
    x3.put(*(Row(f"C{n}", None, "x") for n in range(20)))

    def fail() -> None:
        raise ZeroDivisionError

    x3.before_page = fail
    run, position = a_run(x3), Position()
    reader = Reader(run, position, None)
    position.lanes = await reader.lanes()

    with pytest.raises(ExceptionGroup) as caught:
        _ = [page async for page in reader.pages()]
    assert caught.group_contains(ZeroDivisionError)
