"""Somebody's address changes: the member goes along, and so does the consent."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import Carrier, World

pytestmark = pytest.mark.e2e


async def loaded(world: World, *parties: dict[str, Any], **terms: Any) -> Carrier:
    """A sync whose parties are members."""
    await world.sandbox.put(*parties)
    carrier = await world.sync(**{"new_member_status": "subscribed", **terms})
    await carrier.run()
    return carrier


async def history(world: World, email: str) -> list[str]:
    """The statuses of the person who had this address when they were made a member."""
    ledger = await world.mailchimp.call("GET", "consent", email=email)
    return [move["after"] for move in ledger["moves"]]


async def test_the_member_moves_to_the_new_address(world: World) -> None:
    customers = await loaded(world, {"code": "C1", "emails": ["old@acme.test"], "name": "ONE"})
    await world.mailchimp.call("POST", "profile", {"email": "old@acme.test", "merge_fields": {"PHONE": "123"}})
    await world.sandbox.put({"code": "C1", "emails": ["new@acme.test"]})

    run = await customers.run()

    members = await customers.snapshot()
    assert list(members) == ["new@acme.test"]
    assert members["new@acme.test"]["merge_fields"]["PHONE"] == "123"  # the same member, not a new one
    assert await history(world, "old@acme.test") == ["subscribed"]
    assert run["counts"]["updated"] == 1


@pytest.mark.parametrize("what", ["unsubscribe", "admin-unsubscribe", "clean", "archive"])
async def test_whoever_opted_out_stays_out_under_the_new_address(world: World, what: str) -> None:
    customers = await loaded(world, {"code": "C1", "emails": ["old@acme.test"]})
    await world.person(what, "old@acme.test")
    before = (await customers.snapshot())["old@acme.test"]["status"]
    await world.sandbox.put({"code": "C1", "emails": ["new@acme.test"]})

    run = await customers.run()
    await customers.run("full")

    statuses = {email: member["status"] for email, member in (await customers.snapshot()).items()}
    assert set(statuses.values()) == {before}
    assert run["skipped_by_reason"]["opted_out"] == 1


async def test_a_forgotten_person_stays_forgotten_under_the_old_address(world: World) -> None:
    """Mailchimp deleted the person for good; the new address is a new one, made with no more than the tenant allows."""
    customers = await loaded(world, {"code": "C1", "emails": ["old@acme.test"]})
    await world.person("forget", "old@acme.test")
    await world.sandbox.put({"code": "C1", "name": "CHANGED"})

    run = await customers.run()

    assert await customers.snapshot() == {}
    assert run["skipped_by_reason"]["forgotten"] == 1


async def test_an_address_mailchimp_knows_already_is_updated_and_ours_archived(world: World) -> None:
    await world.sandbox.add_member(world.sandbox.lists[0], "known@acme.test", "subscribed", tags=["vip"])
    customers = await loaded(world, {"code": "C1", "emails": ["old@acme.test"], "name": "ONE"})
    await world.sandbox.put({"code": "C1", "emails": ["known@acme.test"]})

    await customers.run()

    members = await customers.snapshot()
    assert members["old@acme.test"]["status"] == "archived"
    assert members["known@acme.test"]["tags"] == ["vip", "x3-customer"]
    assert members["known@acme.test"]["merge_fields"]["COMPANY"] == "ONE"


@pytest.mark.parametrize(("here", "there"), [("unsubscribe", None), (None, "unsubscribe"), ("clean", "unsubscribe")])
async def test_the_stricter_consent_of_two_members_wins(world: World, here: str | None, there: str | None) -> None:
    await world.sandbox.add_member(world.sandbox.lists[0], "known@acme.test", "subscribed")
    customers = await loaded(world, {"code": "C1", "emails": ["old@acme.test"]})
    if here is not None:
        await world.person(here, "old@acme.test")
    if there is not None:
        await world.person(there, "known@acme.test")
    await world.sandbox.put({"code": "C1", "emails": ["known@acme.test"]})

    run = await customers.run()

    assert (await customers.snapshot())["known@acme.test"]["status"] == "unsubscribed"
    assert run["skipped_by_reason"]["opted_out"] == 1


@pytest.mark.parametrize("status", ["transactional", "pending"])
async def test_a_new_address_never_gets_more_consent_than_the_shared_one_it_comes_from(
    world: World, status: str
) -> None:
    """Two customers share an address Mailchimp may not send everything to; one gets an address of its own."""
    await world.sandbox.add_member(world.sandbox.lists[0], "office@acme.test", status)
    customers = await loaded(
        world, {"code": "C1", "emails": ["office@acme.test"]}, {"code": "C2", "emails": ["office@acme.test"]}
    )
    await world.sandbox.put({"code": "C1", "emails": ["own@acme.test"]})

    await customers.run()

    members = await customers.snapshot()
    assert members["own@acme.test"]["status"] == status
    assert members["office@acme.test"]["merge_fields"]["X3CODE"] == "C2"


PAGES = pytest.mark.parametrize("page_size", [500, 1], ids=["one page", "a page each"])


@PAGES
async def test_two_customers_swap_their_addresses(make_world: MakeWorld, page_size: int) -> None:
    world = await make_world(x3_settings={"page_size": page_size})
    customers = await loaded(
        world, {"code": "C1", "emails": ["a@acme.test"]}, {"code": "C2", "emails": ["b@acme.test"]}
    )
    await world.sandbox.put({"code": "C1", "emails": ["b@acme.test"]}, {"code": "C2", "emails": ["a@acme.test"]})

    await customers.run(disturbed=True)

    members = await customers.snapshot()
    assert {email: member["merge_fields"]["X3CODE"] for email, member in members.items()} == {
        "a@acme.test": "C2",
        "b@acme.test": "C1",
    }
    # Pages apart, the second customer finds its address archived by us and comes back for receipts only.
    assert [members[email]["status"] for email in ("b@acme.test", "a@acme.test")] == [
        "subscribed",
        "subscribed" if page_size > 1 else "transactional",
    ]


@PAGES
@pytest.mark.parametrize(("leaver", "comer"), [("C1", "C2"), ("C2", "C1")], ids=["leaves first", "comes first"])
async def test_an_address_one_customer_gives_up_is_taken_by_another(
    make_world: MakeWorld, page_size: int, leaver: str, comer: str
) -> None:
    world = await make_world(x3_settings={"page_size": page_size})
    customers = await loaded(
        world, {"code": leaver, "emails": ["a@acme.test"]}, {"code": comer, "emails": ["c@acme.test"]}
    )
    await world.sandbox.put({"code": leaver, "emails": ["b@acme.test"]}, {"code": comer, "emails": ["a@acme.test"]})

    await customers.run(disturbed=True)

    members = await customers.snapshot()
    assert members["a@acme.test"]["merge_fields"]["X3CODE"] == comer
    assert members["b@acme.test"]["merge_fields"]["X3CODE"] == leaver


@PAGES
@pytest.mark.parametrize("newcomer", ["C0", "C9"])
async def test_a_new_customer_takes_an_address_that_was_just_given_up(
    make_world: MakeWorld, page_size: int, newcomer: str
) -> None:
    world = await make_world(x3_settings={"page_size": page_size})
    customers = await loaded(world, {"code": "C1", "emails": ["a@acme.test"]})
    await world.sandbox.put({"code": "C1", "emails": ["b@acme.test"]}, {"code": newcomer, "emails": ["a@acme.test"]})

    await customers.run(disturbed=True)

    members = await customers.snapshot()
    assert members["a@acme.test"]["merge_fields"]["X3CODE"] == newcomer
    assert members["b@acme.test"]["merge_fields"]["X3CODE"] == "C1"


@pytest.mark.parametrize(
    ("action", "without", "back"),
    [
        ("none", "subscribed", "subscribed"),
        ("tag", "subscribed", "subscribed"),
        ("archive", "archived", "transactional"),
        ("unsubscribe", "unsubscribed", "unsubscribed"),
    ],
)
@pytest.mark.parametrize("email", ["old@acme.test", "new@acme.test"], ids=["the same again", "another"])
async def test_an_address_is_removed_and_comes_back(
    world: World, action: str, without: str, back: str, email: str
) -> None:
    """A member whose customer has no address any more is treated like an inactive one."""
    customers = await loaded(world, {"code": "C1", "emails": ["old@acme.test"]}, inactive={"action": action})
    await world.sandbox.put({"code": "C1", "emails": [" "]})
    run = await customers.run()
    removed = (await customers.snapshot())["old@acme.test"]

    await world.sandbox.put({"code": "C1", "emails": [email]})
    await customers.run()

    assert run["skipped_by_reason"]["no_email"] == 1
    assert (removed["status"], "x3-inactive" in removed["tags"]) == (without, action == "tag")
    members = await customers.snapshot()
    assert (list(members), members[email]["status"], members[email]["tags"]) == ([email], back, ["x3-customer"])


async def test_another_spelling_of_the_same_address_is_the_same_member(world: World) -> None:
    customers = await loaded(world, {"code": "C1", "emails": ["ann@acme.test"]})
    await world.sandbox.put({"code": "C1", "emails": ["Ann@ACME.test"], "name": "RENAMED"})

    await customers.run()

    assert (await customers.snapshot())["ann@acme.test"]["merge_fields"]["COMPANY"] == "RENAMED"
