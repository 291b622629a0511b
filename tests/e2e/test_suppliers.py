"""Suppliers in an audience of their own, and beside the customers in one."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

ROLE: dict[str, Any] = {
    "fields": [{"target": "SUPPLIER", "source": "code"}, {"target": "KIND", "constant": "supplier"}],
    "tags": [{"name": "x3-supplier"}],
    "language": None,
}


async def test_suppliers_in_an_audience_of_their_own(make_world: MakeWorld) -> None:
    world = await make_world(customers=20, suppliers=40, seed=5)
    customers, suppliers = await world.sync(), await world.sync("suppliers", audience=1)

    await customers.run()
    run = await suppliers.run()
    code = next(iter(row["code"] for row in await world.sandbox.export("suppliers") if row["code"].startswith("S")))
    await world.sandbox.put({"code": code, "name": "RENAMED"}, stream="suppliers")
    await suppliers.run()
    await customers.run()

    assert run["counts"]["read"] == 40
    kinds = {member["merge_fields"]["KIND"] for member in (await suppliers.snapshot()).values()}
    assert kinds == {"supplier"}
    assert all("KIND" not in member["merge_fields"] for member in (await customers.snapshot()).values())


BOTH = [
    ({"code": "P1", "emails": ["both@acme.test"]}, {"code": "P1", "emails": ["both@acme.test"]}),
    ({"code": "P2", "emails": ["sells@acme.test"]}, None),
    (None, {"code": "P3", "emails": ["buys@acme.test"]}),
    ({"code": "P4", "emails": ["office@acme.test"]}, None),
    (None, {"code": "P5", "emails": ["Office@acme.test"]}),
]


async def both(world: World) -> None:
    await world.sandbox.put(*(customer for customer, _ in BOTH if customer))
    await world.sandbox.put(*(supplier for _, supplier in BOTH if supplier), stream="suppliers")


async def test_one_member_for_a_company_that_buys_and_sells(world: World) -> None:
    """Each sync writes its own fields and tags, and takes off none of the other's."""
    await both(world)
    customers, suppliers = await world.sync(), await world.sync("suppliers", mapping=ROLE)

    await customers.run()
    run = await suppliers.run()
    await world.sandbox.put({"code": "P1", "is_active": False}, stream="suppliers")
    await world.sandbox.put({"code": "P1", "name": "NEW NAME"})
    await suppliers.run()
    await customers.run()

    assert (run["counts"]["created"], run["counts"]["updated"]) == (1, 2)
    members = await customers.snapshot()
    assert sorted(members) == ["both@acme.test", "buys@acme.test", "office@acme.test", "sells@acme.test"]
    assert members["both@acme.test"]["tags"] == ["x3-customer", "x3-supplier", "x3-supplier-inactive"]
    fields = members["both@acme.test"]["merge_fields"]
    assert (fields["X3CODE"], fields["SUPPLIER"], fields["COMPANY"]) == ("P1", "P1", "NEW NAME")


async def test_both_syncs_at_once_make_the_same_members(world: World) -> None:
    await both(world)
    plenty = [{"code": f"Q{n:03d}", "emails": [f"q{n}@acme.test"]} for n in range(60)]
    await world.sandbox.put(*plenty)
    await world.sandbox.put(*plenty, stream="suppliers")
    await world.mailchimp.settings(batch_latency_seconds=0.2)
    customers = await world.sync()
    suppliers = await world.sync("suppliers", mapping=ROLE)

    started = [(await customers.start())["id"], (await suppliers.start())["id"]]
    runs = [await customers.ended(started[0]), await suppliers.ended(started[1])]

    others = [(await other.judgement({})).members for other in (suppliers, customers)]
    for carrier, run, others_members in zip((customers, suppliers), runs, others, strict=True):
        await carrier.check(run, others_members, disturbed=True)
    shared = [m for m in (await customers.snapshot()).values() if {"x3-customer", "x3-supplier"} <= set(m["tags"])]
    assert len(shared) == 62
    assert sum(run["counts"]["created"] for run in runs) == len(await customers.snapshot())
