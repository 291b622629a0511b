"""A distributor of promotional gifts, from the first load on: what a year with the product is like, in one test."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.sandboxes import Row
from tests.e2e.world import DONE, Carrier, World

pytestmark = pytest.mark.e2e

MAPPING: dict[str, Any] = {
    "fields": [
        {"target": "COMPANY", "source": "name"},
        {"target": "CITY", "source": "default_address.city"},
        {"target": "X3CODE", "source": "code"},
    ]
}
ADA, EVE, OFFICE, BOB = "ada@gifts.test", "eve@gifts.test", "office@gifts.test", "bob@gifts.test"
INACTIVE = "x3-inactive"


def gift(code: str, email: str, **given: Any) -> Row:
    return {"code": code, "emails": [email], "name": code.title(), "city": "LILLE", **given}


async def reconciled(customers: Carrier) -> Row:
    """A reconcile run to its good end; the drift it reports. The oracle takes in what it repaired."""
    run = await customers.ended((await customers.start("reconcile"))["id"])
    assert run["state"] in DONE, run
    await customers.check_books(run)
    await customers.take_in(run)
    drift: Row = {name: count for name, count in run["drift"].items() if count}
    return drift


async def statuses(customers: Carrier, *emails: str) -> list[str | None]:
    members = await customers.snapshot()
    return [members[email]["status"] if email in members else None for email in emails]


async def begun(make_world: MakeWorld) -> tuple[World, Carrier]:
    """Everything X3 has, into an audience that knows one person already."""
    world = await make_world(customers=40, seed=3)
    await world.sandbox.add_member(world.sandbox.lists[0], BOB, "subscribed", tags=["vip"])
    await world.sandbox.put(
        gift("ZADA", ADA), gift("ZBOB", BOB), gift("ZEVE", EVE), gift("ZOFFICE1", OFFICE), gift("ZOFFICE2", OFFICE)
    )
    customers = await world.sync(
        mapping=MAPPING, new_member_status="subscribed", inactive={"action": "tag", "tag": INACTIVE}
    )
    await customers.run()
    return world, customers


async def test_a_year_of_a_distributor_of_gifts(make_world: MakeWorld) -> None:
    world, customers = await begun(make_world)
    await a_customer_comes_and_goes_quiet(world, customers)
    await duplicates_are_cleaned(world, customers)
    await somebody_leaves_for_good(world, customers)
    await somebody_edits_by_hand(world, customers)
    await a_customer_is_deleted(world, customers)
    assert await statuses(customers, BOB) == ["subscribed"]
    assert "vip" in (await customers.snapshot())[BOB]["tags"]


async def a_customer_comes_and_goes_quiet(world: World, customers: Carrier) -> None:
    await world.sandbox.put(gift("ZNEW", "new@gifts.test"))
    run = await customers.run()
    assert (run["counts"]["created"], await statuses(customers, "new@gifts.test")) == (1, ["subscribed"])
    for is_active in (False, True):
        await world.sandbox.put({"code": "ZNEW", "is_active": is_active})
        await customers.run()
        member = (await customers.snapshot())["new@gifts.test"]
        assert (INACTIVE in member["tags"], member["status"]) == (not is_active, "subscribed")


async def duplicates_are_cleaned(world: World, customers: Carrier) -> None:
    """Two records of one office: one member, the other says why it is none; then somebody tidies up in X3."""
    records = await customers.records()
    assert (records["ZOFFICE1"]["state"], records["ZOFFICE2"]["reason"]) == ("synced", "duplicate_email")
    await world.sandbox.put({"code": "ZOFFICE1", "emails": [" "]}, {"code": "ZOFFICE2", "name": "THE OFFICE"})
    await customers.run()
    member = (await customers.snapshot())[OFFICE]
    assert (member["merge_fields"]["X3CODE"], member["merge_fields"]["COMPANY"]) == ("ZOFFICE2", "THE OFFICE")


async def somebody_leaves_for_good(world: World, customers: Carrier) -> None:
    """Out through address change, full run, replay, comparison and another mapping."""
    moved = "ada.lovelace@gifts.test"
    await world.person("unsubscribe", ADA)
    await world.sandbox.put({"code": "ZADA", "emails": [moved], "name": "ADA & SONS"})
    await customers.run()
    await customers.run("full")
    await customers.run("replay", codes=["ZADA"])
    assert await reconciled(customers) == {}
    await customers.remap(fields=[*MAPPING["fields"], {"target": "KIND", "constant": "customer"}])
    await customers.run()
    assert await statuses(customers, ADA, moved) == [None, "unsubscribed"]
    assert (await customers.records())["ZADA"]["reason"] == "opted_out"


async def somebody_edits_by_hand(world: World, customers: Carrier) -> None:
    """At Mailchimp, where X3 should have been changed: no delta sees it, the comparison does."""
    before = (await customers.snapshot())[EVE]
    await world.mailchimp.call(
        "POST", "profile", {"email": EVE, "merge_fields": {"COMPANY": "BY HAND", "CITY": "OSLO"}}
    )
    assert (await customers.run("delta"))["counts"]["updated"] == 0
    assert (await customers.snapshot())[EVE]["merge_fields"]["COMPANY"] == "BY HAND"

    assert await reconciled(customers) == {"changed_in_mailchimp": 1}

    member = (await customers.snapshot())[EVE]
    assert (member["merge_fields"], member["status"]) == (before["merge_fields"], "subscribed")
    assert await reconciled(customers) == {}
    timeline = await world.items(f"records/{(await customers.records())['ZEVE']['id']}/timeline")
    assert [event["reason"] for event in timeline if event["action"] == "member.updated"][-1] == "changed_in_mailchimp"


async def a_customer_is_deleted(world: World, customers: Carrier) -> None:
    """In X3, without a trace. No delta can see it; one whole reading is not believed, two are."""
    await world.x3.call("DELETE", "customers", code="ZNEW")
    await customers.run("delta")
    assert await reconciled(customers) == {"x3_absent_once": 1}
    assert INACTIVE not in (await customers.snapshot())["new@gifts.test"]["tags"]

    assert await reconciled(customers) == {"x3_deleted": 1}

    member, record = (await customers.snapshot())["new@gifts.test"], (await customers.records())["ZNEW"]
    assert (INACTIVE in member["tags"], member["status"]) == (True, "subscribed")
    assert (record["state"], record["reason"]) == ("skipped", "x3_deleted")
    assert await reconciled(customers) == {}

    await world.sandbox.put(gift("ZNEW", "new@gifts.test"))  # it was a mistake
    await customers.run()
    member = (await customers.snapshot())["new@gifts.test"]
    assert (INACTIVE in member["tags"], member["status"]) == (False, "subscribed")
    assert await reconciled(customers) == {}
