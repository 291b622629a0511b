"""Runs as somebody asks for them: many at once, cancelled in the middle, without writing, on one record."""

import asyncio
from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import Carrier, World

pytestmark = pytest.mark.e2e


async def slowly(make_world: MakeWorld, customers: int = 80, **terms: Any) -> tuple[World, Carrier]:
    """A sync whose first run takes some seconds, because X3 answers slowly."""
    world = await make_world(customers=customers, seed=2, x3_settings={"page_size": 10})
    await world.x3.settings(page_latency_seconds=0.15)
    return world, await world.sync(**terms)


async def test_a_cancelled_run_stops_soon_and_the_next_one_finishes(make_world: MakeWorld) -> None:
    world, customers = await slowly(make_world)
    started = await customers.start()
    await customers.until(started["id"], lambda run: run["counts"]["created"] > 0)

    await world.call("POST", f"runs/{started['id']}/cancel", status=202)
    cancelled = await customers.ended(started["id"], seconds=10)
    early = await customers.snapshot()
    await customers.interrupted(cancelled)
    await asyncio.sleep(0.5)

    assert cancelled["state"] == "cancelled"
    assert await customers.snapshot() == early  # nothing is on its way any more
    assert (await customers.reread())["watermark"] is None
    await world.x3.settings(page_latency_seconds=0)
    done = await customers.run(disturbed=True)
    assert cancelled["counts"]["created"] + done["counts"]["created"] >= len(await customers.snapshot()) > len(early)


async def test_many_requests_become_one_run_and_one_that_follows(make_world: MakeWorld) -> None:
    world, customers = await slowly(make_world, customers=40)
    running = await customers.start()
    await customers.until(running["id"], lambda run: run["state"] == "running")

    answers = await asyncio.gather(*(customers.start(mode) for mode in ("delta", "delta", "full", "delta") * 5))
    listed = await world.items("runs", sync_id=customers.id)
    await customers.ended(running["id"])
    follow_up = await customers.ended(answers[0]["id"])

    assert len({answer["id"] for answer in answers}) == 1
    assert sum(answer["coalesced"] for answer in answers) == 19
    assert len(listed) == 2
    assert follow_up["mode"] == "full"  # the most thorough of what was asked for
    assert follow_up["counts"]["read"] == 40
    assert follow_up["counts"]["created"] == follow_up["counts"]["updated"] == 0
    assert len(await world.items("runs", sync_id=customers.id)) == 2
    await customers.take_in(await customers.read(running["id"]))
    await customers.run()


async def test_a_change_after_the_request_is_in_the_run_that_follows(make_world: MakeWorld) -> None:
    """Whoever asks while a run is on gets one that begins after the question, so it has seen what they know of."""
    world, customers = await slowly(make_world, customers=40)
    running = await customers.start()
    await customers.until(running["id"], lambda run: run["counts"]["read"] > 0)
    await world.sandbox.put({"code": "A0", "emails": ["asked@acme.test"]})

    follow_up = await customers.start()
    await customers.take_in(await customers.ended(running["id"]), is_sure=False)
    await customers.take_in(await customers.ended(follow_up["id"]))

    assert follow_up["id"] != running["id"]
    assert "asked@acme.test" in await customers.snapshot()
    await customers.run("full", disturbed=True)


def decisions(changes: list[dict[str, Any]]) -> dict[str, Any]:
    """What was decided per record, without the mood it was said in."""
    return {
        change["key"]: (change["decision"].removeprefix("would_be_"), change["reason"], change["email"])
        for change in changes
    }


async def test_a_dry_run_writes_nothing_and_foretells_the_real_one(make_world: MakeWorld) -> None:
    world = await make_world(customers=60, seed=7)
    await world.sandbox.add_member(world.sandbox.lists[0], "known@acme.test", "unsubscribed")
    await world.sandbox.put({"code": "K1", "emails": ["known@acme.test"]})
    customers = await world.sync()
    for change in ({}, {"name": "RENAMED"}, {"is_active": False}):
        await world.sandbox.put({"code": (await world.sandbox.export())[2]["code"], **change})
        before = await customers.snapshot()

        foretold = await customers.ended((await customers.start("full", dry_run=True))["id"])
        untouched = await customers.snapshot()
        happened = await customers.run("full")

        assert untouched == before
        assert foretold["dry_run"]
        assert foretold["counts"] == happened["counts"]
        said = decisions(await world.items(f"runs/{foretold['id']}/changes"))
        done = decisions(await world.items(f"runs/{happened['id']}/changes"))
        assert said == done


async def test_a_dry_run_leaves_no_trace_in_the_ledger(make_world: MakeWorld) -> None:
    world = await make_world(customers=20)
    customers = await world.sync()

    await customers.ended((await customers.start("full", dry_run=True))["id"])

    assert await customers.records() == {}
    assert await customers.letters() == []
    assert (await customers.reread())["watermark"] is None
    fields = await world.items(
        f"connections/{world.connections['mailchimp']}/audiences/{customers.list_id}/merge-fields"
    )
    assert "X3CODE" not in {field["tag"] for field in fields}
    await customers.run()


async def test_a_run_of_chosen_codes_carries_those_alone(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.sandbox.put(*({"code": f"C{n}", "emails": [f"c{n}@acme.test"]} for n in range(6)))
    customers = await world.sync()

    chosen = await customers.ended((await customers.start("delta", codes=["C1", "C4", "NOSUCH"]))["id"])
    await customers.take_in(chosen)

    assert sorted(await customers.snapshot()) == ["c1@acme.test", "c4@acme.test"]
    assert chosen["watermark_after"] is None
    await customers.run()


async def test_two_syncs_of_one_tenant_run_beside_each_other(make_world: MakeWorld) -> None:
    world, customers = await slowly(make_world, customers=40)
    other = await world.sync(audience=1)

    started = [(await each.start())["id"] for each in (customers, other)]
    await asyncio.sleep(0.5)
    states = [(await customers.read(id_))["state"] for id_ in started]
    for each, id_ in zip((customers, other), started, strict=True):
        await each.check(await each.ended(id_), {})

    assert states == ["running", "running"]


async def test_a_schedule_starts_runs_by_itself(make_world: MakeWorld) -> None:
    world = await make_world(customers=10)
    customers = await world.sync(schedule={"kind": "interval", "minutes": 1})
    await world.plant.rows("update sync set next_due_at = clock_timestamp() where id = $1", customers.id)

    for _ in range(100):
        if runs := await world.items("runs", sync_id=customers.id):
            break
        await asyncio.sleep(0.1)

    await customers.check(await customers.ended(runs[0]["id"]), {})
    assert runs[0]["trigger"] == "schedule"
