"""Both vendors signed in to by a browser and carried by real workers; access that is taken away, and given again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.sandboxes import Row
from tests.e2e.world import DONE, World

pytestmark = pytest.mark.e2e

SOON_SECONDS = 45.0


async def connect(world: World, **x3_settings: Any) -> None:
    """Connections of both OAuth kinds, which nobody has signed in to."""
    x3, mailchimp = world.sandbox.at_x3, world.sandbox.at_mailchimp
    await world.connect(
        "x3", verify=False, system="sage_x3", kind="graphql_oauth", url=x3["gateway_url"],
        settings={"customer_url": "https://x3.acme.test", "request_timeout_seconds": 5, **x3_settings},
        credential={"client_id": x3["client_id"], "client_secret": x3["client_secret"]},
    )  # fmt: skip
    await world.connect(
        "mailchimp", verify=False, system="mailchimp", kind="oauth",
        settings={"base_url": mailchimp["base_url"], "oauth_base_url": mailchimp["oauth_base_url"]},
        credential={"client_id": mailchimp["client_id"], "client_secret": mailchimp["client_secret"]},
    )  # fmt: skip


async def authorize(world: World, name: str) -> str:
    begun = await world.call("POST", f"connections/{world.connections[name]}/authorize")
    return str(begun["authorize_url"])


async def sign_in(world: World, name: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=60) as browser:
        return await browser.get(await authorize(world, name), headers={"accept": "text/html"})


async def connection(world: World, name: str) -> Row:
    found: Row = await world.call("GET", f"connections/{world.connections[name]}")
    return found


async def soon(look: Callable[[], Awaitable[Any]], what: str) -> Any:
    deadline = time.monotonic() + SOON_SECONDS
    while not (found := await look()):
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)
    return found


async def test_access_revoked_in_mid_run_pauses_and_a_new_sign_in_lets_it_catch_up(make_world: MakeWorld) -> None:
    world = await make_world(customers=150)
    await connect(world, page_size=10)
    for name in ("x3", "mailchimp"):
        page = await sign_in(world, name)
        assert "is connected" in page.text
        assert page.headers["content-type"].startswith("text/html")
    carrier = await world.sync()
    await world.x3.settings(access_token_seconds=3, page_latency_seconds=0.25)
    refreshed = (await world.x3.stats())["requests"].get("token.refresh_token", 0)
    run = await carrier.start("full")
    await carrier.until(run["id"], lambda now: now["counts"]["read"] > 0)
    await world.x3.call("POST", "revoke")

    failed = await carrier.ended(run["id"])

    sentence = "Sage X3 no longer accepts our access (Pairing request not found); authorise the connection again."
    assert (failed["state"], failed["reason"]) == ("failed", sentence)
    await carrier.interrupted(failed)
    paused, cut_off = await carrier.reread(), await connection(world, "x3")
    assert (paused["state"], paused["state_reason"]) == ("needs_attention", sentence)
    assert (cut_off["state"], cut_off["state_reason"]) == ("needs_authorization", sentence)
    asked = (await world.x3.stats())["requests"]
    assert asked["token.refresh_token"] - refreshed <= 4  # a renewal each three seconds, and one refusal
    await asyncio.sleep(2)  # sweepers and tending come by several times
    assert (await world.x3.stats())["requests"] == asked  # and nobody asks Sage any more

    await world.x3.settings(page_latency_seconds=0)
    before = await carrier.snapshot()
    await sign_in(world, "x3")

    async def caught_up() -> Row | None:
        newest: Row = (await world.items("runs", sync_id=carrier.id))[0]
        return newest if newest["id"] != run["id"] and newest["state"] in DONE else None

    done = await soon(caught_up, "no run came by itself")
    assert done["trigger"] == "schedule"
    await carrier.check(done, before, disturbed=True)
    assert (await carrier.reread())["state"] == "active"
    assert (await connection(world, "x3"))["state"] == "ok"


async def test_an_approval_that_comes_later_is_taken_up_by_a_worker(make_world: MakeWorld) -> None:
    world = await make_world(customers=5)
    await connect(world)
    await world.x3.settings(approval="later", callback="post_json")
    url = await authorize(world, "x3")
    async with httpx.AsyncClient(trust_env=False, timeout=60) as browser:
        await browser.get(url)
        code = (await world.x3.call("GET", "pairings"))[-1]["code"]
        fields = {"state": parse_qs(urlsplit(url).query)["state"][0], "authorizationCode": code}
        answer = await browser.get(f"{world.plant.system.api_url}/oauth/callback/sage-x3", params=fields)
        assert (answer.status_code, answer.json()["status"]) == (202, "waiting")
        # The sandbox brings the code to the callback once more when it approves; it is answered already.
        await browser.post(f"{world.sandbox.at_x3['url']}/_sandbox/approve", json={})

    async def is_ok() -> bool:
        return bool((await connection(world, "x3"))["state"] == "ok")

    assert await soon(is_ok, "no worker took the approval up")
    secrets = (fields["state"], code, "authorizationCode=")
    assert [secret for secret in secrets if secret in world.plant.logs()] == []
