"""A Mailchimp that misbehaves in every way we know: nothing is written twice or lost, and the next run is right."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld, Worlds
from tests.e2e.world import Carrier

pytestmark = pytest.mark.e2e

CUSTOMERS = 24
BULK = {"path": "^/3.0/lists/[^/]+$", "method": "POST"}
MEMBER = {"path": "^/3.0/lists/[^/]+/members/", "method": "PATCH"}
ANY = {"path": "^/3.0/"}

PASSING: dict[str, dict[str, Any]] = {
    "html": {"count": 2},
    "html403": {"count": 2},
    "truncated": {"count": 1},
    "close": {"count": 2},
    "close_mid_body": {"count": 1},
    "hang": {"count": 1, "seconds": 1.5},
    "apply_then_timeout": {"count": 2, "seconds": 1},
    "slow_drip": {"count": 1, "seconds": 1},
    "bad_gateway": {"count": 2},
    "unavailable": {"count": 2},
    "throttled": {"count": 2, "retry_after": 1},
    "error": {"count": 2},
}
PASSES, TENANT = "active", "needs_attention"
LASTING: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "html403": ({}, "mailchimp_throttled", "turned the request away", PASSES),
    "unavailable": ({}, "mailchimp_failing", "Mailchimp has a fault", PASSES),
    "bad_gateway": ({}, "mailchimp_failing", "Mailchimp has a fault", PASSES),
    "throttled": ({"retry_after": 0}, "mailchimp_busy", "Mailchimp is busy", PASSES),
    "close": ({}, "mailchimp_cut_off", "The connection to Mailchimp broke", PASSES),
    "unauthorised": ({}, "mailchimp_key_invalid", "does not accept the API key", TENANT),
}
"""Faults that stay: kind -> settings of the fault, the reason's code and words, the state of the sync afterwards."""

_numbers = iter(range(10_000))


@pytest.fixture
async def customers(worlds: Worlds) -> Carrier:
    """Loaded once for the module; each test changes everybody and adds newcomers."""

    async def make() -> Carrier:
        carrier = await (await worlds.make(customers=CUSTOMERS, seed=16)).sync()
        await carrier.run()
        return carrier

    return await worlds.kept("mailchimp", make)


async def something_to_do(customers: Carrier) -> None:
    """Changes for some and newcomers, so that both ways of writing are used."""
    number = next(_numbers)
    codes = [row["code"] for row in await customers.world.sandbox.export()][:CUSTOMERS:3]
    await customers.world.sandbox.put(
        *({"code": code, "city": f"CITY {number}"} for code in codes),
        *({"code": f"N{number:03d}{n}", "emails": [f"n{number}.{n}@acme.test"]} for n in range(4)),
    )


@pytest.mark.parametrize("where", [BULK, MEMBER], ids=["inserts", "updates"])
@pytest.mark.parametrize("kind", PASSING)
async def test_a_passing_fault_is_got_over(customers: Carrier, kind: str, where: dict[str, str]) -> None:
    await something_to_do(customers)
    await customers.world.mailchimp.fault(kind, **where, **PASSING[kind])

    run = await customers.run("delta", disturbed=True)

    assert run["counts"]["created"] == 4
    assert await customers.world.mailchimp.call("GET", "faults") == [], "the fault never struck"


@pytest.mark.parametrize("kind", LASTING)
async def test_a_lasting_fault_stops_the_run_with_a_sentence(customers: Carrier, kind: str) -> None:
    settings, code, words, state = LASTING[kind]
    await something_to_do(customers)
    await customers.world.mailchimp.fault(kind, count=None, **ANY, **settings)

    run = await customers.fails("delta")

    assert (run["reason_code"], (await customers.reread())["state"]) == (code, state)
    assert words in run["reason"]
    await customers.world.mailchimp.no_faults()
    if state == TENANT:
        await customers.world.call("POST", f"syncs/{customers.id}/resume")
    await customers.run("delta", disturbed=True)


async def test_rows_that_are_missing_from_an_answer_are_looked_for(customers: Carrier) -> None:
    await something_to_do(customers)
    await customers.world.mailchimp.fault("drop_rows", count=1, **BULK)

    run = await customers.run("delta", disturbed=True)

    assert run["counts"]["created"] == 4
    assert await customers.world.mailchimp.call("GET", "faults") == []


async def test_a_storm_of_small_faults_changes_nothing(make_world: MakeWorld) -> None:
    world = await make_world(customers=60, seed=17)
    customers = await world.sync()
    for kind in ("throttled", "unavailable", "close", "apply_then_timeout", "drop_rows"):
        await world.mailchimp.fault(kind, count=6, share=0.25, seconds=0.3, retry_after=0, **ANY)

    run = await customers.run("full", disturbed=True)
    await world.mailchimp.no_faults()

    assert run["counts"]["created"] == len(await customers.snapshot())


async def test_a_key_that_is_revoked_in_mid_run(make_world: MakeWorld) -> None:
    world = await make_world(customers=40, seed=18, x3_settings={"page_size": 5})
    await world.x3.settings(page_latency_seconds=0.2)
    customers = await world.sync()
    started = await customers.start()
    await customers.until(started["id"], lambda run: run["counts"]["created"] > 0)

    await world.mailchimp.call("POST", "revoke", {"credential": world.sandbox.at_mailchimp["api_key"]})
    run = await customers.ended(started["id"])
    sync = await customers.reread()
    connection = await world.call("GET", f"connections/{world.connections['mailchimp']}")

    assert (run["state"], run["reason_code"]) == ("failed", "mailchimp_key_invalid")
    assert (sync["state"], sync["watermark"]) == ("needs_attention", None)
    assert (connection["state"], connection["state_reason"]) == ("needs_attention", run["reason"])
    await customers.check_books(run)


async def test_an_audience_that_is_deleted(make_world: MakeWorld) -> None:
    world = await make_world(customers=5)
    customers = await world.sync()
    await customers.run()
    await world.sandbox.delete_audience(customers.list_id)
    await world.sandbox.put({"code": "A1", "emails": ["new@acme.test"]})

    run = await customers.ended((await customers.start())["id"])
    sync = await customers.reread()

    assert (run["state"], run["reason_code"]) == ("failed", "mailchimp_audience_gone")
    assert sync["state"] == "needs_attention"
    assert sync["watermark"] == run["watermark_before"]
    customers.is_settled = False


async def test_a_merge_field_that_somebody_deletes_is_made_again(make_world: MakeWorld) -> None:
    world = await make_world(customers=5)
    customers = await world.sync()
    await customers.run()
    await world.sandbox.delete_merge_field(customers.list_id, "CITY")
    await customers.remap()
    await world.sandbox.put({"code": (await world.sandbox.export())[0]["code"], "city": "ELSEWHERE"})

    run = await customers.ended((await customers.start("full"))["id"])
    await customers.check_books(run)
    customers.is_settled = False

    fields = await world.items(
        f"connections/{world.connections['mailchimp']}/audiences/{customers.list_id}/merge-fields"
    )
    assert "CITY" in {field["tag"] for field in fields}
