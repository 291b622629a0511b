"""Between two slices of a long run a worker lets go of the types that a slice has made for decoding."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from app.connectors.sage_x3.paths import parse_path
from app.connectors.sage_x3.queries import tree_of
from app.connectors.sage_x3.structs import Shape
from workers import jobs


@pytest.fixture(autouse=True)
def no_collector_of_its_own() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def a_type() -> weakref.ref[Any]:
    """What decoding made and nobody holds any more."""
    return weakref.ref(Shape(tree_of([parse_path("company.code"), parse_path("id")])).struct)


async def carried(monkeypatch: pytest.MonkeyPatch, result: str) -> bool:
    """Whether such a type still lives when a slice has ended like this."""

    async def work(*_: object) -> str:
        return result

    monkeypatch.setattr(jobs, "work", work)
    made = a_type()
    await jobs.carry_run({"shop": None}, str(uuid4()), str(uuid4()))
    return made() is not None


async def test_after_a_slice_of_a_long_run_they_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not await carried(monkeypatch, "sliced")


async def test_short_runs_pay_nothing_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await carried(monkeypatch, "not_claimed")
