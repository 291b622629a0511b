"""A mapping that changes its mind: a member per customer, a member per contact, and back."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import Carrier, World

pytestmark = pytest.mark.e2e

FIELDS = [{"target": "COMPANY", "source": "name"}, {"target": "X3CODE", "source": "code"}]
PER_CONTACT: dict[str, Any] = {"fields": FIELDS, "email": {"mode": "per_contact"}}
PER_PARTY: dict[str, Any] = {"fields": FIELDS}
ACTIONS = pytest.mark.parametrize("action", ["none", "tag", "merge_field", "archive", "unsubscribe"])


async def furnished(world: World, mapping: dict[str, Any], action: str) -> Carrier:
    """C1's contact has an address of its own, C2's has the company's, C3 has no contact, C4 only the contact's."""
    await world.sandbox.put(
        {"code": "C1", "emails": ["office@c1.test"], "contact_email": "ann@c1.test"},
        {"code": "C2", "emails": ["office@c2.test"], "contact_email": "office@c2.test"},
        {"code": "C3", "emails": ["office@c3.test"]},
        {"code": "C4", "emails": [" "], "contact_email": "ann@c4.test"},
    )
    customers = await world.sync(mapping=mapping, new_member_status="subscribed", inactive={"action": action})
    await customers.run()
    return customers


async def standing(customers: Carrier) -> dict[str, set[str]]:
    """Keys that stand for a member, and those that do not."""
    records = await customers.records()
    return {
        state: {key for key, record in records.items() if record["state"] == state} for state in ("synced", "skipped")
    }


def left(members: dict[str, dict[str, Any]], email: str, action: str) -> bool:
    """Whether the inactive policy was applied to this member."""
    member = members[email]
    applied: dict[str, bool] = {
        "none": member["status"] == "subscribed" and member["tags"] == ["x3-customer"],
        "tag": member["status"] == "subscribed" and "x3-inactive" in member["tags"],
        "merge_field": member["status"] == "subscribed" and member["merge_fields"].get("X3STATUS") == "inactive",
        "archive": member["status"] == "archived",
        "unsubscribe": member["status"] == "unsubscribed",
    }
    return applied[action]


@ACTIONS
async def test_from_contacts_to_customers_and_back(world: World, action: str) -> None:
    customers = await furnished(world, PER_CONTACT, action)
    contacts = {key for key in (await standing(customers))["synced"] if "/" in key}
    assert len(contacts) == 3

    await customers.remap(**PER_PARTY)
    run = await customers.run("delta")

    found = await standing(customers)
    assert found == {"synced": {"C1", "C2", "C3", "C4"}, "skipped": contacts}
    members = await customers.snapshot()
    assert left(members, "ann@c1.test", action)
    assert [members[f"office@c{n}.test"]["status"] for n in (1, 2, 3)] == ["subscribed"] * 3
    assert run["skipped_by_reason"]["contact_gone"] == 3

    await customers.remap(**PER_CONTACT)
    await customers.run("delta")

    found = await standing(customers)
    stays_out = {next(key for key in contacts if key.startswith("C1"))} if action == "unsubscribe" else set()
    assert found["synced"] == {*contacts, "C3"} - stays_out
    members = await customers.snapshot()
    assert left(members, "office@c1.test", action)
    assert members["ann@c1.test"]["status"] == {"archive": "transactional", "unsubscribe": "unsubscribed"}.get(
        action, "subscribed"
    )


@ACTIONS
async def test_from_customers_to_contacts_and_back(world: World, action: str) -> None:
    customers = await furnished(world, PER_PARTY, action)

    await customers.remap(**PER_CONTACT)
    await customers.run("delta")
    assert left(await customers.snapshot(), "office@c1.test", action)

    await customers.remap(**PER_PARTY)
    await customers.run("delta")

    stays_out = {"C1"} if action == "unsubscribe" else set()
    assert (await standing(customers))["synced"] == {"C1", "C2", "C3", "C4"} - stays_out
    members = await customers.snapshot()
    assert left(members, "ann@c1.test", action)
    assert members["office@c1.test"]["status"] == {"archive": "transactional", "unsubscribe": "unsubscribed"}.get(
        action, "subscribed"
    )


async def test_somebody_who_left_as_a_contact_stays_out_as_a_customer(world: World) -> None:
    customers = await furnished(world, PER_CONTACT, "tag")
    await world.person("unsubscribe", "office@c2.test")
    await world.person("unsubscribe", "ann@c4.test")

    await customers.remap(**PER_PARTY)
    run = await customers.run("delta")
    await customers.remap(**PER_CONTACT)
    await customers.run("delta")

    members = await customers.snapshot()
    assert [members[email]["status"] for email in ("office@c2.test", "ann@c4.test")] == ["unsubscribed"] * 2
    assert run["skipped_by_reason"]["opted_out"] == 2


async def test_many_of_them_and_back(make_world: MakeWorld) -> None:
    """Whatever peculiarities the example folder has."""
    world = await make_world(customers=60, seed=6)
    customers = await world.sync(mapping=PER_CONTACT, new_member_status="subscribed")
    await customers.run()
    for mapping in (PER_PARTY, PER_CONTACT, PER_PARTY):
        await customers.remap(**mapping)
        await customers.run("delta", disturbed=True)
