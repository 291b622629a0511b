"""Redis forgets everything or dies, Postgres restarts: runs go on, and nothing is lost or done twice."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import ENDED, Carrier, World

pytestmark = pytest.mark.e2e

CUSTOMERS = 60


async def slow_world(make_world: MakeWorld) -> tuple[World, Carrier]:
    world = await make_world(customers=CUSTOMERS, seed=12, x3_settings={"page_size": 6})
    await world.x3.settings(page_latency_seconds=0.1)
    await world.mailchimp.settings(batch_latency_seconds=0.3)
    return world, await world.sync()


@contextlib.asynccontextmanager
async def redis_of(world: World) -> Any:
    client = Redis.from_url(world.plant.system.env["MLC_REDIS_URL"])
    try:
        yield client
    finally:
        await client.aclose()


async def test_redis_is_wiped_again_and_again(make_world: MakeWorld) -> None:
    """The doorbell and the limiters forget everything, several times in one run."""
    world, customers = await slow_world(make_world)
    run_id = (await customers.start())["id"]
    wiped = 0
    async with redis_of(world) as redis:
        while (await customers.read(run_id))["state"] not in ENDED:
            await redis.flushall()
            wiped += 1
            await asyncio.sleep(0.15)

    run = await customers.ended(run_id)

    assert wiped > 5
    await customers.check(run, {}, disturbed=True)
    assert run["counts"]["created"] == len(await customers.snapshot())


async def test_a_run_that_was_queued_before_redis_was_wiped_starts_all_the_same(make_world: MakeWorld) -> None:
    world = await make_world(customers=5)
    customers = await world.sync()
    async with redis_of(world) as redis:
        started = await customers.start()
        await redis.flushall()

    await customers.check(await customers.ended(started["id"], seconds=15), {})


async def test_redis_is_killed_in_mid_run(make_world: MakeWorld) -> None:
    world, customers = await slow_world(make_world)
    run_id = (await customers.start())["id"]
    await customers.until(run_id, lambda run: run["progress"]["pages"] >= 2)
    async with redis_of(world) as redis:
        os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)
    run = await customers.ended(run_id)

    await customers.check(run, {}, disturbed=True)
    await redis_is_back(world)
    assert run["counts"]["read"] == CUSTOMERS


async def redis_is_back(world: World) -> None:
    async with redis_of(world) as redis:
        for _ in range(200):
            with contextlib.suppress(RedisError, OSError):
                if await redis.ping():
                    return
            await asyncio.sleep(0.1)
    raise AssertionError("Redis did not come back")


async def test_requests_are_taken_while_redis_is_down(make_world: MakeWorld) -> None:
    """A run that nobody could ring for is found by the sweeper."""
    world = await make_world(customers=5)
    customers = await world.sync()
    async with redis_of(world) as redis:
        os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)

    started = await customers.start()
    run = await customers.ended(started["id"])

    await redis_is_back(world)
    await customers.check(run, {}, disturbed=True)


@pytest.mark.parametrize("times", [1, 3])
async def test_postgres_restarts_in_mid_run(make_world: MakeWorld, times: int) -> None:
    """Immediate mode: every connection breaks, whatever was not committed is gone."""
    world, customers = await slow_world(make_world)
    run_id = (await customers.start())["id"]
    for pages in range(2, 2 + times):
        await customers.until(run_id, lambda run, pages=pages: run["progress"]["pages"] >= pages)
        postmaster = Path(world.plant.system.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0]
        os.kill(int(postmaster), signal.SIGQUIT)
        await postgres_is_back(world, int(postmaster))

    run = await customers.ended(run_id)

    await customers.check(run, {}, disturbed=True)
    assert run["counts"]["read"] == CUSTOMERS
    assert run["counts"]["created"] == len(await customers.snapshot())


async def postgres_is_back(world: World, old: int) -> None:
    """Another postmaster answers, and so does the API."""
    for _ in range(600):
        with contextlib.suppress(OSError, asyncpg.PostgresError, httpx.HTTPError, IndexError, AssertionError):
            path = Path(world.plant.system.data_dir / "postgres" / "postmaster.pid")
            if int(path.read_text().splitlines()[0]) != old and await world.items("runs"):
                return
        await asyncio.sleep(0.1)
    raise AssertionError("Postgres did not come back")
