"""The console in a real Chromium: from an empty database to a finished first sync, by hand."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.e2e.browsing import Visitor, chromium, visiting
from tests.e2e.plant import Plant
from tests.e2e.sandboxes import Nursery, Sandbox

pytestmark = pytest.mark.e2e

CUSTOMERS = 300


@pytest.fixture(scope="module")
def house(open_folder: Path) -> Iterator[Plant]:
    """A product of its own, whose database is empty."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("MLC_") and name != "MLC_CONSOLE_PICTURES"]:
        patch.delenv(name)
    with Plant(open_folder / "house", workers=1).running() as running:
        yield running
    patch.undo()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.fixture
def sandbox(nursery: Nursery) -> Iterator[Sandbox]:
    made = nursery.sandbox(customers=CUSTOMERS, suppliers=10, invoices=10)
    yield made
    made.end()


async def test_from_an_empty_database_to_a_finished_first_sync(
    house: Plant, browser: Browser, sandbox: Sandbox
) -> None:
    async with visiting(browser, house.system.api_url) as visitor:
        await enter(visitor, house.system.operator_key)
        await found_a_tenant(visitor)
        await connect(visitor, sandbox)
        await choose(visitor)
        await map_fields(visitor)
        await set_rules(visitor)
        created = await try_it(visitor)
        await begin(visitor)
        await watch_the_first_run(visitor, created)
        await leave(visitor)

    members = await sandbox.members(sandbox.lists[0])
    await sandbox.rest()
    assert len(members) == created > 100
    assert {member["status"] for member in members} == {"transactional"}
    assert any(member["merge_fields"].get("TOWN") for member in members)


async def enter(visitor: Visitor, key: str) -> None:
    """The root leads to the sign-in; a wrong key is told apart from a right one."""
    await visitor.go("/")
    await visitor.heading("Sign in")
    await visitor.fill("API key or operator key", "mlc_not_a_key")
    await visitor.press("Sign in")
    await visitor.reads("This key is not known")
    await visitor.examine("sign-in")
    await visitor.fill("API key or operator key", key)
    await visitor.press("Sign in")
    await visitor.heading("Tenants")
    await visitor.reads("There is no tenant yet.")


async def found_a_tenant(visitor: Visitor) -> None:
    await visitor.fill("Name", "Acme Industries")
    await visitor.fill("Short name", "Not A Slug")
    await visitor.press("Create the tenant")
    await visitor.reads("That did not work")
    await visitor.examine("tenants-refused")
    await visitor.fill("Short name", "acme")
    await visitor.press("Create the tenant")
    await visitor.heading("Connect Sage X3")


async def connect(visitor: Visitor, sandbox: Sandbox) -> None:
    """A wrong secret first: the ping says which check fails, and it is put right on the spot."""
    x3, mailchimp = sandbox.at_x3, sandbox.at_mailchimp
    await visitor.examine("guide-1-x3")
    await visitor.page.locator("#f-name").fill("X3 production")
    await visitor.fill("Address of the API", x3["graphql_url"])
    await visitor.fill("Folder or endpoint", x3["endpoint"])
    await visitor.fill("Client ID", x3["client_id"])
    await visitor.fill("Client secret", "a-wrong-secret-of-at-least-32-characters")
    await visitor.press("Connect and check")
    await visitor.reads("It does not work yet")
    await visitor.examine("guide-1-x3-refused")
    await visitor.fill("Client secret", x3["client_secret"])
    await visitor.press("Save and check")
    await visitor.reads("It works")
    await visitor.examine("guide-1-x3-works")
    await visitor.follow("Continue")

    await visitor.heading("Connect Mailchimp")
    await visitor.page.locator("#f-name").fill("Mailchimp")
    await visitor.page.get_by_label("API key", exact=True).last.fill(mailchimp["api_key"])
    await visitor.page.get_by_text("Rarely needed").click()
    await visitor.fill("Address of the Marketing API", mailchimp["base_url"])
    await visitor.examine("guide-2-mailchimp")
    await visitor.press("Connect and check")
    await visitor.reads("It works")
    await visitor.follow("Continue")


async def choose(visitor: Visitor) -> None:
    await visitor.heading("Choose the audience")
    await visitor.page.locator("input[name=audience]").first.check()
    await visitor.examine("guide-3-audience")
    await visitor.press("Continue")


async def map_fields(visitor: Visitor) -> None:
    """The defaults stand there already, records of X3 are shown at once and again after each change."""
    await visitor.heading("Map the fields")
    preview = visitor.page.locator("#preview")
    await preview.locator("article").first.wait_for()
    assert await preview.get_by_text("Would be added").count() > 0
    await visitor.examine("guide-4-mapping", dark_picture=True)

    targets = visitor.page.locator("[data-target]")
    filled = [await targets.nth(n).input_value() != "" for n in range(await targets.count())]
    row = visitor.page.locator("table.rules tbody tr").nth(filled.index(False))
    await row.locator("[data-target]").select_option("+")
    await row.locator("[data-new]").fill("TOWN")
    await row.locator("[data-source]").select_option("default_address.city")
    await row.locator("input[name$=transforms]").fill("title")
    await row.locator("input[name$=transforms]").blur()
    await preview.get_by_text("TOWN").first.wait_for()

    await row.locator("input[name$=transforms]").fill("shout")
    await row.locator("input[name$=transforms]").blur()
    await preview.get_by_role("alert").wait_for()
    await row.locator("input[name$=transforms]").fill("title")
    await row.locator("input[name$=transforms]").blur()
    await preview.locator("article").first.wait_for()
    await visitor.press("Continue")


async def set_rules(visitor: Visitor) -> None:
    await visitor.heading("Set the rules")
    await visitor.examine("guide-5-rules")
    await visitor.page.get_by_label("Non-subscribed").check()
    await visitor.press("Save and start a dry run")
    await visitor.heading("Dry run")


async def try_it(visitor: Visitor) -> int:
    """Counts and samples; nothing is written."""
    await visitor.reads("The dry run is complete", seconds=60)
    read, created = await visitor.tile("Read"), await visitor.tile("Would be added")
    assert read == CUSTOMERS
    assert created > 100
    row = visitor.page.get_by_role("row", name="Would be added").first
    await row.get_by_text("fields").click()
    await row.get_by_text("COMPANY").wait_for()
    await visitor.examine("guide-6-dry-run")
    await visitor.follow("Continue to the schedule")
    return created


async def begin(visitor: Visitor) -> None:
    await visitor.heading("Schedule and first run")
    await visitor.page.get_by_label("Every day").check()
    await visitor.fill("Time of the day", "03:15")
    await visitor.examine("guide-7-schedule")
    await visitor.press("Set the schedule and start the first run")


async def watch_the_first_run(visitor: Visitor, created: int) -> None:
    """It moves by itself and comes to the end that the dry run promised."""
    await visitor.heading("Run of customers to Mailchimp")
    await visitor.page.locator("#run:not([data-follow])").wait_for(timeout=90_000)
    assert await visitor.tile("Added") == created
    assert await visitor.page.locator("svg.chart").count() == 1
    await visitor.reads("Left out, by reason")
    await visitor.page.reload()
    await visitor.examine("run", dark_picture=True)
    await visitor.follow("Overview")
    await visitor.heading("Overview")
    await visitor.reads("Some records refused" if await visitor.tile("Open dead letters") else "Healthy")
    await visitor.examine("overview", dark_picture=True)
    await visitor.follow("All tenants")
    await visitor.heading("Tenants")
    await visitor.examine("tenants")


async def leave(visitor: Visitor) -> None:
    """Signed out here is signed out everywhere."""
    cookies = await visitor.page.context.cookies()
    session = next(cookie for cookie in cookies if cookie.get("name") == "mlc_session")
    assert (session.get("httpOnly"), session.get("sameSite")) == (True, "Strict")
    await visitor.press("Sign out")
    await visitor.reads("You are signed out.")
    await visitor.page.context.add_cookies([session])  # type: ignore[list-item]  # as it was given to us
    await visitor.go("/console/")
    await visitor.heading("Sign in")
