"""When something is the matter the page says in one sentence what to do next, and has the button for it."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.e2e.browsing import Visitor, chromium, visiting
from tests.e2e.conftest import MakeWorld
from tests.e2e.world import Carrier, World

pytestmark = pytest.mark.e2e


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


def home(world: World) -> str:
    return "/console/t/" + world.tenant.rpartition("/")[2]


async def overview(visitor: Visitor, world: World) -> None:
    await visitor.go(home(world))
    await visitor.heading("Overview")


async def run_of_this_page(visitor: Visitor, carrier: Carrier) -> None:
    """Follow the run that a button has led to, to its end."""
    await visitor.page.wait_for_url("**/runs/*")
    run = await carrier.ended(re.findall(r"/runs/([0-9a-f-]{36})", visitor.page.url)[0])
    assert run["state"] == "succeeded", run


async def test_x3_is_down(make_world: MakeWorld, browser: Browser) -> None:
    """While it is tried again by itself nobody must do anything; when it was given up, one button tries again."""
    world = await make_world(customers=20)
    carrier = await world.sync()
    await world.x3.fault("unavailable", count=None)
    run = await carrier.start("full")
    await carrier.until(run["id"], lambda now: bool(now["reason"]))
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.heading("Tenants")
        await carrier.until(run["id"], lambda now: now["state"] == "failed", 120)
        await carrier.interrupted(await carrier.read(run["id"]))
        await visitor.go(f"{home(world)}/runs/{run['id']}")
        await visitor.reads("Sage X3 is busy or down")
        await visitor.reads("Try again when the cause is gone.")
        await visitor.examine("run-failed")
        await world.x3.no_faults()

        await overview(visitor, world)
        await visitor.examine("overview-failed")
        await visitor.press(f"Try again now – {carrier.sync['name']}")

        await run_of_this_page(visitor, carrier)


async def test_the_key_of_mailchimp_was_revoked(make_world: MakeWorld, browser: Browser) -> None:
    """From the overview to the form of the connection; saved, it is checked, and what stopped catches up."""
    world = await make_world(customers=20)
    carrier = await world.sync()
    await carrier.run("full")
    key = world.sandbox.at_mailchimp["api_key"]
    at = f"connections/{world.connections['mailchimp']}"
    await world.call("PUT", f"{at}/credential", {"api_key": f"{'0' * 32}-us6"})
    code = next(record["code"] for record in (await carrier.records()).values() if record["state"] == "synced")
    await world.sandbox.put({"code": code, "city": "TURIN"})
    failed = await carrier.fails("delta")
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.heading("Tenants")
        await overview(visitor, world)
        await visitor.reads("Put that right, then ping it again.")
        await visitor.examine("overview-key-revoked")
        await visitor.follow("Change address or credential – Newsletter account")
        await visitor.reads("Put that right, then ping it again.")
        await visitor.fill("API key", key)
        await visitor.press("Save and check")
        await visitor.reads("It works")
        assert key not in await visitor.page.content()
        await visitor.page.locator(".head").get_by_text("Works").wait_for()

        await overview(visitor, world)
        await visitor.page.get_by_role("heading", name="What to do next").wait_for(state="detached")
    assert (await carrier.reread())["state"] == "active"
    newest = failed
    for _ in range(300):
        newest = (await world.items("runs", sync_id=carrier.id))[0]
        if newest["id"] != failed["id"]:
            break
        await asyncio.sleep(0.1)
    caught_up = await carrier.ended(newest["id"])
    assert (caught_up["trigger"], caught_up["state"], caught_up["counts"]["updated"]) == ("schedule", "succeeded", 1)


async def test_a_sync_that_stopped_goes_on_by_a_button(make_world: MakeWorld, browser: Browser) -> None:
    """Its connections work, yet it waits for somebody: the audience had gone and is back."""
    world = await make_world(customers=5)
    carrier = await world.sync()
    statement = "update sync set state = 'needs_attention', state_reason = 'The audience is gone.' where id = $1"
    await world.plant.rows(statement, carrier.id)
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.heading("Tenants")
        await visitor.go(f"{home(world)}/syncs/{carrier.id}")
        await visitor.reads("Put that right, then let the sync go on")
        await visitor.examine("sync-stopped")
        await visitor.press("Let it go on")
        await visitor.reads("The sync goes on.")
    assert (await carrier.reread())["state"] == "active"


async def test_the_brake_was_pulled(make_world: MakeWorld, browser: Browser) -> None:
    """Let go on, from the overview; and another one cancelled, from its own page."""
    world = await make_world(customers=12)
    carrier = await world.sync(brake={"max_new": 3, "max_inactive_percent": None})
    first = await carrier.ended((await carrier.start("full"))["id"])
    assert first["state"] == "halted"
    async with visiting(browser, world.plant.system.api_url) as visitor:
        visitor.page.on("dialog", lambda dialog: dialog.accept())
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.heading("Tenants")
        await visitor.go(f"{home(world)}/runs/{first['id']}")
        await visitor.reads("Nothing is written until somebody decides")
        await visitor.examine("run-halted")
        await visitor.press("Cancel the run")
        await carrier.until(first["id"], lambda now: now["state"] == "cancelled")
        await carrier.interrupted(await carrier.read(first["id"]))
        before = await carrier.snapshot()
        assert before == {}

        second = await carrier.ended((await carrier.start("full"))["id"])
        await overview(visitor, world)
        await visitor.examine("overview-halted")
        await visitor.press(f"Go on in spite of the brake – {carrier.sync['name']}")
        await visitor.reads("The run goes on.")
        await visitor.page.locator("#run:not([data-follow])").wait_for(timeout=60_000)
        done = await carrier.until(second["id"], lambda now: now["state"] in ("succeeded", "partially_failed"))
        assert await visitor.tile("Added") == done["counts"]["created"] > 3
        await carrier.check(done, before)


async def test_a_form_that_may_not_be_used_is_not_shown(make_world: MakeWorld, browser: Browser) -> None:
    """A viewer reads the sentence, and that another key is needed."""
    world = await make_world(customers=12)
    carrier = await world.sync(brake={"max_new": 3, "max_inactive_percent": None})
    run = await carrier.ended((await carrier.start("full"))["id"])
    key = await world.call("POST", "api-keys", {"name": "reader", "role": "viewer"}, 201)
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(key["key"])
        await visitor.heading("Overview")
        await visitor.reads("Nothing is written until somebody decides")
        await visitor.reads("It takes a key with a higher role.")
        assert await visitor.page.get_by_role("button", name=re.compile("Go on")).count() == 0
        await visitor.examine("overview-of-a-viewer")
    await world.call("POST", f"runs/{run['id']}/cancel", status=202)
    await carrier.until(run["id"], lambda now: now["state"] == "cancelled")
