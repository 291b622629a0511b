"""A Sage X3 that misbehaves in every way we know: the run tries again or stops with a clear sentence, loses nothing,
and the next one is right."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld, Worlds
from tests.e2e.world import Carrier

pytestmark = pytest.mark.e2e

GRAPHQL = "/xtrem/api"
CUSTOMERS = 24

PASSING: dict[str, dict[str, Any]] = {
    "html": {"count": 2},
    "truncated": {"count": 2},
    "close": {"count": 2},
    "close_mid_body": {"count": 2},
    "hang": {"count": 1, "seconds": 3},
    "slow_drip": {"count": 1, "seconds": 1},
    "slow": {"count": 1, "seconds": 1},
    "bad_gateway": {"count": 2},
    "unavailable": {"count": 2},
    "error": {"count": 2},
    "throttled": {"count": 2, "retry_after": 1},
    "graphql_errors": {"count": 2},
    "expired_token": {"count": 1},
    "empty_page": {"count": 2},
}
"""Faults that go away: the run gets over them by itself."""

PASSES, TENANT = "active", "needs_attention"
UNREADABLE = "The answer is not from the X3 API or was cut off"
LASTING: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "html": ({}, "x3_unreadable", UNREADABLE, PASSES),
    "truncated": ({}, "x3_unreadable", UNREADABLE, PASSES),
    "close": ({}, "x3_cut_off", "The connection to Sage X3 broke off", PASSES),
    "bad_gateway": ({}, "x3_busy", "Sage X3 is busy or down (502)", PASSES),
    "unavailable": ({}, "x3_busy", "Sage X3 is busy or down (503)", PASSES),
    "error": ({}, "x3_internal", "Sage X3 failed inside (500)", PASSES),
    "throttled": ({"retry_after": 0}, "x3_busy", "Sage X3 is busy or down (429)", PASSES),
    "graphql_errors": ({}, "x3_query_failed", "X3 could not carry out the query", PASSES),
    "html403": ({}, "x3_forbidden", "Sage X3 refuses access (403)", TENANT),
    "unauthorised": ({}, "x3_unauthorised", "Sage X3 does not accept the credential (401)", TENANT),
    "repeated_cursor": ({}, "x3_endless", "Sage X3 repeats a page position", TENANT),
    "empty_page": ({}, "x3_endless", "keeps answering empty pages", TENANT),
}
"""Faults that stay: kind -> settings of the fault, the reason's code and words, the state of the sync afterwards."""


@pytest.fixture
async def customers(worlds: Worlds) -> Carrier:
    """Loaded once for the module, over several pages; each test changes everybody anew."""

    async def make() -> Carrier:
        carrier = await (await worlds.make(customers=CUSTOMERS, seed=13, x3_settings={"page_size": 5})).sync()
        await carrier.run()
        return carrier

    return await worlds.kept("x3", make)


_cities = iter(range(10_000))


async def change_everybody(customers: Carrier) -> None:
    """Something new for every customer."""
    city = f"CITY {next(_cities)}"
    codes = [row["code"] for row in await customers.world.sandbox.export()]
    await customers.world.sandbox.put(*({"code": code, "city": city} for code in codes))


@pytest.mark.parametrize("after", [0, 3], ids=["at once", "in mid-run"])
@pytest.mark.parametrize("kind", PASSING)
async def test_a_passing_fault_is_got_over(customers: Carrier, kind: str, after: int) -> None:
    await change_everybody(customers)
    await customers.world.x3.fault(kind, path=GRAPHQL, after=after, **PASSING[kind])

    run = await customers.run("full", disturbed=True)

    assert run["counts"]["read"] == CUSTOMERS
    assert await customers.world.x3.call("GET", "faults") == [], "the fault never struck"


@pytest.mark.parametrize("kind", LASTING)
async def test_a_lasting_fault_stops_the_run_with_a_sentence(customers: Carrier, kind: str) -> None:
    settings, code, words, state = LASTING[kind]
    await change_everybody(customers)
    await customers.world.x3.fault(kind, path=GRAPHQL, count=None, after=2, **settings)

    run = await customers.fails("delta")

    assert (run["reason_code"], (await customers.reread())["state"]) == (code, state)
    assert words in run["reason"]
    await customers.world.x3.no_faults()
    if state == TENANT:
        await customers.world.call("POST", f"syncs/{customers.id}/resume")
    await customers.run("delta", disturbed=True)


async def test_rows_it_refuses_cost_nobody_else(customers: Carrier) -> None:
    codes = [row["code"] for row in await customers.world.sandbox.export()]
    await change_everybody(customers)
    await customers.world.x3.fault("row_refusal", codes=codes[3:20:6])

    refused = await customers.ended((await customers.start("full"))["id"])
    await customers.check_books(refused)
    await customers.take_in(refused)
    await customers.world.x3.no_faults()
    await customers.run("full", disturbed=True)

    assert (refused["counts"]["read"], refused["counts"]["rejected"]) == (CUSTOMERS, 3)


async def test_data_it_keeps_back_are_not_taken_for_blank(make_world: MakeWorld) -> None:
    """The API user may not read a part of each row: nobody loses what is there already."""
    world = await make_world(customers=10, seed=14)
    customers = await world.sync()
    await customers.run()
    before = await customers.snapshot()
    await world.x3.fault("partial_data", path=GRAPHQL, count=None, codes=["defaultAddress"])

    run = await customers.ended((await customers.start("full"))["id"])
    await world.x3.no_faults()

    assert await customers.snapshot() == before
    assert run["state"] in ("failed", "partially_failed"), run
    if run["state"] == "failed":
        assert run["reason"]
        await world.call("POST", f"syncs/{customers.id}/resume")
    await customers.take_in(run)
    await customers.run("full", disturbed=True)


async def test_a_clock_that_is_wrong_loses_no_change(make_world: MakeWorld) -> None:
    """X3's own clock counts, whatever ours says."""
    world = await make_world(customers=10, seed=15)
    await world.x3.settings(clock_skew_seconds=-240)
    customers = await world.sync()
    await customers.run()
    code = (await world.sandbox.export())[1]["code"]
    for city in ("ONE", "TWO", "THREE"):
        await world.sandbox.put({"code": code, "city": city})
        run = await customers.run("delta")
        assert run["counts"]["updated"] == 1
