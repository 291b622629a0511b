"""Schedules at work: what is due is queued once, what was missed becomes one run, quiet hours hold runs back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest

from app.db.engine import Database
from app.sync.queue import Queue
from app.sync.sweeping import sweep
from app.sync.working import Workshop, work
from tests.fakes import World

pytestmark = pytest.mark.integration


class Bell:
    """Stands for the doorbell."""

    def __init__(self) -> None:
        self.rung: list[UUID] = []

    async def ring(self, tenant_id: UUID, run_id: UUID, *, delay_seconds: float = 0) -> bool:
        self.rung.append(run_id)
        return True


@pytest.fixture
async def world(database: Database) -> World:
    world = await World(database).set_up()
    await world.fetch("update tenant set time_zone = 'Europe/Paris' where id = $1 returning id", world.tenant)
    return world


async def scheduled(world: World, schedule: dict[str, Any], due: datetime | None, **columns: Any) -> None:
    await world.fetch(
        "update sync set schedule = $2::varchar::jsonb, next_due_at = $3 where id = $1 returning id",
        world.sync,
        msgspec.json.encode(schedule).decode(),
        due,
    )
    for name, value in columns.items():
        await world.fetch(f"update sync set {name} = $2 where id = $1 returning id", world.sync, value)


async def swept(world: World) -> tuple[int, int]:
    return await sweep(world.database, cast(Queue, Bell()))


async def runs_of(world: World) -> list[str]:
    return [row["mode"] for row in await world.fetch("select mode from sync_run order by queued_at")]


async def due_at(world: World) -> datetime:
    (row,) = await world.fetch("select next_due_at from sync where id = $1", world.sync)
    found: datetime = row["next_due_at"]
    return found


@pytest.mark.parametrize(
    ("schedule", "longest"),
    [
        ({"kind": "daily", "at": "02:30"}, timedelta(days=1, hours=1)),
        ({"kind": "weekly", "days": ["mon", "thu"], "at": "06:00"}, timedelta(days=5)),
        ({"kind": "interval", "minutes": 15}, timedelta(minutes=15)),
        ({"kind": "cron", "expression": "*/10 * * * *"}, timedelta(minutes=10)),
    ],
)
async def test_days_that_were_missed_become_one_run_and_the_next_time_lies_ahead(
    world: World, schedule: dict[str, Any], longest: timedelta
) -> None:
    await scheduled(world, schedule, datetime.now(UTC) - timedelta(days=3))

    assert (await swept(world))[0] == 1
    assert (await swept(world))[0] == 0

    assert await runs_of(world) == ["delta"]
    assert timedelta(0) < await due_at(world) - datetime.now(UTC) <= longest


async def test_intervals_keep_their_beat(world: World) -> None:
    begin = datetime.now(UTC) - timedelta(minutes=47, seconds=13)
    await scheduled(world, {"kind": "interval", "minutes": 15}, begin)

    await swept(world)

    assert (await due_at(world) - begin) % timedelta(minutes=15) == timedelta(0)


async def test_workers_that_sweep_at_once_start_it_once(world: World) -> None:
    await scheduled(world, {"kind": "interval", "minutes": 5}, datetime.now(UTC) - timedelta(minutes=1))

    started = await asyncio.gather(*(swept(world) for _ in range(6)))

    assert sum(count for count, _ in started) == 1
    assert len(await runs_of(world)) == 1


@pytest.mark.parametrize("columns", [{"enabled": False}, {"state": "paused"}, {"state": "needs_attention"}])
async def test_a_sync_that_is_off_or_waits_for_somebody_is_not_started(world: World, columns: dict[str, Any]) -> None:
    await scheduled(world, {"kind": "interval", "minutes": 5}, datetime.now(UTC) - timedelta(minutes=1), **columns)

    assert (await swept(world))[0] == 0
    assert await runs_of(world) == []


async def test_a_due_time_behind_a_run_that_waits_starts_no_second_one(world: World) -> None:
    await world.queued("delta")
    await scheduled(world, {"kind": "interval", "minutes": 5}, datetime.now(UTC) - timedelta(minutes=1))

    await swept(world)

    assert await runs_of(world) == ["delta"]


async def test_the_run_that_is_due_compares_both_sides_when_the_last_comparison_is_old(world: World) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=9)
    late = datetime.now(UTC) - timedelta(minutes=1)
    await world.fetch("update sync set reconcile = '{\"every_days\": 7}', created_at = $2 where id = $1 returning id",
                      world.sync, long_ago)  # fmt: skip
    await scheduled(world, {"kind": "interval", "minutes": 5}, late)
    await swept(world)
    (run,) = await world.fetch("select id from sync_run")
    await world.carried(run["id"])
    await scheduled(world, {"kind": "interval", "minutes": 5}, late)

    await swept(world)

    assert await runs_of(world) == ["reconcile", "delta"]


def all_day() -> dict[str, Any]:
    """Quiet hours that hold now, whatever the time, with their end within a day."""
    local = datetime.now(UTC)
    return {"from": f"{(local - timedelta(hours=3)):%H:%M}", "to": f"{(local + timedelta(hours=3)):%H:%M}"}


async def test_nothing_is_started_in_quiet_hours_and_all_of_it_afterwards(world: World) -> None:
    await world.fetch("update tenant set time_zone = 'UTC' where id = $1 returning id", world.tenant)
    schedule = {"kind": "interval", "minutes": 5, "quiet_hours": [all_day()]}
    await scheduled(world, schedule, datetime.now(UTC) - timedelta(minutes=1))

    assert (await swept(world))[0] == 0

    assert await runs_of(world) == []
    assert timedelta(hours=2) < await due_at(world) - datetime.now(UTC) <= timedelta(hours=3, minutes=1)


async def test_a_run_somebody_asks_for_in_quiet_hours_waits_and_says_so(world: World) -> None:
    await world.fetch("update tenant set time_zone = 'UTC' where id = $1 returning id", world.tenant)
    await scheduled(world, {"kind": "manual", "quiet_hours": [all_day()]}, None)
    run_id = await world.queued("full")
    shop = cast(Workshop, type("Shop", (), {"opener": type("O", (), {"database": world.database}), "pace": world.pace}))

    assert await work(shop, world.tenant, run_id) == "not_claimed"

    (run,) = await world.fetch("select state, reason, reason_code, not_before, n_read, stalls from sync_run")
    assert (run["state"], run["reason_code"], run["stalls"]) == ("queued", "quiet_hours", 0)
    assert "quiet hours" in run["reason"]
    assert run["not_before"] > datetime.now(UTC)
    bell = Bell()
    await sweep(world.database, cast(Queue, bell))
    assert bell.rung == []
