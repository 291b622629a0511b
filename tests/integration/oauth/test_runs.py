"""Tokens that end in the middle of runs: by their nature, by somebody's will, and what happens afterwards."""

import asyncio
from typing import Any

import pytest

from sandbox.data import CLEAN
from sandbox.server import Options
from sandbox.x3.state import Settings
from tests.integration.oauth.conftest import Stage

pytestmark = pytest.mark.integration

OUTCOMES = ("created", "updated", "unchanged", "skipped", "rejected")


async def two_ends(stage: Stage, **x3: Any) -> tuple[str, str]:
    """Both connections, signed in to."""
    source, target = await stage.connect_x3(**x3), await stage.connect_mailchimp()
    for connection in (source, target):
        await stage.sign_in(connection)
        assert (await stage.connection(connection))["state"] == "ok"
    return source, target


def balanced(run: dict[str, Any]) -> bool:
    return bool(run["counts"]["read"] == sum(run["counts"][name] for name in OUTCOMES))


class TestTokensOfThreeSeconds:
    @pytest.fixture
    def options(self) -> Options:
        x3 = Settings(access_token_seconds=3)
        return Options(customers=120, suppliers=1, invoices=0, shares=CLEAN, x3=x3)

    async def test_a_run_outlives_many_of_them(self, stage: Stage) -> None:
        source, target = await two_ends(stage, settings={"page_size": 10})
        sync = await stage.sync(source, target)
        await stage.x3("PATCH", "settings", {"page_latency_seconds": 0.5})
        before = await stage.asked("token.refresh_token")

        run = await stage.work(await stage.start(sync["id"]))

        assert run["state"] == "succeeded", run
        assert run["counts"]["read"] == run["counts"]["created"] == 120
        refreshes = await stage.asked("token.refresh_token") - before
        assert 2 <= refreshes <= 12
        assert (await stage.connection(source))["state"] == "ok"


@pytest.fixture
def options() -> Options:
    return Options(customers=60, suppliers=1, invoices=0, shares=CLEAN)


async def revoked_in_mid_run(stage: Stage, sync: str, revoke: Any) -> dict[str, Any]:
    """A run during which somebody takes our access away."""
    working = asyncio.create_task(stage.work(await stage.start(sync)))
    while not (await stage.mailchimp("GET", "members")).text.strip():
        assert not working.done(), working.result()
        await asyncio.sleep(0.02)
    await revoke()
    return await working


@pytest.mark.parametrize("schedule", [{"kind": "interval", "minutes": 60}, {"kind": "manual"}])
async def test_access_revoked_at_sage_in_mid_run_pauses_and_catches_up_after_a_new_sign_in(
    stage: Stage, schedule: dict[str, Any]
) -> None:
    source, target = await two_ends(stage, settings={"page_size": 5})
    sync = await stage.sync(source, target, schedule=schedule)
    await stage.x3("PATCH", "settings", {"page_latency_seconds": 0.3})
    before = await stage.asked("token.refresh_token")

    run = await revoked_in_mid_run(stage, sync["id"], lambda: stage.x3("POST", "revoke"))

    sentence = "Sage X3 no longer accepts our access (Pairing request not found); authorise the connection again."
    assert (run["state"], run["reason"]) == ("failed", sentence)
    found = await stage.connection(source)
    assert (found["state"], found["state_reason"]) == ("needs_authorization", sentence)
    paused = await stage.read_sync(sync["id"])
    assert (paused["state"], paused["state_reason"], paused["watermark"]) == ("needs_attention", sentence, None)
    assert (await stage.connection(target))["state"] == "ok"
    assert await stage.asked("token.refresh_token") - before == 1  # readers and writers, and one question
    await stage.execute("update sync set next_due_at = now()")
    assert await stage.sweep() == 0  # paused
    later = "null" if schedule["kind"] == "manual" else "now() + interval '1 hour'"
    await stage.execute(f"update sync set next_due_at = {later}")

    await stage.x3("PATCH", "settings", {"page_latency_seconds": 0})
    await stage.sign_in(source)

    assert (await stage.connection(source))["state"] == "ok"
    assert (await stage.read_sync(sync["id"]))["state"] == "active"
    assert await stage.sweep() == 1
    caught_up = await stage.work((await stage.runs(sync["id"]))[0]["id"])
    assert caught_up["state"] == "succeeded"
    assert caught_up["counts"]["read"] == 60
    assert balanced(caught_up)
    assert len((await stage.mailchimp("GET", "members")).text.splitlines()) == 60
    assert await stage.sweep() == 0


async def test_access_revoked_at_mailchimp_in_mid_run_does_the_same_there(stage: Stage) -> None:
    source, target = await two_ends(stage, settings={"page_size": 5})
    sync = await stage.sync(source, target)
    await stage.x3("PATCH", "settings", {"page_latency_seconds": 0.3})
    tokens = set((await stage.mailchimp("GET", "accounts")).json()[0]["api_keys"])
    token = (tokens - {stage.vendors.mailchimp["api_key"]}).pop()

    run = await revoked_in_mid_run(stage, sync["id"], lambda: stage.mailchimp("POST", "revoke", {"credential": token}))

    sentence = "Mailchimp no longer accepts this authorization; sign in at Mailchimp again."
    assert (run["state"], run["reason"]) == ("failed", sentence)
    found = await stage.connection(target)
    assert (found["state"], found["state_reason"]) == ("needs_authorization", sentence)
    assert (await stage.read_sync(sync["id"]))["state"] == "needs_attention"
    assert (await stage.connection(source))["state"] == "ok"

    await stage.sign_in(target)

    assert await stage.sweep() == 1
    caught_up = await stage.work((await stage.runs(sync["id"]))[0]["id"])
    assert caught_up["state"] == "succeeded"
    assert len((await stage.mailchimp("GET", "members")).text.splitlines()) == 60


async def test_other_syncs_of_a_connection_that_waits_for_a_sign_in_ask_nobody(stage: Stage) -> None:
    source, target = await two_ends(stage)
    one = await stage.sync(source, target)
    two = await stage.sync(source, target, name="another")
    await stage.x3("POST", "revoke")
    await stage.work(await stage.start(one["id"]))
    before = (await stage.x3("GET", "stats")).json()["requests"]

    run = await stage.work(await stage.start(two["id"]))

    assert run["state"] == "failed"
    assert "authorise the connection again" in run["reason"]
    assert (await stage.x3("GET", "stats")).json()["requests"] == before
    await stage.sign_in(source)
    assert [(await stage.read_sync(sync["id"]))["state"] for sync in (one, two)] == ["active", "active"]
    assert await stage.sweep() == 2


async def test_a_run_that_held_old_tokens_does_not_spoil_a_new_sign_in(stage: Stage) -> None:
    """A slice began with the old token and is refused after somebody has signed in again."""
    source, target = await two_ends(stage, settings={"page_size": 5})
    sync = await stage.sync(source, target)
    await stage.x3("PATCH", "settings", {"page_latency_seconds": 0.3})
    tokens = set((await stage.mailchimp("GET", "accounts")).json()[0]["api_keys"])
    old = (tokens - {stage.vendors.mailchimp["api_key"]}).pop()

    async def sign_in_and_revoke() -> None:
        await stage.sign_in(target)
        await stage.mailchimp("POST", "revoke", {"credential": old})

    run = await revoked_in_mid_run(stage, sync["id"], sign_in_and_revoke)

    assert run["state"] == "running"
    assert (await stage.connection(target))["state"] == "ok"
    assert (await stage.read_sync(sync["id"]))["state"] == "active"
    await stage.execute("update sync_run set not_before = null")
    assert (await stage.work(run["id"]))["state"] == "succeeded"
