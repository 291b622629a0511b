"""Workers die, are stopped and hang in the middle of runs; another one goes on, and the audience is as if nothing had
happened."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.plant import LEASE_SECONDS, SWEEP_SECONDS, Worker
from tests.e2e.world import DONE, Carrier, Row, World

pytestmark = pytest.mark.e2e

CUSTOMERS = 60
SLACK_SECONDS = 6.0  # a busy machine, and a worker that has just been started again


async def slow_world(make_world: MakeWorld, page_size: int = 8, **terms: Any) -> tuple[World, Carrier]:
    """A run of it takes some seconds: small pages, slow answers of both vendors."""
    world = await make_world(customers=CUSTOMERS, seed=11, x3_settings={"page_size": page_size})
    await world.x3.settings(page_latency_seconds=0.1)
    await world.mailchimp.settings(batch_latency_seconds=0.4, call_latency_seconds=0.05)
    return world, await world.sync(**terms)


async def holder(world: World, run_id: str) -> Worker:
    """The worker that carries the run, as soon as one does."""
    deadline = time.monotonic() + 20
    while (worker := await world.plant.holder(run_id)) is None:
        assert time.monotonic() < deadline, "nobody takes up the run"
        await asyncio.sleep(0.02)
    return worker


async def fence(world: World, run_id: str) -> int:
    rows = await world.plant.rows("select fence from sync_run where id = $1", run_id)
    found: int = rows[0]["fence"]
    return found


async def taken_over(world: World, run_id: str, after: int) -> float:
    """Seconds until somebody else has claimed the run (or it has ended)."""
    began = time.monotonic()
    while await fence(world, run_id) == after:
        if (await world.call("GET", f"runs/{run_id}"))["state"] in DONE:
            break
        assert time.monotonic() - began < 60, world.plant.logs()
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def requests(world: World, operation: str) -> int:
    found: int = (await world.mailchimp.stats())["requests"].get(operation, 0)
    return found


BULK, PATCH = "postListsId", "patchListsIdMembersId"


async def reached(world: World, carrier: Carrier, run_id: str, point: str) -> None:
    """Wait until the run is at a point of its journey."""
    match point:
        case "claimed":
            await holder(world, run_id)
        case "between pages":
            await carrier.until(run_id, lambda run: run["progress"]["pages"] >= 2)
        case "while inserts are on their way":
            while await requests(world, BULK) == 0:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.05)
        case _:
            raise AssertionError(point)


@pytest.mark.parametrize("point", ["claimed", "between pages", "while inserts are on their way"])
async def test_a_killed_worker_is_replaced_within_lease_and_sweep(make_world: MakeWorld, point: str) -> None:
    world, customers = await slow_world(make_world)
    run_id = (await customers.start())["id"]
    await reached(world, customers, run_id, point)
    victim, held = await holder(world, run_id), await fence(world, run_id)

    os.kill(victim.pid, signal.SIGKILL)
    seconds = await taken_over(world, run_id, held)
    run = await customers.ended(run_id)

    assert seconds < LEASE_SECONDS + SWEEP_SECONDS + SLACK_SECONDS
    assert run["attempt"] == 2
    await customers.check(run, {}, disturbed=True)
    assert run["counts"]["read"] == CUSTOMERS
    assert run["counts"]["created"] == len(await customers.snapshot())


async def test_a_worker_killed_while_an_answer_is_lost(make_world: MakeWorld) -> None:
    """Mailchimp carried the insert out, the answer never came, and then the worker died: F3 and F17 together."""
    world, customers = await slow_world(make_world)
    await world.mailchimp.fault("apply_then_timeout", path="/lists/[^/]+$", method="POST", count=3, seconds=2)
    run_id = (await customers.start())["id"]
    await reached(world, customers, run_id, "while inserts are on their way")
    await asyncio.sleep(0.3)

    os.kill((await holder(world, run_id)).pid, signal.SIGKILL)
    run = await customers.ended(run_id)

    await customers.check(run, {}, disturbed=True)
    assert {member["writes"] for member in (await customers.snapshot()).values()} <= {1, 2}
    assert run["counts"]["created"] == len(await customers.snapshot())


async def test_killed_again_and_again(make_world: MakeWorld) -> None:
    world, customers = await slow_world(make_world, page_size=4)
    run_id = (await customers.start())["id"]
    for kills in range(1, 4):
        await customers.until(run_id, lambda run, kills=kills: run["progress"]["pages"] >= kills)
        victim, held = await holder(world, run_id), await fence(world, run_id)
        os.kill(victim.pid, signal.SIGKILL)
        await taken_over(world, run_id, held)

    run = await customers.ended(run_id)

    await customers.check(run, {}, disturbed=True)
    assert run["attempt"] == 4
    assert run["counts"]["read"] == CUSTOMERS


async def changed_world(make_world: MakeWorld) -> tuple[World, Carrier, dict[str, Row]]:
    """Everybody is a member and has changed; updating them takes some seconds."""
    world = await make_world(x3_settings={"page_size": 10})
    parties = [{"code": f"C{n:03d}", "emails": [f"c{n}@acme.test"]} for n in range(CUSTOMERS)]
    await world.sandbox.put(*parties)
    customers = await world.sync(inactive={"action": "tag", "tag": "x3-inactive"})
    await customers.run()
    for n, party in enumerate(parties):
        change = ({"name": f"NEW {n}"}, {"emails": [f"moved{n}@acme.test"]}, {"is_active": False})[n % 3]
        await world.sandbox.put({"code": party["code"], **change})
    await world.mailchimp.settings(call_latency_seconds=0.25)
    return world, customers, await customers.snapshot()


@pytest.mark.parametrize("times", [1, 2])
async def test_a_worker_killed_among_single_changes(make_world: MakeWorld, times: int) -> None:
    """Updates, moves and tags in flight; what was sent before the kill may be sent again and changes nothing."""
    world, customers, before = await changed_world(make_world)
    run_id = (await customers.start())["id"]
    for round_ in range(times):
        sent = await requests(world, PATCH)
        while await requests(world, PATCH) < sent + 5:
            await asyncio.sleep(0.02)
        os.kill((await holder(world, run_id)).pid, signal.SIGKILL)
        if round_ + 1 < times:
            await taken_over(world, run_id, await fence(world, run_id))

    run = await customers.ended(run_id)

    await customers.check(run, before, disturbed=True)
    assert run["attempt"] == times + 1
    assert run["counts"]["read"] == run["counts"]["updated"] == CUSTOMERS


async def test_a_worker_that_is_asked_to_stop_hands_its_run_over_at_once(make_world: MakeWorld) -> None:
    """SIGTERM, as in every deployment: pages on their way are finished, the run is given back without waiting."""
    world, customers = await slow_world(make_world)
    run_id = (await customers.start())["id"]
    await reached(world, customers, run_id, "between pages")
    leaver, held = await holder(world, run_id), await fence(world, run_id)

    os.kill(leaver.pid, signal.SIGTERM)
    seconds = await taken_over(world, run_id, held)
    run = await customers.ended(run_id)

    assert seconds < SWEEP_SECONDS + SLACK_SECONDS
    await customers.check(run, {}, disturbed=True)
    assert run["counts"]["created"] == len(await customers.snapshot())
    assert {member["writes"] for member in (await customers.snapshot()).values()} == {1}  # nothing was sent twice


@contextlib.asynccontextmanager
async def paused(worker: Worker) -> AsyncIterator[int]:
    """A worker that stands still, as on a machine that swaps or is migrated."""
    pid = worker.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("point", ["between pages", "while inserts are on their way"])
async def test_a_worker_that_slept_past_its_lease_writes_nothing_more(make_world: MakeWorld, point: str) -> None:
    world, customers = await slow_world(make_world)
    run_id = (await customers.start())["id"]
    await reached(world, customers, run_id, point)
    sleeper, held = await holder(world, run_id), await fence(world, run_id)

    async with paused(sleeper):
        await taken_over(world, run_id, held)
    newer = await fence(world, run_id)
    run = await customers.ended(run_id)
    await asyncio.sleep(1)  # whatever the sleeper still wanted to do

    assert newer > held
    await customers.check(run, {}, disturbed=True)
    assert run["counts"]["read"] == CUSTOMERS
    assert await world.plant.rows("select 1 from sync_run where id = $1 and fence < $2", run_id, newer) == []


async def test_a_sleeper_does_not_undo_what_happened_meanwhile(make_world: MakeWorld) -> None:
    """It wakes after the run is over and X3 has moved on: nothing older overwrites something newer."""
    world, customers, before = await changed_world(make_world)
    run_id = (await customers.start())["id"]
    while await requests(world, PATCH) < 5:
        await asyncio.sleep(0.02)
    sleeper = await holder(world, run_id)
    async with paused(sleeper):
        run = await customers.ended(run_id)
        await customers.check(run, before, disturbed=True)
        await world.mailchimp.settings(call_latency_seconds=0)
        await world.sandbox.put(*({"code": f"C{n:03d}", "city": "LATEST"} for n in range(CUSTOMERS)))
        await customers.run("delta", disturbed=True)
    await asyncio.sleep(1.5)

    cities = {member["merge_fields"]["CITY"] for member in (await customers.snapshot()).values()}
    assert cities == {"LATEST"}
