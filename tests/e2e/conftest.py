"""One running product for all end-to-end tests of a session; a tenant and a sandbox for each test or module."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.plant import Plant
from tests.e2e.sandboxes import Nursery
from tests.e2e.world import Carrier, World

MakeWorld = Callable[..., Awaitable[World]]
FAILED = pytest.StashKey[bool]()


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Let fixtures know that the test itself has failed, so that its own message is the one that is read."""
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report


_SHELF: dict[str, Carrier] = {}


class Worlds:
    """The worlds of one test. Those of a module live on; the others end with the test."""

    def __init__(self, plant: Plant, nursery: Nursery) -> None:
        self._plant = plant
        self._nursery = nursery
        self.own: list[World] = []
        self.shared: list[str] = []

    async def make(
        self, *, x3_settings: dict[str, Any] | None = None, verify_x3: bool = False, **options: Any
    ) -> World:
        """`options` are those of the sandbox, which is empty unless they say otherwise."""
        world = World(self._plant, self._nursery.sandbox(**{"customers": 0, "suppliers": 0, "invoices": 0, **options}))
        self.own.append(world)
        return await world.furnish(verify_x3=verify_x3, **(x3_settings or {}))

    async def kept(self, name: str, make: Callable[[], Awaitable[Carrier]]) -> Carrier:
        """A sync, with its world, that all tests of a module use: made once, and anew when a test has failed on it."""
        if name not in _SHELF:
            _SHELF[name] = await make()
            self.own.remove(_SHELF[name].world)
        self.shared.append(name)
        return _SHELF[name]

    def worlds(self) -> list[World]:
        return [*self.own, *(_SHELF[name].world for name in self.shared)]

    def drop(self) -> None:
        """The test has failed: whatever it used is of no use to others."""
        self.own.extend(_SHELF.pop(name).world for name in self.shared)
        self.shared.clear()

    async def check(self) -> None:
        """What must be true of each, whatever the test was about."""
        for world in self.worlds():
            await world.check_end()

    async def rest(self) -> None:
        for world in self.worlds():
            await world.rest()
        for world in self.own:
            world.sandbox.end()


@pytest.fixture
async def worlds(plant: Plant, nursery: Nursery, request: pytest.FixtureRequest) -> AsyncIterator[Worlds]:
    """Where a test's worlds come from; when it has passed, everything that must always be true of them is checked."""
    worlds = Worlds(plant, nursery)
    yield worlds
    try:
        if request.node.stash.get(FAILED, False):
            worlds.drop()
        else:
            await worlds.check()
    except BaseException:
        worlds.drop()
        raise
    finally:
        await worlds.rest()


@pytest.fixture
def make_world(worlds: Worlds) -> MakeWorld:
    return worlds.make


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    """An empty X3 and an empty Mailchimp."""
    return await make_world()
