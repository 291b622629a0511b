"""What people say while calls about them are on their way."""

import asyncio
import time
from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import Carrier, World

pytestmark = pytest.mark.e2e

COUNT = 12
INSERTS, UPDATES = ("/lists/[^/]+$", "POST"), ("/lists/[^/]+/members/", "PATCH")


def address(number: int) -> str:
    return f"c{number}@acme.test"


async def hooked(world: World, carrier: Carrier) -> None:
    """Mailchimp tells us of everything that happens in the audience."""
    path = f"connections/{world.connections['mailchimp']}/webhooks"
    await world.call("POST", path, {"audience_id": carrier.list_id}, 201)


async def told(world: World, email: str) -> None:
    """Until the person's opt-out has come by webhook and has taken effect."""
    deadline = time.monotonic() + 30
    while not [e for e in await world.items("webhook-events", email=email) if e["outcome"] is not None]:
        assert time.monotonic() < deadline, world.plant.logs()
        await asyncio.sleep(0.05)


async def known(world: World, email: str) -> list[str]:
    """What we know of the person's status, newest first."""
    return [entry["status"] for entry in await world.items("consent", email=email)]


async def mirrored(world: World, status: str) -> int:
    """How many members of the tenant our mirror shows with this status."""
    tenant = world.tenant.rpartition("/")[2]
    rows = await world.plant.rows(
        "select count(*) from audience_member where tenant_id = $1::varchar::uuid and status = $2", tenant, status
    )
    found: int = rows[0]["count"]
    return found


async def slowly(world: World, call: tuple[str, str], customers: Carrier) -> dict[str, Any]:
    """A run whose calls are carried out at once and answered late; it has reached Mailchimp."""
    path, method = call
    before = {email: member["writes"] for email, member in (await customers.snapshot()).items()}
    await world.mailchimp.fault("slow", path=path, method=method, count=None, seconds=6)
    run = await customers.start()
    deadline = time.monotonic() + 40
    while True:
        now = {email: member["writes"] for email, member in (await customers.snapshot()).items()}
        if now.get(address(0), 0) > before.get(address(0), 0):
            break
        assert time.monotonic() < deadline, world.plant.logs()
        await asyncio.sleep(0.05)
    await world.mailchimp.no_faults()  # those who wait go on waiting
    return run


@pytest.mark.parametrize("call", [INSERTS, UPDATES], ids=["a batch of new members", "an update"])
async def test_an_opt_out_that_overtakes_the_answer_stays_known(make_world: MakeWorld, call: tuple[str, str]) -> None:
    """The answer still says subscribed when it comes; the webhook has said unsubscribed by then."""
    world = await make_world()
    parties = [{"code": f"C{n:02d}", "emails": [address(n)]} for n in range(COUNT)]
    customers = await world.sync(new_member_status="subscribed")
    await hooked(world, customers)
    if call is UPDATES:
        await world.sandbox.put(*parties)
        await customers.run()
    await world.sandbox.put(*({**party, "city": "LATEST"} for party in parties))
    run = await slowly(world, call, customers)

    await world.person("unsubscribe", address(0))
    await told(world, address(0))
    assert (await customers.read(run["id"]))["state"] == "running", "the answer came before the webhook"
    await customers.take_in(await customers.ended(run["id"]), is_sure=False)

    assert (await known(world, address(0)))[0] == "unsubscribed"
    assert await mirrored(world, "unsubscribed") == 1
    await world.sandbox.put(*({"code": party["code"], "name": "CHANGED"} for party in parties))
    last = await customers.run(disturbed=True)
    members = await customers.snapshot()
    assert members[address(0)]["status"] == "unsubscribed"
    assert members[address(0)]["merge_fields"]["COMPANY"] != "CHANGED"
    assert last["skipped_by_reason"]["opted_out"] == 1
    assert last["counts"]["updated"] == COUNT - 1


@pytest.mark.parametrize("call", [INSERTS, UPDATES], ids=["a batch of new members", "an update"])
async def test_a_person_erased_while_a_run_carries_them_is_gone_when_it_is_over(
    make_world: MakeWorld, call: tuple[str, str]
) -> None:
    world = await make_world()
    parties = [{"code": f"C{n:02d}", "emails": [address(n)]} for n in range(COUNT)]
    customers = await world.sync(new_member_status="subscribed")
    if call is UPDATES:
        await world.sandbox.put(*parties)
        await customers.run()
    await world.sandbox.put(*({**party, "city": "LATEST"} for party in parties))
    run = await slowly(world, call, customers)

    erasure = await world.call("POST", "erasures", {"email": address(0)}, 202)
    world.forgotten.add(address(0))
    assert (await customers.read(run["id"]))["state"] == "running", "the run was over before the erasure began"
    await customers.ended(run["id"])
    deadline = time.monotonic() + 60
    while (found := await world.call("GET", f"erasures/{erasure['id']}"))["state"] != "done":
        assert time.monotonic() < deadline, (found, world.plant.logs())
        await asyncio.sleep(0.2)

    assert address(0) not in await customers.snapshot()
    await world.sandbox.put({"code": "C00", "name": "CHANGED"})
    for mode in ("delta", "full"):
        last = await customers.ended((await customers.start(mode))["id"])
        await customers.check_books(last)
        assert last["skipped_by_reason"]["forgotten"] == 1
        assert address(0) not in await customers.snapshot()
    kept = (await customers.records())["C00"]
    assert (kept["state"], kept["reason"], kept["email"]) == ("skipped", "forgotten", None)
    assert len([one for one in (await customers.snapshot()).values() if one["status"] == "subscribed"]) == COUNT - 1
    customers.is_settled = False  # the oracle knows of no erasures
