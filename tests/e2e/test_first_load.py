"""The first load, over all the peculiarities real data have."""

import pytest

from tests.e2e.conftest import MakeWorld

pytestmark = pytest.mark.e2e

CUSTOMERS = 150


@pytest.mark.parametrize("status", ["transactional", "subscribed", "pending", "unsubscribed"])
async def test_everybody_arrives_once_with_the_status_the_tenant_chose(make_world: MakeWorld, status: str) -> None:
    world = await make_world(customers=CUSTOMERS, seed=3)
    customers = await world.sync(new_member_status=status)

    run = await customers.run()

    assert run["counts"]["read"] == CUSTOMERS
    assert run["counts"]["created"] > CUSTOMERS * 0.7
    members = await customers.snapshot()
    assert {member["status"] for member in members.values()} == {status}
    assert {member["writes"] for member in members.values()} == {1}
