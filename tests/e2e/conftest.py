"""One running product for all end-to-end tests of a session; a tenant and a sandbox for each test."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.plant import Plant
from tests.e2e.sandboxes import Nursery
from tests.e2e.world import World

MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture(scope="session")
def plant(open_folder: Path) -> Iterator[Plant]:
    """The product. No setting comes from the surroundings."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("MLC_")]:
        patch.delenv(name)
    with Plant(open_folder / "plant").running() as running:
        yield running
    patch.undo()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where sandboxes come from."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
async def make_world(plant: Plant, nursery: Nursery, request: pytest.FixtureRequest) -> AsyncIterator[MakeWorld]:
    """Makes worlds; when the test has passed, everything that must always be true of each is checked."""
    worlds: list[World] = []

    async def make(*, x3_settings: dict[str, Any] | None = None, **options: Any) -> World:
        world = World(plant, nursery.sandbox(**{"customers": 0, "suppliers": 0, "invoices": 0, **options}))
        worlds.append(world)
        return await world.furnish(**(x3_settings or {}))

    yield make
    try:
        if not request.node.stash.get(FAILED, False):
            for world in worlds:
                await world.check_end()
    finally:
        for world in worlds:
            await world.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Let fixtures know that the test itself has failed, so that its own message is the one that is read."""
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    """An empty X3 and an empty Mailchimp."""
    return await make_world()
