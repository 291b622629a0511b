"""How long a slice lasts: its time, and longer only while nobody waits for its end."""

import asyncio
from typing import Any, cast
from uuid import uuid4

import pytest

from app.db.engine import Database
from app.sync import working
from app.sync.opened import LONGEST_SLICES, OpenRun, Pace
from app.sync.working import Watch, Workshop
from tests.fakes import World

pytestmark = pytest.mark.integration

BEATS = 0.02


@pytest.fixture
async def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(working, "WATCH_SECONDS", BEATS)
    return await World(database).set_up()


async def watched(world: World, *, is_full: bool) -> OpenRun:
    """A run after its lease was extended a few times."""
    run = await world.claimed(await world.queued("full"))
    assert run is not None
    opener = type("Opener", (), {"database": world.database})()
    shop = Workshop(cast(Any, opener), cast(Any, None), Pace(slice_seconds=10), is_full=lambda: is_full)

    async def work(watch: Watch) -> str:
        watch.run = run
        await asyncio.sleep(10 * BEATS)
        return "sliced"

    assert await Watch(shop, world.tenant, run.row).over(work) == "sliced"
    return run


def is_over_after(run: OpenRun, seconds: float) -> bool:
    run.began -= seconds
    over = run.slice_is_over
    run.began += seconds
    return over


async def test_a_slice_goes_on_while_its_worker_has_room_for_others(world: World) -> None:
    run = await watched(world, is_full=False)

    assert not is_over_after(run, run.pace.slice_seconds + 1)
    assert is_over_after(run, run.pace.slice_seconds * LONGEST_SLICES + 1)


async def test_a_slice_ends_in_time_where_another_run_would_have_to_wait(world: World) -> None:
    run = await watched(world, is_full=True)

    assert not is_over_after(run, run.pace.slice_seconds - 1)
    assert is_over_after(run, run.pace.slice_seconds + 1)


async def test_a_slice_ends_in_time_for_somebody_who_is_to_be_forgotten(world: World) -> None:
    await world.fetch(
        "insert into erasure (tenant_id, id, state, subject, passes, steps, watched, attempt)"
        " values ($1, $2, 'settling', 'digest', 1, '{}', '[]', 1) returning id", world.tenant, uuid4(),
    )  # fmt: skip

    run = await watched(world, is_full=False)

    assert is_over_after(run, run.pace.slice_seconds + 1)


async def test_a_slice_ends_in_time_for_quiet_hours(world: World) -> None:
    await world.fetch(
        'update sync set schedule = \'{"kind": "manual", "quiet_hours": [{"from": "22:00", "to": "06:00"}]}\''
        " where id = $1 returning id", world.sync,
    )  # fmt: skip

    run = await watched(world, is_full=False)

    assert is_over_after(run, run.pace.slice_seconds + 1)
