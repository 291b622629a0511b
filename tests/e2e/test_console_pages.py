"""Every page of the console over real data: usable by everybody, in light and dark, wide and narrow, and true."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.e2e.browsing import PICTURES, Visitor, chromium, visiting
from tests.e2e.conftest import MakeWorld
from tests.e2e.world import Carrier, World

pytestmark = pytest.mark.e2e

Row = dict[str, Any]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


async def filled(make_world: MakeWorld) -> tuple[World, Carrier]:
    """A tenant whose customers are in an audience but for those that cannot be."""
    world = await make_world(customers=60, suppliers=3)
    await world.sandbox.put({"code": "BAD", "name": "Bad & Sons", "emails": ["not an address"], "country": "FR"})
    carrier = await world.sync(name="customers to newsletter", mapping={"name": "customers to members"})
    await carrier.run("full")
    return world, carrier


def home(world: World) -> str:
    return "/console/t/" + world.tenant.rpartition("/")[2]


async def look(visitor: Visitor, world: World, path: str, name: str) -> None:
    """One page: right for everybody, every control to be reached by keyboard, and no wider than a telephone."""
    await visitor.go(home(world) + path)
    await visitor.examine(name)
    assert await visitor.walk() > 10
    await narrow(visitor, name)


async def narrow(visitor: Visitor, name: str) -> None:
    await visitor.page.set_viewport_size({"width": 400, "height": 800})
    over = await visitor.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0, f"{name} is {over} pixels too wide"
    await visitor.page.set_viewport_size({"width": 1200, "height": 800})


async def test_every_page_is_for_everybody(make_world: MakeWorld, browser: Browser) -> None:
    world, carrier = await filled(make_world)
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.heading("Tenants")
        for path, name in (
            ("", "overview-of-a-tenant"),
            ("/syncs", "syncs"),
            (f"/syncs/{carrier.id}", "sync"),
            ("/runs", "runs"),
            ("/alerts", "alerts-none"),
            ("/alerts/channels/new?kind=webhook", "alert-channel-new"),
            ("/alerts/channels/new?kind=email", "alert-channel-new-email"),
            ("/records", "records"),
            ("/dead-letters", "dead-letters"),
            ("/consent", "consent-search"),
            ("/connections", "connections"),
            ("/connections/new?system=sage_x3&kind=graphql_oauth", "connection-new"),
            ("/mappings", "mappings"),
            ("/audit", "audit"),
            ("/keys", "keys"),
            ("/set-up", "guide"),
        ):
            await look(visitor, world, path, name)


async def test_a_run_is_watched_while_it_works(make_world: MakeWorld, browser: Browser) -> None:
    """Numbers, bar and chart move by themselves, and are read out; in the end the page says what is final."""
    world = await make_world(customers=1200, x3_settings={"page_size": 50, "max_concurrency": 1})
    await world.x3.settings(page_latency_seconds=0.12)
    carrier = await world.sync(name="customers to newsletter", mapping={"name": "customers to members"})
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.heading("Tenants")
        await visitor.go(f"{home(world)}/syncs/{carrier.id}")
        await visitor.page.locator("input[name=mode][value=full]").check()
        await visitor.press("Start")
        await visitor.page.locator("#run[data-follow] svg.chart").wait_for(timeout=60_000)
        seen = {await visitor.tile("Read")}
        for _ in range(600):
            if not await visitor.page.locator("#run[data-follow]").count():
                break
            seen.add(await visitor.tile("Read"))
            await visitor.page.wait_for_timeout(100)
        run = await carrier.ended(re.findall(r"/runs/([0-9a-f-]{36})", visitor.page.url)[0])
        assert len(seen) > 3, seen
        assert await visitor.tile("Read") == run["counts"]["read"] == 1200
        assert await visitor.page.locator("svg.chart").count() == 1
        await visitor.examine("run-of-many")
        if PICTURES:
            await visitor.picture("console", tallest=860)
        await carrier.check(run, {})


async def test_a_ping_shows_each_check(make_world: MakeWorld, browser: Browser) -> None:
    world = await make_world(customers=60)
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.go(f"{home(world)}/connections/{world.connections['x3']}")
        await visitor.press("Ping")
        await visitor.reads("It works")
        checks = visitor.page.locator("#checks li")
        assert await checks.count() == len(
            (await world.call("POST", f"connections/{world.connections['x3']}/verify"))["checks"]
        )
        await visitor.examine("connection-ping")

        await world.sandbox.x3.fault("unavailable", count=None)
        await visitor.press("Ping")
        await visitor.reads("It does not work yet")
        await visitor.examine("connection-ping-refused")
        await world.sandbox.x3.no_faults()


async def test_a_record_is_explained(make_world: MakeWorld, browser: Browser) -> None:
    """By code and by address: why it is in the audience or not, field by field, and what X3 says now."""
    world, carrier = await filled(make_world)
    records = await carrier.records()
    carried = next(record for record in records.values() if record["state"] == "synced")
    await world.sandbox.put({"code": carried["code"], "city": "TURIN"})
    await world.person("unsubscribe", carried["email"])
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.go(f"{home(world)}/records")
        await visitor.fill("Customer code or e-mail address", carried["email"])
        await visitor.press("Explain")
        await visitor.heading(f"{carried['code']} in {carrier.sync['name']}")
        assert carried["email"] not in visitor.page.url
        await visitor.reads("It is carried into the audience.")
        await visitor.press("Look at X3 now")
        row = visitor.page.get_by_role("row", name="CITY")
        await row.get_by_text("differs").wait_for()
        assert await row.get_by_text("TURIN").count() == 1
        await visitor.examine("record")
        await narrow(visitor, "record")

        await visitor.go(f"{home(world)}/records")
        await visitor.fill("Customer code or e-mail address", "BAD")
        await visitor.press("Explain")
        await visitor.reads("It was refused.")
        await visitor.examine("record-refused")

        await visitor.go(f"{home(world)}/records")
        await visitor.fill("Customer code or e-mail address", "NOSUCH")
        await visitor.press("Explain")
        await visitor.reads("No run has seen a record of this code")
        await visitor.page.get_by_role("link", name=f"with the sync {carrier.sync['name']}").click()
        await visitor.press("Look at X3 now")
        await visitor.reads("X3 has no record of this code.")
    await carrier.run("delta")


async def test_dead_letters_get_another_chance_together(make_world: MakeWorld, browser: Browser) -> None:
    world, carrier = await filled(make_world)
    letters = await carrier.letters(state="open")
    assert "BAD" in {letter["code"] for letter in letters}
    await world.sandbox.put({"code": "BAD", "emails": ["good@acme.test"]})
    async with visiting(browser, world.plant.system.api_url) as visitor:
        visitor.page.on("dialog", lambda dialog: dialog.accept())
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.go(f"{home(world)}/dead-letters")
        assert await visitor.page.locator("tbody tr").count() == len(letters)
        await visitor.press("Replay them in one run")
        await visitor.page.locator("#run:not([data-follow])").wait_for(timeout=60_000)
        run = await carrier.ended(re.findall(r"/runs/([0-9a-f-]{36})", visitor.page.url)[0])
        await visitor.page.reload()
        assert (run["mode"], run["counts"]["created"]) == ("replay", 1)
        assert await visitor.tile("Added") == 1
        await carrier.interrupted(run)

        await visitor.go(f"{home(world)}/dead-letters")
        left = await visitor.page.locator("tbody tr").count()
        assert left == len(letters) - 1
        if left:
            await visitor.page.get_by_role("button", name="Dismiss").first.click()
            await visitor.reads("The dead letter is dismissed.")
    assert len(await carrier.letters(state="open")) == max(0, left - 1)


async def test_what_people_do_at_mailchimp_is_seen_and_kept(make_world: MakeWorld, browser: Browser) -> None:
    """A webhook is registered, an unsubscription comes in, the consent of the person tells it, the chain holds."""
    world, carrier = await filled(make_world)
    person = next(record for record in (await carrier.records()).values() if record["state"] == "synced")
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.go(f"{home(world)}/webhooks")
        await visitor.press("Register")
        shown = await visitor.page.locator("pre").first.inner_text()
        assert "/hooks/mailchimp/" in shown
        await world.person("unsubscribe", person["email"])
        for _ in range(100):
            await visitor.go(f"{home(world)}/webhooks")
            if await visitor.page.get_by_text("Taken over").count():
                break
            await visitor.page.wait_for_timeout(100)
        await visitor.reads("Taken over")
        assert shown.rpartition("/")[2] not in await visitor.page.content()
        await visitor.examine("webhooks")
        await narrow(visitor, "webhooks")

        await visitor.go(f"{home(world)}/consent")
        await visitor.fill("E-mail address", person["email"])
        await visitor.press("Show")
        await visitor.reads("told by Mailchimp's webhook")
        assert person["email"].partition("@")[0] not in visitor.page.url
        await visitor.examine("consent")
        await narrow(visitor, "consent")

        await visitor.go(f"{home(world)}/audit")
        await visitor.press("Check the chain")
        await visitor.reads("The chain is whole")
        await visitor.fill("Action", "webhook.unsubscribe")
        await visitor.press("Search")
        await visitor.page.locator("tbody tr").first.wait_for()
        assert await visitor.page.locator("tbody tr").count() == 1
        await visitor.examine("audit-search")


async def test_everything_works_without_scripts(make_world: MakeWorld, browser: Browser) -> None:
    world, carrier = await filled(make_world)
    async with visiting(browser, world.plant.system.api_url, java_script_enabled=False) as visitor:
        await visitor.sign_in(world.plant.system.operator_key)
        await visitor.heading("Tenants")
        await visitor.go(f"{home(world)}/connections/{world.connections['mailchimp']}")
        await visitor.press("Ping")
        await visitor.reads("It works")
        await visitor.go(f"{home(world)}/mappings/{carrier.mapping['id']}")
        await visitor.page.locator("#f0x").fill("upper")
        await visitor.page.get_by_role("button", name="Preview").last.click()
        await visitor.page.locator("article.preview").first.wait_for()
        assert await visitor.page.locator("#f0x").input_value() == "upper"
        await visitor.go(f"{home(world)}/syncs/{carrier.id}")
        await visitor.page.get_by_label("Dry run").check()
        await visitor.press("Start")
        await visitor.heading(f"Dry run of {carrier.sync['name']}")
        run = await carrier.ended(re.findall(r"/runs/([0-9a-f-]{36})", visitor.page.url)[0])
        await visitor.page.reload()
        assert await visitor.tile("Read") == run["counts"]["read"]


async def test_the_keyboard_is_enough(world: World, browser: Browser) -> None:
    """The key's field has the focus, Enter signs in, the first stop of each page leads past what repeats."""
    async with visiting(browser, world.plant.system.api_url) as visitor:
        await visitor.go("/console/sign-in")
        await visitor.page.keyboard.type(world.plant.system.operator_key)
        await visitor.page.keyboard.press("Enter")
        await visitor.heading("Tenants")
        await visitor.go(home(world))
        await visitor.page.keyboard.press("Tab")
        assert await focused(visitor) == "Skip to the content"
        await visitor.page.keyboard.press("Enter")
        assert await visitor.page.evaluate("document.activeElement.id") == "main"
        await visitor.page.keyboard.press("Tab")
        assert await focused(visitor) == "Set up a sync"
        outline = await visitor.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


async def focused(visitor: Visitor) -> str:
    text: str = await visitor.page.evaluate("document.activeElement.textContent.trim()")
    return text
