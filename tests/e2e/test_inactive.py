"""Customers become inactive and active again, under each of the five policies."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

POLICIES: dict[str, dict[str, Any]] = {
    "none": {"action": "none"},
    "tag": {"action": "tag", "tag": "x3-gone"},
    "merge_field": {"action": "merge_field", "field": "X3STATUS", "value": "gone", "active_value": "here"},
    "archive": {"action": "archive"},
    "unsubscribe": {"action": "unsubscribe"},
}
WHEN_INACTIVE = {"archive": "archived", "unsubscribe": "unsubscribed"}
WHEN_BACK = {"archive": "transactional", "unsubscribe": "unsubscribed"}
PARTIES = [
    {"code": "C1", "emails": ["ann@acme.test"]},
    {"code": "C2", "emails": ["bob@acme.test"]},
    {"code": "C3", "emails": ["cid@acme.test"], "is_active": False},
]


@pytest.mark.parametrize("action", POLICIES)
async def test_inactive_and_active_again(world: World, action: str) -> None:
    await world.sandbox.put(*PARTIES)
    customers = await world.sync(inactive=POLICIES[action], new_member_status="subscribed")
    await customers.run()
    takes_out = action in WHEN_INACTIVE
    assert ("cid@acme.test" in await customers.snapshot()) is not takes_out

    await world.sandbox.put({"code": "C1", "is_active": False})
    await customers.run()
    gone = (await customers.snapshot())["ann@acme.test"]
    await world.sandbox.put({"code": "C1", "is_active": True}, {"code": "C3", "is_active": True})
    await customers.run()
    back = await customers.snapshot()

    assert gone["status"] == WHEN_INACTIVE.get(action, "subscribed")
    assert back["ann@acme.test"]["status"] == WHEN_BACK.get(action, "subscribed")
    assert back["bob@acme.test"]["status"] == back["cid@acme.test"]["status"] == "subscribed"
    assert ("x3-gone" in gone["tags"], "x3-gone" in back["ann@acme.test"]["tags"]) == (action == "tag", False)
    if action == "merge_field":
        statuses = gone["merge_fields"]["X3STATUS"], back["ann@acme.test"]["merge_fields"]["X3STATUS"]
        assert statuses == ("gone", "here")


@pytest.mark.parametrize("action", POLICIES)
async def test_a_person_who_left_meanwhile_stays_out(world: World, action: str) -> None:
    """Unsubscribed while inactive, or before: no policy brings anybody back."""
    await world.sandbox.put(*PARTIES[:2])
    customers = await world.sync(inactive=POLICIES[action], new_member_status="subscribed")
    await customers.run()
    await world.person("unsubscribe", "bob@acme.test")
    await world.sandbox.put({"code": "C1", "is_active": False}, {"code": "C2", "is_active": False})
    await customers.run()
    if action != "archive":
        await world.person("unsubscribe", "ann@acme.test")

    await world.sandbox.put({"code": "C1", "is_active": True}, {"code": "C2", "is_active": True})
    await customers.run()
    await customers.run("full")

    statuses = {email[:3]: member["status"] for email, member in (await customers.snapshot()).items()}
    assert statuses == {"ann": WHEN_BACK["archive"] if action == "archive" else "unsubscribed", "bob": "unsubscribed"}


async def test_an_archived_member_changes_address_before_it_is_active_again(world: World) -> None:
    await world.sandbox.put(*PARTIES[:2])
    customers = await world.sync(inactive={"action": "archive"}, new_member_status="subscribed")
    await customers.run()
    await world.sandbox.put({"code": "C1", "is_active": False})
    await customers.run()
    await world.sandbox.put({"code": "C1", "is_active": True, "emails": ["new@acme.test"]})

    await customers.run()

    statuses = {email: member["status"] for email, member in (await customers.snapshot()).items()}
    assert statuses == {"new@acme.test": "transactional", "bob@acme.test": "subscribed"}


@pytest.mark.parametrize("action", ["tag", "archive", "unsubscribe"])
async def test_leaving_the_filter_is_like_becoming_inactive(world: World, action: str) -> None:
    await world.sandbox.put(*({**party, "category": "EXP"} for party in PARTIES[:2]))
    policy = {"action": "tag", "tag": "x3-inactive"} if action == "tag" else POLICIES[action]
    chosen = {"field": "category", "in": ["EXP"]}
    customers = await world.sync(inactive=policy, new_member_status="subscribed", filter=chosen)
    await customers.run()
    await world.sandbox.put({"code": "C1", "category": "DOM"})

    run = await customers.run()

    left = (await customers.snapshot())["ann@acme.test"]
    assert run["skipped_by_reason"]["filtered"] == 1
    assert left["status"] == WHEN_INACTIVE.get(action, "subscribed")
    assert ("x3-inactive" in left["tags"]) is (action == "tag")
    await world.sandbox.put({"code": "C1", "category": "EXP"})
    await customers.run()
    back = (await customers.snapshot())["ann@acme.test"]
    assert (back["status"], back["tags"]) == (WHEN_BACK.get(action, "subscribed"), ["x3-customer"])


async def test_a_contact_that_is_gone_is_treated_like_an_inactive_one(world: World) -> None:
    mapping = {"email": {"mode": "per_contact"}, "fields": [{"target": "FNAME", "source": "contact.first_name"}]}
    await world.sandbox.put({"code": "C1", "emails": [" "], "contact_email": "ann@acme.test"})
    people = await world.sync(mapping=mapping, new_member_status="subscribed")
    await people.run()
    await world.sandbox.put({"code": "C1", "contact_email": " ", "emails": ["office@acme.test"]})

    await people.run()

    members = await people.snapshot()
    assert members["ann@acme.test"]["tags"] == ["x3-customer", "x3-inactive"]
    assert members["office@acme.test"]["tags"] == ["x3-customer"]


async def test_too_many_at_once_wait_for_a_person(make_world: MakeWorld) -> None:
    """The brake: most of the audience would be archived; nothing is written before somebody approves."""
    world = await make_world()
    await world.sandbox.put(*({"code": f"C{n:03d}", "emails": [f"c{n}@acme.test"]} for n in range(120)))
    customers = await world.sync(inactive={"action": "archive"}, brake={"max_inactive_percent": 20})
    await customers.run()
    before = await customers.snapshot()
    await world.sandbox.put(*({"code": f"C{n:03d}", "is_active": False} for n in range(60)))

    halted = await customers.ended((await customers.start())["id"])
    untouched = await customers.snapshot()
    await world.call("POST", f"runs/{halted['id']}/approve", status=202)
    done = await customers.until(halted["id"], lambda run: run["state"] not in ("halted", "running"))

    assert halted["state"] == "halted"
    assert "60" in halted["reason"]
    assert untouched == before
    await customers.check(done, before)
    assert done["counts"]["updated"] == 60
