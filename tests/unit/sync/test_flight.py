"""Who waits for whom when several pages are about the same addresses."""

from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest

from app.domain.party import SourcePage
from app.sync.flight import Flight
from app.sync.opened import OpenRun
from app.sync.pages import Lane, Page, Position

X, Y = b"x" * 16, b"y" * 16


@pytest.fixture
async def flight() -> Flight:
    run = cast(OpenRun, SimpleNamespace(audience_id=UUID(int=1), pace=SimpleNamespace(senders=2)))
    return Flight(run, Position(), pages_at_once=4)


def a_page(flight: Flight) -> Page:
    page = Page(Lane("scan"), SourcePage((), (), None), last_of_lane=False)
    flight.planned(page)
    return page


async def test_a_page_waits_for_an_earlier_one_that_holds_its_address(flight: Flight) -> None:
    first, second = a_page(flight), a_page(flight)
    flight.hold(first, [X])

    assert flight.blockers(second, [Y, X, None]) == {first}
    assert flight.blockers(second, [Y]) == set()


async def test_nobody_waits_for_a_page_planned_later(flight: Flight) -> None:
    first, second, third = a_page(flight), a_page(flight), a_page(flight)
    flight.hold(third, [X])
    flight.hold(second, [X])  # it waits itself, and keeps its place

    assert flight.blockers(first, [X]) == set()
    assert flight.blockers(second, [X]) == set()
    assert flight.blockers(third, [X]) == {second}


async def test_a_remembered_page_holds_nothing_any_more(flight: Flight) -> None:
    first, second = a_page(flight), a_page(flight)
    await flight.slots.acquire()
    flight.hold(first, [X, Y, X])
    flight.hold(second, [Y])

    flight.landed(first)

    assert flight.blockers(second, [X, Y]) == set()
    assert first.remembered.is_set()
    assert flight.blockers(a_page(flight), [Y]) == {second}
