"""Many records that share few addresses, over several readers and senders: nobody waits for ever, one owner each."""

import asyncio
import random
from dataclasses import replace

import pytest

from app.db.engine import Database
from tests.fakes import Row, World

pytestmark = pytest.mark.integration


def crowd(dice: random.Random, count: int, addresses: int) -> list[Row]:
    return [
        Row(
            f"C{n:05d}",
            f"p{dice.randrange(addresses)}@acme.test",
            f"Company {dice.random()}",
            active=dice.random() < 0.8,
        )
        for n in range(1, count + 1)
    ]


def expected_owners(rows: list[Row]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (not row.active, row.code)):
        owners.setdefault(row.email or "", row.code)
    return owners


@pytest.mark.parametrize("seed", range(4))
async def test_crowded_addresses_find_their_owners_and_stay_so(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    world = await World(database).set_up()
    world.pace = replace(world.pace, readers=4, senders=3)
    for addresses in (40, 25, 60):  # a first load, then everybody changes address and state, twice
        rows = crowd(dice, 200, addresses)
        world.x3.put(*rows)

        done = await asyncio.wait_for(world.run("full"), 30)

        assert done["n_rejected"] == 0
        synced = await world.fetch("select key from record where state = 'synced'")
        assert {row["key"] for row in synced} == set(expected_owners(rows).values())
        world.mailchimp.calls.clear()
        again = await asyncio.wait_for(world.run("full"), 30)
        assert (again["n_created"], again["n_updated"]) == (0, 0)
        assert world.mailchimp.calls == []
