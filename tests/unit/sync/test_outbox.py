"""Single changes on their way: written down in portions, a few ahead of those who send them."""

import asyncio
from collections.abc import Sequence

import pytest

from app.sync.outbox import TOGETHER, Ahead


class Book:
    """Remembers the portions that were written down."""

    def __init__(self) -> None:
        self.portions: list[list[int]] = []
        self.breaks = False

    async def write(self, some: Sequence[int]) -> None:
        if self.breaks:
            raise OSError("the database is away")
        self.portions.append(list(some))


@pytest.fixture
def book() -> Book:
    return Book()


async def test_everything_is_written_down_before_it_is_handed_out_in_its_order(book: Book) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    ahead = Ahead(queue, 3, book.write)
    for number in range(50):
        queue.put_nowait(number)
    filling = asyncio.create_task(ahead.fill())

    for number in range(50):
        assert await ahead.next() == number
        assert number in [each for portion in book.portions for each in portion]

    filling.cancel()
    assert [len(portion) for portion in book.portions] == [TOGETHER, TOGETHER, 10]


async def test_no_more_is_written_down_than_will_soon_be_sent(book: Book) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    ahead = Ahead(queue, 3, book.write)
    for number in range(100):
        queue.put_nowait(number)
    filling = asyncio.create_task(ahead.fill())

    for _ in range(10):
        await asyncio.sleep(0)

    filling.cancel()
    assert len(book.portions) == 1
    assert queue.qsize() == 100 - TOGETHER


async def test_what_could_not_be_written_down_is_not_handed_out(book: Book) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    ahead = Ahead(queue, 3, book.write)
    book.breaks = True
    queue.put_nowait(1)

    with pytest.raises(OSError, match="away"):
        await ahead.fill()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ahead.next(), 0.01)
