"""Each way into Sage X3 and into Mailchimp carries customers, suppliers and invoices alike."""

from collections.abc import Awaitable, Callable

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.shop import Shop
from tests.e2e.test_sign_in import connect as connect_by_sign_in
from tests.e2e.test_sign_in import sign_in
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

Way = Callable[[World], Awaitable[None]]


async def by_gateway(world: World) -> None:
    """X3's cloud gateway, with access tokens that live for three seconds."""
    api_key = world.connections["mailchimp"]
    await connect_by_sign_in(world, page_size=10)
    await sign_in(world, "x3")
    world.connections["mailchimp"] = api_key
    await world.x3.settings(access_token_seconds=3, page_latency_seconds=0.2)


async def by_rest(world: World) -> None:
    at = world.sandbox.at_x3
    await world.connect(
        "x3", system="sage_x3", kind="rest_basic", url=at["url"],
        settings={"endpoint": at["endpoint"], "request_timeout_seconds": 5},
        credential={"username": at["username"], "password": at["password"]},
    )  # fmt: skip


async def by_password(world: World) -> None:
    at = world.sandbox.at_x3
    await world.connect(
        "x3", system="sage_x3", kind="graphql_basic", url=at["graphql_url"], settings={"endpoint": at["endpoint"]},
        credential={"username": at["username"], "password": at["password"]},
    )  # fmt: skip


async def by_connected_application(world: World) -> None:
    """What every world has."""


async def mailchimp_by_sign_in(world: World) -> None:
    x3 = world.connections["x3"]
    await connect_by_sign_in(world)
    world.connections["x3"] = x3
    await sign_in(world, "mailchimp")


async def mailchimp_by_key(world: World) -> None:
    """What every world has."""


WAYS = [
    pytest.param(by_connected_application, mailchimp_by_key, id="graphql_jwt-api_key"),
    pytest.param(by_gateway, mailchimp_by_sign_in, id="graphql_oauth-oauth"),
    pytest.param(by_rest, mailchimp_by_key, id="rest_basic-api_key"),
    pytest.param(by_password, mailchimp_by_sign_in, id="graphql_basic-oauth"),
]


@pytest.mark.parametrize(("into_x3", "into_mailchimp"), WAYS)
async def test_every_way_in_carries_customers_suppliers_and_invoices(
    make_world: MakeWorld, into_x3: Way, into_mailchimp: Way
) -> None:
    world = await make_world(customers=40, suppliers=15, invoices=60, seed=11)
    await into_x3(world)
    await into_mailchimp(world)
    customers, suppliers = await world.sync(), await world.sync("suppliers", audience=1)
    shop = await Shop(world, "x3-eur", "EUR").open()

    bought = await customers.run()
    sold = await suppliers.run()
    billed = await shop.run("full")

    assert bought["counts"]["created"] > 20
    assert sold["counts"]["created"] > 5
    assert billed["counts"]["created"] > 5
    again = await shop.run("full")
    assert again["counts"]["created"] == again["counts"]["updated"] == 0
