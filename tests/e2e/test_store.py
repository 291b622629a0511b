"""Revenue in a store equals the sum computed from X3, whatever happens to workers, networks and vendors meanwhile."""

import asyncio
import os
import signal
from decimal import Decimal

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.shop import COMPANY, Shop
from tests.e2e.world import World

pytestmark = pytest.mark.e2e


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world(customers=60, invoices=260, seed=17)


async def test_each_currency_gets_a_store_whose_revenue_is_that_of_x3(world: World) -> None:
    shops = [await Shop(world, f"x3-{currency.lower()}", currency).open() for currency in ("EUR", "GBP", "USD")]
    first = [await shop.run("full") for shop in shops]

    documents = [row for row in await world.sandbox.export("invoices") if row["company"] == COMPANY]
    carried = [run["counts"]["created"] for run in first]
    assert min(carried) > 0
    assert {run["counts"]["read"] for run in first} == {len(documents)}
    mismatched = [run["skipped_by_reason"]["currency_mismatch"] for run in first]
    assert all(mismatched)
    for shop in shops:
        written = await shop.written()
        again = await shop.run("full")
        assert again["counts"]["created"] == again["counts"]["updated"] == 0
        assert await shop.written() == written


async def test_a_round_of_changes_is_carried_by_a_delta(world: World) -> None:
    shop = await Shop(world, "x3-eur", "EUR").open()
    await shop.run("full")
    paid = sorted(n for n, order in (await shop.expected()).orders.items() if order["status"] == "paid")
    changed, cancelled, credited = paid[:3]
    put = world.x3.call
    await put("POST", "invoices", {"number": changed, "lines": [{"number": 1000, "quantity": "2.5", "net_price": "9"}]})
    await put("POST", "invoices", {"number": cancelled, "status": "notUsed"})
    memo = {"number": "CM-1", "category": "creditMemo", "reference": credited, "including_tax": "1.23"}
    await put("POST", "invoices", memo)

    run = await shop.run()

    assert (run["counts"]["created"], run["counts"]["updated"], run["counts"]["skipped"]) == (1, 2, 1)
    orders = (await shop.store())["orders"]
    assert orders[cancelled]["financial_status"] == "cancelled"
    assert orders[credited]["financial_status"] == "partially_refunded"


async def test_killing_workers_in_the_middle_doubles_nothing_and_loses_nothing(world: World) -> None:
    shop = await Shop(world, "x3-eur", "EUR").open()
    await world.mailchimp.fault("slow", count=None, seconds=0.3, path="/orders/")
    run_id = (await shop.carrier.start("full"))["id"]
    kills = written = 0
    while kills < 3:
        await asyncio.sleep(0.1)
        worker = await world.plant.holder(run_id)
        if worker is not None and await shop.written() > written + 5:
            os.kill(worker.pid, signal.SIGKILL)
            assert await shop.is_syncing()
            kills, written = kills + 1, await shop.written()
    await world.mailchimp.no_faults()

    run = await shop.check(await shop.carrier.ended(run_id, seconds=90))

    assert run["attempt"] > 3
    expected = await shop.expected()
    assert run["counts"]["read"] == expected.read
    assert run["counts"]["created"] == len(expected.orders) + len(expected.credits)
    again = await shop.run("full")
    assert again["counts"]["created"] == again["counts"]["updated"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "apply_then_timeout", "path": "/(orders|customers|products)/", "count": 6, "seconds": 0.1},
        {"kind": "close_mid_body", "path": "/(orders|customers|products)/", "count": 6},
        {"kind": "throttled", "path": "/ecommerce/", "count": 20, "share": 0.3},
        {"kind": "unavailable", "path": "/orders/", "count": 8},
        {"kind": "bad_gateway", "path": "/customers/", "count": 4},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_lost_answers_and_busy_hours_leave_the_same_store(world: World, fault: dict[str, object]) -> None:
    shop = await Shop(world, "x3-eur", "EUR").open()
    given = {name: value for name, value in fault.items() if name != "kind"}
    await world.mailchimp.fault(str(fault["kind"]), **given)

    run = await shop.run("full")

    assert run["counts"]["rejected"] == 0
    assert run["counts"]["created"] == len((await shop.expected()).orders) + len((await shop.expected()).credits)
    assert await world.mailchimp.struck()


async def test_the_store_is_told_that_it_is_over_when_the_run_fails(make_world: MakeWorld) -> None:
    world = await make_world(customers=60, invoices=260, seed=17, x3_settings={"page_size": 20})
    shop = await Shop(world, "x3-eur", "EUR").open()
    await world.mailchimp.fault("slow", count=None, seconds=0.3, path="/orders/")
    started = await shop.carrier.start("full")
    while not await shop.is_syncing():
        await asyncio.sleep(0.02)
    await world.x3.fault("error", count=None, path="/xtrem/api", status=403, message="no more rights")
    await world.mailchimp.no_faults()

    run = await shop.carrier.ended(started["id"])

    assert (run["state"], run["reason_code"]) == ("failed", "x3_forbidden")
    await shop.quiet()
    requests = (await world.mailchimp.stats())["requests"]
    assert requests["patchEcommerceStoresId"] >= 2  # each slice says that it begins, and two may say that it is over


async def test_the_store_is_told_that_it_is_over_when_the_run_is_cancelled_or_its_worker_gone(world: World) -> None:
    shop = await Shop(world, "x3-eur", "EUR").open()
    await world.mailchimp.fault("slow", count=None, seconds=0.5, path="/orders/")
    started = await shop.carrier.start("full")
    await shop.carrier.until(started["id"], lambda run: run["state"] == "running")
    while not await shop.is_syncing():
        await asyncio.sleep(0.02)
    await world.call("POST", f"runs/{started['id']}/cancel")
    worker = await world.plant.holder(started["id"])
    if worker is not None:
        os.kill(worker.pid, signal.SIGKILL)

    run = await shop.carrier.ended(started["id"])
    await world.mailchimp.no_faults()

    assert run["state"] == "cancelled"
    await shop.quiet()
    assert (await shop.run("full"))["state"] == "succeeded"


async def test_a_delta_leaves_automations_alone(world: World) -> None:
    shop = await Shop(world, "x3-eur", "EUR").open()
    await shop.run("full")
    before = (await world.mailchimp.stats())["requests"]["patchEcommerceStoresId"]
    number = sorted((await shop.expected()).orders)[0]
    await world.x3.call("POST", "invoices", {"number": number, "lines": [{"number": 1000, "quantity": "1"}]})

    await shop.run()

    assert (await world.mailchimp.stats())["requests"]["patchEcommerceStoresId"] == before


async def test_a_store_that_is_gone_needs_the_tenant(world: World) -> None:
    shop = await Shop(world, "x3-eur", "EUR").open()
    at = world.sandbox.at_mailchimp
    await world.sandbox.http.delete(f"{at['base_url']}/ecommerce/stores/x3-eur", auth=("x", at["api_key"]))

    run = await shop.carrier.ended((await shop.carrier.start("full"))["id"])

    assert (run["state"], run["reason_code"]) == ("failed", "mailchimp_store_gone")
    assert (await shop.carrier.reread())["state"] == "needs_attention"


async def test_nothing_is_lost_of_a_cent(world: World) -> None:
    shop = await Shop(world, "x3-eur", "EUR").open()
    customer = sorted((await shop.expected()).customers)[0]
    lines = [{"number": 1000 * n, "quantity": "3", "net_price": "0.1", "amount": "0.3"} for n in range(1, 8)]
    for n in range(40):
        await world.x3.call("POST", "invoices", {"number": f"P-{n}", "customer": customer, "lines": lines})

    await shop.run("full")

    orders = (await shop.store())["orders"]
    assert sum(Decimal(str(orders[f"P-{n}"]["order_total"])) for n in range(40)) == Decimal("100.8")
