"""Orders as batches of operations: the same store as by single calls, whatever happens to workers and answers."""

import asyncio
import os
import signal
import time
from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.shop import Shop
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

FROM = 30  # orders waiting


@pytest.fixture
async def shop(make_world: MakeWorld) -> Shop:
    """Single calls are slow, so that orders wait; the operations of a batch are not calls."""
    world = await make_world(customers=60, invoices=260, seed=17)
    connection = f"connections/{world.connections['mailchimp']}"
    settings = (await world.call("GET", connection))["settings"]
    await world.call("PATCH", connection, {"settings": {**settings, "batch_orders_from": FROM}})
    await world.mailchimp.fault("slow", count=None, seconds=0.4, path="/orders/")
    return await Shop(world, "x3-eur", "EUR").open()


async def operations(world: World) -> tuple[int, int]:
    """Batches submitted so far, and orders that were put or cancelled, in them or singly."""
    requests = (await world.mailchimp.stats())["requests"]
    return requests.get("postBatches", 0), requests.get("putEcommerceStoresIdOrdersId", 0)


async def rows(world: World, where: str) -> list[Any]:
    """Batch rows of the tenant."""
    tenant = world.tenant.rpartition("/")[2]
    return list(await world.plant.rows(f"select * from batch where tenant_id = $1 and {where}", tenant))


async def until_submitted(world: World) -> None:
    deadline = time.monotonic() + 60
    while not await rows(world, "vendor_id is not null"):
        assert time.monotonic() < deadline, world.plant.logs()
        await asyncio.sleep(0.02)


async def check_all_is_there(shop: Shop, run: dict[str, Any]) -> None:
    """As many orders as X3 has, counted once each; and a run over all of them has nothing to write."""
    expected = await shop.expected()
    assert run["counts"]["read"] == expected.read
    assert run["counts"]["created"] == len(expected.orders) + len(expected.credits)
    assert run["counts"]["rejected"] == 0
    written = await operations(shop.world)
    again = await shop.run("full")
    assert again["counts"]["created"] == again["counts"]["updated"] == 0
    assert await operations(shop.world) == written
    assert not await rows(shop.world, "kind = 'bulk' and state = 'sending'")


async def test_many_orders_go_in_batches_and_the_revenue_is_that_of_x3(shop: Shop) -> None:
    run = await shop.run("full")

    submitted, put = await operations(shop.world)
    assert submitted > 0
    assert put == len((await shop.expected()).orders)  # each once
    await check_all_is_there(shop, run)


async def test_a_worker_killed_in_the_middle_of_a_batch_doubles_and_loses_nothing(shop: Shop) -> None:
    world = shop.world
    await world.mailchimp.settings(operation_latency_seconds=0.2)
    run_id = (await shop.carrier.start("full"))["id"]
    await until_submitted(world)
    worker = await world.plant.holder(run_id)
    assert worker is not None

    os.kill(worker.pid, signal.SIGKILL)
    run = await shop.check(await shop.carrier.ended(run_id, seconds=120))

    assert run["attempt"] > 1
    assert (await world.mailchimp.stats())["requests"]["deleteBatchesId"] == 1  # it was found and stopped
    await world.mailchimp.settings(operation_latency_seconds=0)
    await check_all_is_there(shop, run)
    stopped = await rows(world, "kind = 'update' and vendor_id is not null")
    assert len(stopped) == 1  # its orders waited out the settle time


async def test_a_worker_killed_before_it_knows_the_batch_finds_it_by_our_ids(shop: Shop) -> None:
    """The submission was carried out, its answer never came, and then the worker died."""
    world = shop.world
    await world.mailchimp.fault("hang", path="/batches$", method="GET", count=1, seconds=1)
    await world.mailchimp.fault("apply_then_timeout", path="/batches$", method="POST", count=1, seconds=3)
    run_id = (await shop.carrier.start("full"))["id"]
    deadline = time.monotonic() + 60
    while (await operations(world))[0] == 0:
        assert time.monotonic() < deadline, world.plant.logs()
        await asyncio.sleep(0.02)
    worker = await world.plant.holder(run_id)
    assert worker is not None

    os.kill(worker.pid, signal.SIGKILL)
    run = await shop.check(await shop.carrier.ended(run_id, seconds=120))

    assert run["attempt"] > 1
    assert (await world.mailchimp.stats())["requests"].get("getBatches", 0) > 0
    await check_all_is_there(shop, run)


async def test_an_expired_result_address_is_asked_for_anew(shop: Shop) -> None:
    await shop.world.mailchimp.fault("refuse", path="/results/", status=403, message="ExpiredToken", count=2)

    run = await shop.run("full")

    requests = (await shop.world.mailchimp.stats())["requests"]
    assert await shop.world.mailchimp.struck()
    assert requests["getBatchesId"] >= 4
    assert requests["putEcommerceStoresIdOrdersId"] == len((await shop.expected()).orders)
    await check_all_is_there(shop, run)


async def test_a_submission_without_an_answer_is_found_and_not_sent_twice(shop: Shop) -> None:
    await shop.world.mailchimp.fault("apply_then_timeout", path="/batches$", method="POST", count=1, seconds=0.2)

    run = await shop.run("full")

    assert (await operations(shop.world))[1] == len((await shop.expected()).orders)
    await check_all_is_there(shop, run)


async def test_an_order_whose_product_the_store_lost_is_mended_by_a_single_call(shop: Shop) -> None:
    """Refused in the batch, since what the store acknowledged is no longer there."""
    world, at = shop.world, shop.world.sandbox.at_mailchimp
    await shop.run("full")
    products = sorted((await shop.store())["products"])
    for id_ in products:
        await world.sandbox.http.delete(
            f"{at['base_url']}/ecommerce/stores/x3-eur/products/{id_}", auth=("x", at["api_key"])
        )
    numbers = sorted((await shop.expected()).orders)
    line = {"number": 1000, "quantity": "7", "net_price": "9.37", "amount": "65.59"}
    for number in numbers[: FROM * 3]:
        await world.x3.call("POST", "invoices", {"number": number, "lines": [line]})

    run = await shop.run()

    assert run["counts"]["updated"] == len(numbers[: FROM * 3])
    assert run["counts"]["rejected"] == 0
