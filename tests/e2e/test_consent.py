"""Nobody who said no at Mailchimp is mailed again because of anything that happens in X3 or here."""

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import Carrier, World

pytestmark = pytest.mark.e2e

EVENTS = ("unsubscribe", "admin-unsubscribe", "clean", "archive", "forget")
AFTER = {
    "unsubscribe": "unsubscribed", "admin-unsubscribe": "unsubscribed", "clean": "cleaned", "archive": "archived",
    "forget": None,
}  # fmt: skip
MAPPING = {"fields": [{"target": "COMPANY", "source": "name"}, {"target": "CITY", "source": "default_address.city"}]}


async def opted_out(world: World) -> Carrier:
    """Five people were subscribed by a first run and left in five ways; a sixth stays."""
    await world.sandbox.put(
        *({"code": f"C{n}", "emails": [f"{event}@acme.test"], "city": "PARIS"} for n, event in enumerate(EVENTS)),
        {"code": "C9", "emails": ["stays@acme.test"], "city": "PARIS"},
    )
    customers = await world.sync(mapping=MAPPING, new_member_status="subscribed")
    await customers.run()
    for event in EVENTS:
        await world.person(event, f"{event}@acme.test")
    return customers


async def assert_all_stay_out(customers: Carrier) -> None:
    members = await customers.snapshot()
    for event, status in AFTER.items():
        member = members.get(f"{event}@acme.test")
        assert (member["status"] if member else None) == status, event
    assert members["stays@acme.test"]["status"] == "subscribed"


async def change_everybody(world: World) -> None:
    await world.sandbox.put(*({"code": code, "city": "LYON"} for code in ("C0", "C1", "C2", "C3", "C4", "C9")))


async def test_a_delta_with_changes(world: World) -> None:
    customers = await opted_out(world)
    await change_everybody(world)

    run = await customers.run("delta")

    await assert_all_stay_out(customers)
    assert run["counts"]["updated"] == 1
    assert (run["skipped_by_reason"]["opted_out"], run["skipped_by_reason"]["forgotten"]) == (4, 1)


async def test_a_full_run(world: World) -> None:
    customers = await opted_out(world)
    await customers.run("full")
    await change_everybody(world)

    await customers.run("full")

    await assert_all_stay_out(customers)


async def test_a_replay_of_the_very_records(world: World) -> None:
    customers = await opted_out(world)
    await change_everybody(world)

    await customers.run("replay", codes=["C0", "C1", "C2", "C3", "C4", "C9"])

    await assert_all_stay_out(customers)
    assert (await customers.snapshot())["stays@acme.test"]["merge_fields"]["CITY"] == "LYON"


async def test_a_changed_mapping(world: World) -> None:
    customers = await opted_out(world)
    await customers.remap(fields=[{"target": "COMPANY", "source": "name", "transforms": ["upper"]}])

    run = await customers.run("delta")

    await assert_all_stay_out(customers)
    assert run["counts"]["read"] == 6


async def test_another_policy_for_inactive_customers_and_new_members(world: World) -> None:
    customers = await opted_out(world)
    for action in ("archive", "unsubscribe", "tag"):
        policy = {"action": action, **({"tag": "x3-inactive"} if action == "tag" else {})}
        await customers.change(inactive=policy, new_member_status="subscribed")
        await change_everybody(world)
        await customers.run("delta")

    await assert_all_stay_out(customers)


async def test_a_second_sync_that_knows_nothing_of_the_first(world: World) -> None:
    """A new sync, or one whose ledger was lost: what Mailchimp says of a person is enough."""
    customers = await opted_out(world)
    again = await world.sync(mapping=MAPPING, new_member_status="subscribed")

    run = await again.run()

    await assert_all_stay_out(customers)
    assert run["counts"]["created"] == 0


async def test_people_who_left_before_we_ever_came(world: World) -> None:
    lists = world.sandbox.lists
    for event in EVENTS:
        await world.sandbox.add_member(lists[0], f"{event}@acme.test")
        await world.person(event, f"{event}@acme.test")
    await world.sandbox.put(*({"code": f"C{n}", "emails": [f"{event}@acme.test"]} for n, event in enumerate(EVENTS)))
    customers = await world.sync(new_member_status="subscribed")

    run = await customers.run()

    members = await customers.snapshot()
    assert {email.split("@")[0]: member["status"] for email, member in members.items()} == {
        event: status for event, status in AFTER.items() if status
    }
    assert (run["skipped_by_reason"]["opted_out"], run["skipped_by_reason"]["forgotten"]) == (4, 1)


async def test_whoever_subscribes_again_alone_is_carried_again(world: World) -> None:
    customers = await opted_out(world)
    await change_everybody(world)
    await customers.run()
    await world.person("subscribe", "unsubscribe@acme.test")
    await world.sandbox.put({"code": "C0", "city": "NICE"})

    await customers.run()

    member = (await customers.snapshot())["unsubscribe@acme.test"]
    assert (member["status"], member["merge_fields"]["CITY"]) == ("subscribed", "NICE")


@pytest.mark.parametrize(
    "unknown", [{"archived_listed": True}, {"archived_exists": False}, {"put_unarchives": "stays"}]
)
async def test_whichever_way_mailchimp_treats_archived_people(
    make_world: MakeWorld, unknown: dict[str, object]
) -> None:
    """What the documentation leaves open must not matter."""
    world = await make_world()
    await world.mailchimp.settings(**unknown)
    customers = await opted_out(world)
    await change_everybody(world)
    await customers.run("delta")
    again = await world.sync(mapping=MAPPING, new_member_status="subscribed")

    await again.run()

    await assert_all_stay_out(customers)


async def test_somebody_leaves_while_the_run_is_on(make_world: MakeWorld) -> None:
    """Between our look at the audience and our call: the call carries no status, so it does no harm."""
    world = await make_world()
    await world.sandbox.put(*({"code": f"C{n:02d}", "emails": [f"c{n}@acme.test"]} for n in range(40)))
    customers = await world.sync(new_member_status="subscribed")
    await customers.run()
    await world.mailchimp.settings(call_latency_seconds=0.1)
    await world.sandbox.put(*({"code": f"C{n:02d}", "name": "CHANGED"} for n in range(40)))
    run = await customers.start()
    await customers.until(run["id"], lambda run: run["state"] == "running")
    for n in range(0, 40, 4):
        await world.person("unsubscribe", f"c{n}@acme.test")
    await customers.take_in(await customers.ended(run["id"]), is_sure=False)
    await world.mailchimp.settings(call_latency_seconds=0)

    await customers.run("full", disturbed=True)

    members = await customers.snapshot()
    assert [email for email, member in members.items() if member["status"] == "unsubscribed"] == [
        f"c{n}@acme.test" for n in range(0, 40, 4)
    ]
