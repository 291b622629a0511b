"""Several customers with one address: one owns the member, by a rule that does not depend on the order of events."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import Carrier, World

pytestmark = pytest.mark.e2e

SHARED = "office@acme.test"
PAGES = pytest.mark.parametrize("page_size", [500, 1], ids=["one page", "a page each"])


def party(code: str, email: str = SHARED, **given: Any) -> dict[str, Any]:
    return {"code": code, "emails": [email], **given}


async def owner(customers: Carrier, email: str = SHARED) -> str:
    """The code of the customer whose content the member has."""
    code: str = (await customers.snapshot())[email]["merge_fields"]["X3CODE"]
    return code


@PAGES
async def test_the_active_one_with_the_lowest_code_owns(make_world: MakeWorld, page_size: int) -> None:
    world = await make_world(x3_settings={"page_size": page_size})
    await world.sandbox.put(
        party("C1", is_active=False), party("C3", "OFFICE@acme.test"), party("C2", "Office@ACME.test; x@acme.test"),
        party("C0", is_prohibited=True), party("C4", " "),
    )  # fmt: skip
    customers = await world.sync()

    run = await customers.run()

    assert await owner(customers) == "C2"
    assert (run["counts"]["created"], run["counts"]["skipped"]) == (1, 4)
    assert run["skipped_by_reason"]["duplicate_email"] == 2
    letters = (await customers.records())["C3"]
    assert (letters["state"], letters["reason"]) == ("skipped", "duplicate_email")


@pytest.mark.parametrize(
    ("patch", "heir"),
    [
        ({"is_active": False}, "C2"),
        ({"emails": ["own@acme.test"]}, "C2"),
        ({"emails": [" "]}, "C2"),
        ({"is_prohibited": True}, "C2"),
        ({"category": "KEY"}, "C2"),
        ({"name": "STAYS"}, "C1"),
    ],
    ids=["inactive", "another address", "no address", "prohibited", "leaves the filter", "only renamed"],
)
@PAGES
async def test_the_next_one_inherits(make_world: MakeWorld, page_size: int, patch: dict[str, Any], heir: str) -> None:
    world = await make_world(x3_settings={"page_size": page_size})
    await world.sandbox.put(party("C1"), party("C2"), party("C3"))
    customers = await world.sync(filter={"field": "category", "in": ["DOM"]})
    await customers.run()
    await world.sandbox.put({"code": "C1", **patch})

    await customers.run()

    assert await owner(customers) == heir


async def test_the_owner_returns_when_it_is_active_again(world: World) -> None:
    await world.sandbox.put(party("C1"), party("C2"))
    customers = await world.sync()
    await customers.run()
    for is_active, expected in ((False, "C2"), (True, "C1"), (False, "C2")):
        await world.sandbox.put({"code": "C1", "is_active": is_active})
        await customers.run()
        assert await owner(customers) == expected


async def test_a_newcomer_with_a_lower_code_takes_over(world: World) -> None:
    await world.sandbox.put(party("C5"), party("C7"))
    customers = await world.sync()
    await customers.run()
    await world.sandbox.put(party("C1", name="FIRST"))

    run = await customers.run()

    assert await owner(customers) == "C1"
    assert (run["counts"]["created"], run["counts"]["updated"]) == (0, 1)
    assert len(await customers.snapshot()) == 1


async def test_the_tags_of_a_former_owner_do_not_stay(world: World) -> None:
    mapping = {"tags": [{"name": "x3-customer"}, {"name": "x3-key", "when": {"field": "category", "equals": "KEY"}}]}
    await world.sandbox.put(party("C1", category="KEY"), party("C2", category="DOM"))
    customers = await world.sync(mapping=mapping)
    await customers.run()
    assert (await customers.snapshot())[SHARED]["tags"] == ["x3-customer", "x3-key"]
    await world.sandbox.put({"code": "C1", "emails": ["own@acme.test"]})

    await customers.run()

    members = await customers.snapshot()
    assert members[SHARED]["tags"] == ["x3-customer"]
    assert members["own@acme.test"]["tags"] == ["x3-customer", "x3-key"]


async def test_nobody_inherits_more_consent_than_the_address_has(world: World) -> None:
    await world.sandbox.put(party("C1"), party("C2"))
    customers = await world.sync(new_member_status="subscribed")
    await customers.run()
    await world.person("unsubscribe", SHARED)
    await world.sandbox.put({"code": "C1", "is_active": False}, {"code": "C2", "name": "TWO"})

    await customers.run()
    await world.sandbox.put({"code": "C1", "emails": ["own@acme.test"]})
    await customers.run()

    statuses = {email: member["status"] for email, member in (await customers.snapshot()).items()}
    assert set(statuses.values()) == {"unsubscribed"}


async def test_a_customer_that_joins_an_address_gives_up_its_own_member(world: World) -> None:
    """C2 had a member of its own; now it shares C1's address: its old member is archived, nobody is mailed twice."""
    await world.sandbox.put(party("C1"), party("C2", "own@acme.test"))
    customers = await world.sync(new_member_status="subscribed")
    await customers.run()
    await world.sandbox.put({"code": "C2", "emails": [SHARED]})

    await customers.run()

    statuses = {email: member["status"] for email, member in (await customers.snapshot()).items()}
    assert statuses == {SHARED: "subscribed", "own@acme.test": "archived"}
    assert await owner(customers) == "C1"
