"""Alerts in the console: who is told, a test message, what arrived and what did not; added by the keyboard alone."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.e2e.browsing import Visitor, chromium, visiting
from tests.e2e.conftest import MakeWorld
from tests.e2e.world import World
from tests.integration.alerts.receiver import Receiver, receiving

pytestmark = pytest.mark.e2e


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


def home(world: World) -> str:
    return "/console/t/" + world.tenant.rpartition("/")[2]


async def test_an_alert_and_every_message_about_it(make_world: MakeWorld, browser: Browser, receiver: Receiver) -> None:
    world = await make_world(customers=12)
    gone = {"kind": "webhook", "name": "Old pager", "url": receiver.url.replace("127.0.0.1", "127.0.0.2")}
    await world.call("POST", "alert-channels", {**gone, "events": ["run.halted"]}, 201)
    await world.call("POST", "alert-channels", {"kind": "webhook", "name": "On call", "url": receiver.url}, 201)
    carrier = await world.sync(brake={"max_new": 3, "max_inactive_percent": None})
    run = await carrier.ended((await carrier.start("full"))["id"])
    async with visiting(browser, world.plant.system.api_url) as visitor:
        visitor.page.on("dialog", lambda dialog: dialog.accept())
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.heading("Tenants")
        await until_told(visitor, world)
        await visitor.reads("next try")
        await visitor.examine("alerts", dark_picture=True)
        assert (
            await visitor.page.get_by_role("row", name="Run halted by its brake").get_by_role("listitem").count() == 2
        )

        await visitor.follow("Old pager")
        await visitor.heading("Old pager")
        await visitor.fill("Address", receiver.url)
        await visitor.press("Save")
        await visitor.reads("Saved.")
        await visitor.press("Send a test message")
        await visitor.reads("The test message has arrived")
        await visitor.examine("alert-channel")
        await visitor.press("New secret")
        secret = await visitor.page.locator("#new-secret").inner_text()
        assert secret.startswith("whsec_")
        await visitor.go(visitor.page.url.removeprefix(visitor.base).removesuffix("/rotate"))
        await visitor.heading("Old pager")
        assert secret not in await visitor.page.content()
        assert ("alerts.test", "test") in receiver.told

        await world.call("POST", f"runs/{run['id']}/cancel", status=202)
        await carrier.until(run["id"], lambda now: now["state"] == "cancelled")
        await carrier.interrupted(await carrier.read(run["id"]))
        await visitor.go(f"{home(world)}/alerts?state=open")
        for _ in range(200):
            if await visitor.page.get_by_text("Nothing needs you").count():
                break
            await visitor.page.wait_for_timeout(300)
            await visitor.page.reload()
        await visitor.reads("Nothing needs you")
        await visitor.page.get_by_label("State").select_option("resolved")
        await visitor.page.get_by_role("row", name="Run halted by its brake").get_by_text("Over", exact=True).wait_for()


async def until_told(visitor: Visitor, world: World) -> None:
    """One message has arrived, the other is being tried."""
    for _ in range(200):
        await visitor.go(f"{home(world)}/alerts")
        told = visitor.page.get_by_role("listitem").filter(has_text="told that it began")
        if await told.filter(has_text="Delivered").count() and await told.filter(has_text="next try").count():
            return
        await visitor.page.wait_for_timeout(300)


async def test_a_channel_is_added_and_tried_by_the_keyboard_alone(
    world: World, browser: Browser, receiver: Receiver
) -> None:
    """Every stop on the way has a name that is read out and an outline that is seen."""
    async with visiting(browser, world.plant.system.api_url) as visitor:
        keyboard = visitor.page.keyboard
        await visitor.go("/console/sign-in")
        await keyboard.type(world.plant.system.operator_key)
        await keyboard.press("Enter")
        await visitor.heading("Tenants")
        await visitor.go(home(world))
        await visitor.tab_to("Alerts")
        await keyboard.press("Enter")
        await visitor.heading("Alerts")
        await visitor.tab_to("Add a webhook channel")
        await keyboard.press("Enter")
        await visitor.heading("New webhook channel")
        await visitor.tab_to("Name")
        await keyboard.type("On call")
        await keyboard.press("Tab")
        await keyboard.type("nowhere")
        await visitor.tab_to("Late after so many schedules (optional)")
        await keyboard.press("Control+A")
        await keyboard.type("often")
        await visitor.tab_to("Address", back=True)
        await keyboard.press("Control+A")
        await keyboard.type(receiver.url)
        await keyboard.press("Enter")
        await visitor.page.get_by_role("alert").wait_for()
        assert "often" in [await each.input_value() for each in await visitor.page.locator("input").all()]
        await visitor.examine("alert-channel-refused")
        await visitor.tab_to("Late after so many schedules (optional)")
        await keyboard.press("Control+A")
        await keyboard.type("2")
        await visitor.tab_to("Add the channel")
        await keyboard.press("Space")
        await visitor.heading("On call")
        await visitor.tab_to("Send a test message")
        await keyboard.press("Enter")
        await visitor.reads("The test message has arrived")
    channel = (await world.items("alert-channels"))[0]
    assert (channel["name"], channel["thresholds"]["freshness_factor"], channel["state"]) == ("On call", 2.0, "ok")
