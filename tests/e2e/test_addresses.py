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
    """Mailchimp deleted the person for good, and takes nobody at that address any more."""
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


APART = pytest.mark.parametrize("apart", [False, True], ids=["one page", "pages apart"])


async def turned(make_world: MakeWorld, count: int, *, apart: bool) -> tuple[World, Carrier]:
    """So many customers are members, and then each gets the address of the next one, the last that of the first. When
    they are `apart`, others who have changed too are between them, so that no two are on one page."""
    world = await make_world(x3_settings={"page_size": count if apart else 500})
    others = [f"C{n}{m}" for n in range(count) for m in range(1, count)]
    parties = [{"code": f"C{n}0", "emails": [f"a{n}@acme.test"]} for n in range(count)]
    customers = await loaded(world, *parties, *({"code": code, "emails": [f"{code}@acme.test"]} for code in others))
    await world.sandbox.put(*({"code": f"C{n}0", "emails": [f"a{(n + 1) % count}@acme.test"]} for n in range(count)))
    await world.sandbox.put(*({"code": code, "name": "CHANGED"} for code in others))
    return world, customers


async def found_at(customers: Carrier) -> dict[str, dict[str, Any]]:
    """The members that change hands, by number."""
    return {email[1]: member for email, member in (await customers.snapshot()).items() if email[0] == "a"}


@APART
@pytest.mark.parametrize("mode", ["delta", "full"])
@pytest.mark.parametrize("count", [2, 3, 5])
async def test_customers_swap_their_addresses(make_world: MakeWorld, mode: str, count: int, *, apart: bool) -> None:
    """Every address keeps its own consent, whoever stands for it now; nobody is archived in between."""
    _, customers = await turned(make_world, count, apart=apart)

    run = await customers.run(mode, disturbed=True)

    members = await found_at(customers)
    assert {number: member["merge_fields"]["X3CODE"] for number, member in members.items()} == {
        str((n + 1) % count): f"C{n}0" for n in range(count)
    }
    assert {member["status"] for member in members.values()} == {"subscribed"}
    assert run["counts"]["read"] == run["counts"]["updated"] == count * count


@APART
@pytest.mark.parametrize("who", [0, 1, 2])
async def test_whoever_left_takes_that_along_when_addresses_are_swapped(
    make_world: MakeWorld, who: int, *, apart: bool
) -> None:
    """The address that left stays out, and so does the one its person has now; the third is as it was."""
    world, customers = await turned(make_world, 3, apart=apart)
    await world.person("unsubscribe", f"a{who}@acme.test")

    run = await customers.run(disturbed=True)
    await customers.run("full", disturbed=True)

    out = {str(who), str((who + 1) % 3)}
    assert {number: member["status"] for number, member in (await found_at(customers)).items()} == {
        number: "unsubscribed" if number in out else "subscribed" for number in "012"
    }
    assert run["skipped_by_reason"]["opted_out"] == 2


@PAGES
async def test_an_address_goes_round_in_a_chain(make_world: MakeWorld, page_size: int) -> None:
    """Each takes the address of the next one, the last gets a new one: every member goes along."""
    world = await make_world(x3_settings={"page_size": page_size})
    customers = await loaded(world, *({"code": f"C{n}", "emails": [f"a{n}@acme.test"]} for n in range(4)))
    await world.sandbox.put(*({"code": f"C{n}", "emails": [f"a{n + 1}@acme.test"]} for n in range(4)))

    run = await customers.run(disturbed=True)

    members = await customers.snapshot()
    there = {email: member["merge_fields"]["X3CODE"] for email, member in members.items() if email != "a0@acme.test"}
    assert there == {f"a{n + 1}@acme.test": f"C{n}" for n in range(4)}
    assert {member["status"] for email, member in members.items() if email != "a0@acme.test"} <= {
        "subscribed", "transactional",
    }  # fmt: skip
    assert members.get("a0@acme.test", {"status": "archived"})["status"] == "archived"
    assert run["counts"]["read"] == 4


THERE = ({"code": "C1", "emails": ["none@acme.test"]}, {"code": "C2", "emails": ["one@acme.test"]})
BACK = ({"code": "C1", "emails": ["one@acme.test"]}, {"code": "C2", "emails": ["two@acme.test"]})


async def with_an_inactive_one(world: World, action: str) -> Carrier:
    """C1 has become inactive, C2 has not."""
    parties = ({"code": "C1", "emails": ["one@acme.test"]}, {"code": "C2", "emails": ["two@acme.test"]})
    customers = await loaded(world, *parties, inactive={"action": action})
    await world.sandbox.put({"code": "C1", "is_active": False})
    await customers.run()
    return customers


@pytest.mark.parametrize("action", ["tag", "merge_field", "archive", "unsubscribe"])
async def test_an_address_that_goes_to_an_active_customer_and_back_within_a_delta_went_nowhere(
    world: World, action: str
) -> None:
    customers = await with_an_inactive_one(world, action)
    before = await customers.snapshot()
    await world.sandbox.put(*THERE)
    await world.sandbox.put(*BACK)

    run = await customers.run()

    assert (run["counts"]["read"], run["counts"]["unchanged"]) == (2, 2)
    assert await customers.snapshot() == before


@pytest.mark.parametrize("action", ["tag", "merge_field"])
async def test_an_address_that_goes_to_an_active_customer_loses_its_mark_and_gets_it_back(
    world: World, action: str
) -> None:
    customers = await with_an_inactive_one(world, action)
    marks = []
    for patches in (THERE, BACK):
        await world.sandbox.put(*patches)
        await customers.run(disturbed=True)
        member = (await customers.snapshot())["one@acme.test"]
        marks.append(("x3-inactive" in member["tags"]) or member["merge_fields"].get("X3STATUS") == "inactive")
        assert member["status"] == "subscribed"

    assert marks == [False, True]


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


@pytest.mark.parametrize("then", ["its owner leaves", "another address", "a known address"])
async def test_whoever_opted_out_stays_out_by_way_of_a_shared_address(world: World, then: str) -> None:
    """C2 refused, then joined C1's address, where nobody sees it; whatever comes next, it is not written to."""
    await world.sandbox.add_member(world.sandbox.lists[0], "known@acme.test", "subscribed")
    customers = await loaded(
        world, {"code": "C1", "emails": ["office@acme.test"]}, {"code": "C2", "emails": ["own@acme.test"]}
    )
    await world.person("unsubscribe", "own@acme.test")
    await world.sandbox.put({"code": "C2", "emails": ["office@acme.test"]})
    await customers.run()
    assert (await customers.snapshot())["office@acme.test"]["status"] == "subscribed"  # it is C1's

    patch, email, status = {
        "its owner leaves": ({"code": "C1", "emails": ["home@acme.test"]}, "office@acme.test", "unsubscribed"),
        "another address": ({"code": "C2", "emails": ["new@acme.test"]}, "new@acme.test", None),
        "a known address": ({"code": "C2", "emails": ["known@acme.test"]}, "known@acme.test", "unsubscribed"),
    }[then]
    await world.sandbox.put(patch)
    await customers.run()

    members = await customers.snapshot()
    assert (members[email]["status"] if email in members else None) == status
    assert (await customers.records())["C2"]["reason"] == "opted_out"
    if status is not None:  # said anew, by the person, at the address it has: that counts
        await world.person("subscribe", email)
        await world.sandbox.put({"code": "C2", "name": "GLAD TO BE BACK"})
        await customers.run()
        assert (await customers.snapshot())[email]["merge_fields"]["COMPANY"] == "GLAD TO BE BACK"


async def test_an_address_that_refused_is_no_member_again_when_another_customer_gets_it(world: World) -> None:
    """C1 took its refusal along to another address; the one it left had refused all the same."""
    customers = await loaded(
        world, {"code": "C1", "emails": ["office@acme.test"]}, {"code": "C2", "emails": ["own@acme.test"]}
    )
    await world.person("unsubscribe", "office@acme.test")
    await world.sandbox.put({"code": "C1", "emails": ["home@acme.test"]})
    await customers.run()
    office = {"emails": ["office@acme.test"]}

    await world.sandbox.put({"code": "C9", **office})
    await customers.run()
    assert "office@acme.test" not in await customers.snapshot()
    await world.sandbox.put({"code": "C2", **office})
    await customers.run()
    assert (await customers.records())["C2"]["reason"] == "opted_out"
    assert "office@acme.test" not in await customers.snapshot()
    await world.sandbox.put({"code": "C1", **office})
    await customers.run()

    members = await customers.snapshot()
    assert {email: member["status"] for email, member in members.items()} == {
        "office@acme.test": "unsubscribed",
        "own@acme.test": "archived",
    }
    records = await customers.records()
    assert [records[code]["reason"] for code in ("C1", "C2", "C9")] == [
        "opted_out",
        "duplicate_email",
        "duplicate_email",
    ]


async def test_a_member_given_up_for_an_address_that_had_refused_comes_back_for_the_next_customer(world: World) -> None:
    """C1 goes to an address that is closed: what it leaves was archived by us, and by nobody else."""
    customers = await loaded(
        world, {"code": "C1", "emails": ["desk@acme.test"]}, {"code": "C2", "emails": ["shut@acme.test"]}
    )
    await world.person("unsubscribe", "shut@acme.test")
    await world.sandbox.put({"code": "C1", "emails": ["shut@acme.test"]}, {"code": "C2", "emails": [" "]})
    await customers.run(disturbed=True)
    assert (await customers.snapshot())["desk@acme.test"]["status"] == "archived"

    await world.sandbox.put({"code": "C9", "emails": ["desk@acme.test"]})
    await customers.run(disturbed=True)

    desk = (await customers.snapshot())["desk@acme.test"]
    assert (desk["status"], desk["merge_fields"]["X3CODE"]) == ("transactional", "C9")
