"""Which items of a queue go as a batch, and what becomes of each afterwards."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app.domain.errors import ConnectorError, NeedsTenant, RecordRejected, Transient
from app.sync.bulking import BulkSender, Pair


class Item:
    def __init__(self, number: int, *, plain: bool = True) -> None:
        self.number = number
        self.plain = plain
        self.became = "waiting"


class Sender(BulkSender[Item, int, str]):
    """Accounts on the items themselves."""

    def is_plain(self, item: Item) -> bool:
        return item.plain

    def row(self, item: Item) -> int:
        return item.number

    def pair(self, item: Item) -> Pair:
        return bytes(16), bytes(16)

    def singly(self, item: Item) -> None:
        item.plain = False

    async def carried(self, item: Item, answer: str) -> None:
        item.became = answer

    def refused(self, item: Item, error: RecordRejected) -> bool:
        item.became = error.code
        return error.code != "again"


def a_sender(*items: Item, least: int = 3, largest: int = 4) -> Sender:
    queue: asyncio.Queue[Item] = asyncio.Queue()
    for item in items:
        queue.put_nowait(item)
    run: Any = SimpleNamespace(sync={"target_connection_id": uuid4()})
    bulk: Any = SimpleNamespace(largest=largest)
    return Sender(run, bulk, queue, uuid4(), least)


def waiting(sender: Sender) -> list[int]:
    queue = sender._queue
    return [queue.get_nowait().number for _ in range(queue.qsize())]


def test_the_last_that_wait_are_taken_and_the_others_keep_their_places() -> None:
    sender = a_sender(*(Item(number, plain=number != 5) for number in range(8)))

    assert [item.number for item in sender._taken()] == [3, 4, 6, 7]
    assert waiting(sender) == [0, 1, 2, 5]


def test_too_few_that_are_plain_make_no_batch() -> None:
    sender = a_sender(*(Item(number, plain=number < 2) for number in range(8)))

    assert sender._taken() == []
    assert waiting(sender) == list(range(8))


def test_a_threshold_above_the_size_of_a_batch_still_makes_batches() -> None:
    sender = a_sender(*map(Item, range(9)), least=6, largest=4)

    assert [item.number for item in sender._taken()] == [5, 6, 7, 8]


async def test_each_item_is_carried_refused_or_left_to_a_single_call() -> None:
    items = [Item(number) for number in range(5)]
    sender = a_sender()
    answers: Mapping[int, str | ConnectorError] = {
        0: "carried",
        1: RecordRejected("refused", "no"),
        2: RecordRejected("again", "no"),
        3: Transient("mailchimp_busy", "later"),
    }

    await sender._account(items, answers)

    assert [item.became for item in items] == ["carried", "refused", "again", "waiting", "waiting"]
    assert waiting(sender) == [2, 3, 4]
    assert [item.plain for item in items] == [True, True, False, False, False]


async def test_what_concerns_the_whole_run_ends_it() -> None:
    with pytest.raises(NeedsTenant):
        await a_sender()._account([Item(0)], {0: NeedsTenant("mailchimp_store_gone", "gone")})
