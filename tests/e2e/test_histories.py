"""Random histories: X3 changes, people come and go, workers die; after every run the audience is what it must be."""

import asyncio
import hashlib
import os
import signal
from dataclasses import replace

import pytest

from tests.e2e.chance import Chance
from tests.e2e.conftest import MakeWorld
from tests.e2e.sandboxes import Row
from tests.e2e.world import Carrier, World

pytestmark = pytest.mark.e2e

SEEDS = range(int(os.environ.get("HISTORIES_FROM", "2")), int(os.environ.get("HISTORIES_TO", "4")))
ROUNDS = int(os.environ.get("HISTORIES_ROUNDS", "12"))
ACTIONS = ("tag", "none", "merge_field", "archive", "unsubscribe")
STATUSES = ("subscribed", "transactional", "subscribed", "pending", "unsubscribed", "subscribed", "transactional")
FLAGGED, ARCHIVED, BORN_UNSUBSCRIBED, REFUSED = 1, 2, 16, 32


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_the_audience_is_what_it_must_be(make_world: MakeWorld, seed: int) -> None:
    world = await make_world(x3_settings={"page_size": (3, 5, 500)[seed % 3]})
    customers = await world.sync(
        new_member_status=STATUSES[seed % len(STATUSES)],
        inactive={"action": ACTIONS[seed % len(ACTIONS)]},
        filter={"field": "category", "in": ["DOM"]},
    )
    chance = Chance(seed, world, customers)
    await chance.begin(14)
    for number in range(ROUNDS):
        chance.told.append(f"-- round {number}")
        for _ in range(chance.draw.choice((1, 2, 3, 5))):
            await chance.happen()
        try:
            await carried(world, customers, chance)
            await world._check_consent()
        except AssertionError as error:
            raise AssertionError("\n".join([f"seed {seed}", *chance.told, str(error)])) from error


async def carried(world: World, customers: Carrier, chance: Chance) -> None:
    """A run to its end, sometimes with a worker that dies; then everything is checked."""
    before, mode = await customers.snapshot(), chance.draw.choices(("delta", "full"), (3, 1))[0]
    dies = chance.draw.random() < 0.15
    chance.told.append(f"-- a {mode} run{', and its worker dies' if dies else ''}")
    run = await customers.start(mode)
    if dies:
        await kill(world, run)
    run = await customers.ended(run["id"])
    assert run["state"] in ("succeeded", "partially_failed"), run
    await customers.check(run, before, disturbed=True)
    await learn(world, customers)


async def kill(world: World, run: Row) -> None:
    for _ in range(200):
        worker = await world.plant.holder(run["id"])
        if worker is not None:
            os.kill(worker.pid, signal.SIGKILL)
            return
        await asyncio.sleep(0.005)


async def learn(world: World, customers: Carrier) -> None:
    """Where records came and went at one address, several outcomes are right: remember the one there is."""
    loose = customers.judged.loose
    if not loose:
        return
    rows = await world.plant.rows("select key, member_hash, flags, tags from record where sync_id = $1", customers.id)
    members = await customers.snapshot()
    by_hash = {hashlib.md5(email.encode()).digest(): email for email in {*members, *loose}}
    for row in rows:
        memory = customers.memories.get(row["key"])
        if memory is None or not {memory.email, by_hash.get(row["member_hash"])} & loose.keys():
            continue
        flags = row["flags"]
        customers.memories[row["key"]] = replace(
            memory,
            email=by_hash.get(row["member_hash"], memory.email),
            tags=frozenset(row["tags"].split("\x1f")) - {""},
            retired=bool(flags & FLAGGED),
            archived=bool(flags & ARCHIVED),
            has_refused=bool(flags & REFUSED),
        )
        email = by_hash.get(row["member_hash"])
        if flags & BORN_UNSUBSCRIBED and email is not None:
            world.born[customers.list_id].add(email)
    for email in loose:
        if (
            email in members
            and members[email]["status"] == "archived"
            and email not in customers.judged.archived_before
        ):
            world.ours[customers.list_id].add(email)
        if email not in members and email in customers.judged.refused_before:
            world.vacated[customers.list_id].add(email)
