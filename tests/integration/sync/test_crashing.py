"""Runs that are cut off at any call and taken up again end as if nothing had happened."""

import asyncio
import random

import pytest

from app.db.engine import Database
from app.domain.errors import Transient
from app.sync import ending
from app.sync.opened import LeaseLost
from app.sync.run import carry
from tests.fakes import Row, World, counts

pytestmark = pytest.mark.integration


class Cut(Exception):
    """The worker dies here."""


def scenery(world: World, count: int = 60) -> None:
    """Members Mailchimp knows already, duplicates, inactive and broken ones."""
    rows = [Row(f"C{n:04d}", f"c{n}@acme.test", f"Company {n}", active=n % 7 != 0) for n in range(1, count)]
    rows += [Row(f"D{n:04d}", f"c{n}@acme.test") for n in range(1, count, 9)]
    rows += [Row("E0001", "broken"), Row("E0002", None)]
    world.x3.put(*rows)


async def expire(world: World) -> None:
    await world.fetch(
        "update sync_run set lease_until = clock_timestamp() - interval '1 second' where state = 'running'"
    )


async def carried_with_cuts(world: World, seed: int) -> dict[str, object]:
    """Carry a run whose worker dies again and again at a random call."""
    chance = random.Random(seed)
    run_id = await world.queued("full")
    for _ in range(200):
        run = await world.claimed(run_id)
        assert run is not None
        left = chance.randrange(1, 40)

        def count_down(_call: str = "") -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Cut

        world.mailchimp.before_answer, world.x3.before_page = count_down, count_down
        try:
            finished = await carry(run)
        except (Cut, ExceptionGroup) as error:
            if "Cut" not in repr(error):
                raise
            world.mailchimp.in_flight.clear()
            await expire(world)
            continue
        assert finished
        world.mailchimp.before_answer, world.x3.before_page = (lambda _call: None), (lambda: None)
        done = await ending.succeed(world.database, world.tenant, run.row, watermark=None, settings="s")
        return dict(done)
    raise AssertionError("never finished")


@pytest.mark.parametrize("seed", range(6))
async def test_a_run_cut_off_at_random_calls_ends_like_an_undisturbed_one(database: Database, seed: int) -> None:
    calm, rough = await World(database).set_up(), await World(database).set_up()
    for world in (calm, rough):
        scenery(world)
        world.pace = type(world.pace)(senders=3, readers=3, settle_seconds=0.05)
    expected = await calm.run("full")

    done = await carried_with_cuts(rough, seed)

    assert counts(done) == counts(expected)
    assert done["skipped_by_reason"] == expected["skipped_by_reason"]
    assert {h: (p.status, p.fields, p.tags) for h, p in rough.mailchimp.people.items()} == {
        h: (p.status, p.fields, p.tags) for h, p in calm.mailchimp.people.items()
    }
    await rough.check()
    assert done["attempt"] > 1
    again = await rough.run("full")
    assert again["n_created"] == again["n_updated"] == 0


async def test_a_worker_whose_lease_was_taken_writes_nothing_more(database: Database) -> None:
    world = await World(database).set_up()
    scenery(world)
    run_id = await world.queued("full")
    stale = await world.claimed(run_id)
    assert stale is not None
    await expire(world)
    fresh = await world.claimed(run_id)
    assert fresh is not None
    assert fresh.fence == stale.fence + 1

    with pytest.raises((LeaseLost, BaseExceptionGroup)):
        await carry(stale)

    assert not await world.fetch("select key from record")
    assert await carry(fresh)


@pytest.mark.parametrize("first_seconds", [15, 0.3])
async def test_a_put_off_run_waits_and_fails_after_five_attempts_without_progress(
    database: Database, first_seconds: float
) -> None:
    down = Transient("x3_down", "X3 does not answer.")
    world = await World(database).set_up()
    scenery(world)
    run_id = await world.queued("full")
    for attempt in range(1, 6):
        run = await world.claimed(run_id)
        assert run is not None, attempt
        delay = await ending.put_off(database, world.tenant, run.row, down, first_seconds)
        if attempt < 5:
            assert delay is not None
            assert await world.claimed(run_id) is None
            await world.fetch("update sync_run set not_before = null")
    row = (await world.fetch("select state, reason from sync_run where id = $1", run_id))[0]
    assert tuple(row) == ("failed", "X3 does not answer.")
    assert (await world.fetch("select watermark from sync"))[0]["watermark"] is None


async def test_one_run_is_active_and_one_more_waits(database: Database) -> None:
    world = await World(database).set_up()
    first = await world.queued()
    assert await world.queued() == first
    assert await world.claimed(first) is not None
    second = await world.queued("full")
    assert second != first
    assert await world.queued() == second
    assert await world.claimed(second) is None


async def test_two_claims_at_once_give_the_run_to_one(database: Database) -> None:
    world = await World(database).set_up()
    run_id = await world.queued()
    claims = await asyncio.gather(*(world.claimed(run_id) for _ in range(8)))
    assert sum(run is not None for run in claims) == 1
