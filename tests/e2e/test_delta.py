"""A change in any row a member is made of is carried, although the customer's own row keeps its stamp."""

from typing import Any

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.world import Carrier

pytestmark = pytest.mark.e2e

MAPPING = {
    "email": {"sources": ["default_address.emails", "default_contact.email", "contacts.relationship_email"]},
    "fields": [
        {"target": "COMPANY", "source": "name"},
        {"target": "NAME2", "source": "name2", "when_blank": "clear"},
        {"target": "FNAME", "source": "default_contact.first_name"},
        {"target": "CITY", "source": "default_address.city"},
        {"target": "CATEGORY", "source": "category"},
    ],
    "language": "language",
}
LANES: dict[str, dict[str, Any]] = {
    "e-mail of the address": {"emails": ["changed-{n}@acme.test"]},
    "city of the address": {"city": "LILLE"},
    "e-mail of the contact": {"contact_email": "role-{n}@acme.test"},
    "name of the person": {"contact_first_name": "Zoé"},
    "personal e-mail of the person": {"contact_relationship_email": "home-{n}@acme.test"},
    "name of the business partner": {"name": "RENAMED"},
    "second name of the business partner": {"name2": "& FILS"},
    "language of the business partner": {"language": "GER"},
    "mailing prohibited": {"is_prohibited": True},
    "customer flag": {"is_active": False},
    "category of the customer": {"category": "KEY"},
}
WITHOUT_ADDRESS = {"e-mail of the contact", "personal e-mail of the person"}


@pytest.fixture
async def customers(worlds: Worlds) -> Carrier:
    """Loaded once; each test changes a customer of its own."""

    async def make() -> Carrier:
        world = await worlds.make()
        await world.sandbox.put(*(_party(n, lane) for n, lane in enumerate(LANES)))
        loaded = await world.sync(mapping=MAPPING, new_member_status="subscribed")
        await loaded.run()
        return loaded

    return await worlds.kept("delta", make)


def _party(number: int, lane: str) -> dict[str, Any]:
    emails = [" "] if lane in WITHOUT_ADDRESS else [f"main-{number}@acme.test"]
    own = {"contact_relationship_email": f"own-{number}@acme.test", "contact_first_name": "Ann"}
    role = {} if lane == "personal e-mail of the person" else {"contact_email": f"first-{number}@acme.test"}
    return {"code": f"C{number:02d}", "name": f"COMPANY {number}", "emails": emails, "city": "PARIS", **own, **role}


@pytest.mark.parametrize("lane", LANES)
async def test_a_delta_carries_a_change_in(customers: Carrier, lane: str) -> None:
    number = list(LANES).index(lane)
    before = await customers.snapshot()
    patch = {
        name: [v.format(n=number) for v in value] if isinstance(value, list) else _filled(value, number)
        for name, value in LANES[lane].items()
    }
    await customers.world.sandbox.put({"code": f"C{number:02d}", **patch})

    run = await customers.run("delta")

    after = await customers.snapshot()
    assert run["counts"]["read"] <= len(LANES)  # those changed within the overlap, once each
    assert run["counts"]["updated"] == (0 if lane == "mailing prohibited" else 1), run
    assert after != before


def _filled(value: Any, number: int) -> Any:
    return value.format(n=number) if isinstance(value, str) else value


async def test_a_change_that_was_committed_late_is_not_missed(worlds: Worlds) -> None:
    """A long transaction in X3: the stamp is from before our last run, the row appears only now."""
    world = await worlds.make(customers=20, shares=CLEAN)
    customers = await world.sync()
    await customers.run()
    code = (await world.sandbox.export())[3]["code"]
    now = (await world.sandbox.x3.call("POST", "customers", []))["at"]
    await world.sandbox.put({"code": code, "name": "LATE", "stamp": now - 900})

    run = await customers.run("delta")

    assert (run["counts"]["read"], run["counts"]["updated"]) == (1, 1)


async def test_a_row_that_no_stamp_betrays_is_found_by_a_full_run(worlds: Worlds) -> None:
    world = await worlds.make(customers=20, shares=CLEAN)
    customers = await world.sync()
    await customers.run()
    code = (await world.sandbox.export())[5]["code"]
    await world.sandbox.put({"code": code, "name": "BY SQL", "stamp": 1_740_000_000})

    missed = await customers.ended((await customers.start("delta"))["id"])
    found = await customers.run("full")

    assert missed["counts"]["read"] == 0
    assert found["counts"]["updated"] == 1


async def test_changes_while_a_run_reads_are_carried_by_the_next(worlds: Worlds) -> None:
    """Rows that move while pages are read: nothing is lost, whatever the run itself saw."""
    world = await worlds.make(customers=60, shares=CLEAN, x3_settings={"page_size": 5})
    await world.x3.settings(page_latency_seconds=0.05)
    customers = await world.sync()
    started = await customers.start()
    codes = [row["code"] for row in await world.sandbox.export()]
    await customers.until(started["id"], lambda run: run["counts"]["read"] > 0)
    for code in codes[::7]:
        await world.sandbox.put({"code": code, "city": f"MOVED {code[-2:]}", "touch_parent": True})
    await world.sandbox.put({"code": "A0", "emails": ["new@acme.test"]})
    run = await customers.ended(started["id"])
    await customers.check_books(run)
    assert run["state"] == "succeeded"
    await customers.take_in(run, is_sure=False)

    await customers.run("delta", disturbed=True)

    assert "new@acme.test" in await customers.snapshot()


CLEAN = {
    name: 1 if name == "contact" else 0
    for name in (
        "missing_email", "broken_email", "several_emails", "duplicate_email", "upper_case_email", "inactive",
        "prohibited", "prohibited_person", "second_address", "contact", "second_contact", "shared_person", "blank",
        "odd_code", "both_roles",
    )
}  # fmt: skip
