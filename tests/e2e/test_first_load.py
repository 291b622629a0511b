"""The first load, over all the peculiarities real data have."""

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

CUSTOMERS = 150


@pytest.mark.parametrize("status", ["transactional", "subscribed", "pending", "unsubscribed"])
async def test_everybody_arrives_once_with_the_status_the_tenant_chose(make_world: MakeWorld, status: str) -> None:
    world = await make_world(customers=CUSTOMERS, seed=3, verify_x3=status == "pending")
    customers = await world.sync(new_member_status=status)

    run = await customers.run()

    assert run["counts"]["read"] == CUSTOMERS
    assert run["counts"]["created"] > CUSTOMERS * 0.7
    members = await customers.snapshot()
    assert {member["status"] for member in members.values()} == {status}
    assert {member["writes"] for member in members.values()} == {1}


async def test_a_second_run_without_changes_writes_nothing(make_world: MakeWorld) -> None:
    world = await make_world(customers=40)
    customers = await world.sync()
    await customers.run()
    before = await customers.snapshot()

    again = await customers.run()
    whole = await customers.run("full")

    assert await customers.snapshot() == before
    assert again["counts"]["read"] == 0
    assert whole["counts"]["read"] == 40


async def test_people_mailchimp_knows_keep_their_status_and_what_is_not_ours(world: World) -> None:
    """Whatever the tenant chose for new people, nobody known is moved."""
    known = {"ann": "subscribed", "bob": "unsubscribed", "cid": "transactional", "dan": "pending", "eve": "cleaned"}
    await world.sandbox.put(*({"code": f"C{n}", "emails": [f"{who}@acme.test"]} for n, who in enumerate(known)))
    for who, status in known.items():
        await world.sandbox.add_member(
            world.sandbox.lists[0], f"{who}@acme.test", status, merge_fields={"LNAME": "Own"}, tags=["vip"]
        )
    customers = await world.sync(new_member_status="subscribed")

    run = await customers.run()

    members = await customers.snapshot()
    assert {email.split("@")[0]: member["status"] for email, member in members.items()} == known
    assert members["ann@acme.test"]["merge_fields"]["LNAME"] == "Own"
    assert members["ann@acme.test"]["tags"] == ["vip", "x3-customer"]
    assert members["bob@acme.test"]["tags"] == ["vip"]
    assert (run["counts"]["created"], run["counts"]["updated"], run["counts"]["skipped"]) == (0, 3, 2)


SLOTS = {
    "several, the first counts": (["ann@acme.test; bob@acme.test"], "ann@acme.test"),
    "the second slot": ([" ", "", "cid@acme.test"], "cid@acme.test"),
    "garbage before an address": (["n/a", "dan@acme.test"], "dan@acme.test"),
    "a name around it": (['"Eve, Inc." <eve@acme.test>'], "eve@acme.test"),
    "capitals": (["FAY@ACME.TEST"], "fay@acme.test"),
    "mailto and a dot": (["mailto:gil@acme.test."], "gil@acme.test"),
    "plus and dots": (["h.a-l+x@sub.acme.test"], "h.a-l+x@sub.acme.test"),
    "two @": (["two@@acme.test"], None),
    "no domain": (["ivy@", "@acme.test"], None),
    "two dots": (["jim..k@acme.test"], None),
    "no top level": (["kim@localhost"], None),
    "only a dash": (["-", "."], None),
}


async def test_an_address_is_found_in_whatever_people_type(world: World) -> None:
    await world.sandbox.put(*({"code": f"C{n:02d}", "emails": slots} for n, (slots, _) in enumerate(SLOTS.values())))
    customers = await world.sync()

    run = await customers.run()

    assert sorted(await customers.snapshot()) == sorted(email for _, email in SLOTS.values() if email)
    assert run["state"] == "partially_failed"
    assert (run["counts"]["rejected"], run["skipped_by_reason"]["no_email"]) == (4, 1)


async def test_the_order_of_the_sources_decides(world: World) -> None:
    await world.sandbox.put(
        {"code": "C1", "emails": ["main@acme.test"], "contact_email": "role@acme.test"},
        {"code": "C2", "emails": [" "], "contact_email": "role2@acme.test", "contact_relationship_email": "own@a.test"},
        {"code": "C3", "emails": ["broken"], "contact_email": " ", "contact_relationship_email": "own3@acme.test"},
    )
    sources = ["contacts.relationship_email", "default_contact.email", "default_address.emails"]
    customers = await world.sync(mapping={"email": {"sources": sources}})

    await customers.run()

    assert sorted(await customers.snapshot()) == ["own3@acme.test", "own@a.test", "role@acme.test"]


async def test_nobody_who_must_not_be_mailed_becomes_a_member(world: World) -> None:
    """The flag of the company, of its default contact, and of the person whose address it is."""
    await world.sandbox.put(
        {"code": "C1", "emails": ["ann@acme.test"], "is_prohibited": True},
        {"code": "C2", "emails": ["bob@acme.test"], "contact_email": "x@acme.test", "contact_is_prohibited": True},
        {"code": "C3", "emails": [" "], "contact_email": "cid@acme.test", "contact_is_prohibited": True},
        {"code": "C4", "emails": ["dan@acme.test"], "contact_email": "y@acme.test"},
    )
    for mapping in ({}, {"email": {"sources": ["default_address.emails", "default_contact.email"]}}):
        customers = await world.sync(mapping=mapping, new_member_status="subscribed")
        run = await customers.run()
        assert sorted(await customers.snapshot()) == ["dan@acme.test"]
        assert run["skipped_by_reason"]["mailing_prohibited"] == 3
