"""OAuth at both ends, clicked: the console, the vendors' own pages that ask, the way back, and access that is lost."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from tests.e2e.browsing import Visitor, chromium, visiting
from tests.e2e.conftest import MakeWorld
from tests.e2e.world import DONE, World

pytestmark = pytest.mark.e2e


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


def home(world: World) -> str:
    return "/console/t/" + world.tenant.rpartition("/")[2]


async def fill_in_x3(visitor: Visitor, world: World) -> None:
    x3 = world.sandbox.at_x3
    await visitor.go(f"{home(world)}/connections/new?system=sage_x3&kind=graphql_oauth")
    await visitor.page.locator("#f-name").fill("X3 cloud")
    await visitor.fill("Region of the gateway", x3["gateway_url"])
    await visitor.fill("Address of your X3", "https://x3.acme.test")
    await visitor.fill("Client ID", x3["client_id"])
    await visitor.fill("Client secret", x3["client_secret"])


async def fill_in_mailchimp(visitor: Visitor, world: World) -> None:
    mailchimp = world.sandbox.at_mailchimp
    await visitor.go(f"{home(world)}/connections/new?system=mailchimp&kind=oauth")
    await visitor.page.locator("#f-name").fill("Mailchimp account")
    await visitor.fill("Client ID", mailchimp["client_id"])
    await visitor.fill("Client secret", mailchimp["client_secret"])
    await visitor.page.get_by_text("Rarely needed").click()
    await visitor.fill("Address of the Marketing API", mailchimp["base_url"])
    await visitor.fill("Address of the sign-in", mailchimp["oauth_base_url"])


async def at_the_vendor(visitor: Visitor, system: str, answer: str) -> Page:
    """Press the vendor's button in the tab that opens; the page where that ends."""
    async with visitor.page.context.expect_page() as opened:
        await visitor.follow(f"Open the sign-in of {system}")
    tab = await opened.value
    await tab.get_by_role("heading", name=f"Sign in at {system}").wait_for()
    await tab.get_by_role("button", name=answer, exact=True).click()
    await tab.wait_for_url("**/oauth/callback/**")
    return tab


async def come_back(visitor: Visitor) -> None:
    """Chromium without a screen has every tab in sight, so that it never tells a page that it is seen again."""
    await visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


async def sign_in(visitor: Visitor, system: str) -> None:
    """From a page with the button to a connection that works."""
    await visitor.page.get_by_role("button", name=re.compile(f"^Sign in at {system}")).first.click()
    tab = await at_the_vendor(visitor, system, "Allow")
    await tab.get_by_role("heading", name="Connected").wait_for()
    await tab.close()
    await come_back(visitor)
    await visitor.page.locator(".head").get_by_text("Works").wait_for()
    assert visitor.page.url.rpartition("/")[0].endswith("/connections")


async def test_both_systems_are_signed_in_to_and_again_when_access_is_lost(
    make_world: MakeWorld, browser: Browser
) -> None:
    world = await make_world(customers=30)
    await world.x3.settings(approval="ask")
    await world.mailchimp.settings(owner_is_asked=True)
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.heading("Tenants")
        for name, system, fill_in in (("x3", "Sage X3", fill_in_x3), ("mailchimp", "Mailchimp", fill_in_mailchimp)):
            await fill_in(visitor, world)
            await visitor.press("Save, then sign in")
            await visitor.reads(f"Sign in at {system} once more")
            await visitor.press(f"Sign in at {system}")
            await visitor.examine(f"connection-sign-in-{name}")
            declined = await at_the_vendor(visitor, system, "Deny")
            await declined.get_by_role("heading", name="Declined").wait_for()
            await declined.close()
            await come_back(visitor)
            await visitor.page.locator(".head").get_by_text("Needs a sign-in").wait_for()

            await sign_in(visitor, system)
            world.connections[name] = visitor.page.url.rpartition("/")[2]
        await lose_and_regain(visitor, world)
        assert not visitor.faults


async def lose_and_regain(visitor: Visitor, world: World) -> None:
    carrier = await world.sync()
    await carrier.run("full")
    await world.x3.call("POST", "revoke")
    await visitor.go(f"{home(world)}/syncs/{carrier.id}")
    await visitor.press("Run now")
    await visitor.page.get_by_role("button", name="Sign in at Sage X3").wait_for()
    await visitor.reads("no longer accepts our access")
    await visitor.examine("run-without-access")
    failed = (await world.items("runs", sync_id=carrier.id))[0]
    assert failed["state"] == "failed"
    await carrier.interrupted(failed)
    before = await carrier.snapshot()
    code = next(iter(await carrier.records()))
    await world.sandbox.put({"code": code, "city": "TURIN"})

    await visitor.follow("Overview")
    await visitor.heading("Overview")
    await visitor.reads("Syncs that wait for it then catch up by themselves.")
    await visitor.examine("overview-without-access")
    await sign_in(visitor, "Sage X3")

    await visitor.go(f"{home(world)}/syncs/{carrier.id}")
    for _ in range(150):
        newest = (await world.items("runs", sync_id=carrier.id))[0]
        if newest["id"] != failed["id"] and newest["state"] in DONE:
            break
        await visitor.page.wait_for_timeout(200)
    assert (newest["trigger"], newest["state"] in DONE) == ("schedule", True)
    await carrier.check(newest, before, disturbed=True)
    await visitor.page.reload()
    assert await visitor.page.locator(".note.bad").count() == 0
