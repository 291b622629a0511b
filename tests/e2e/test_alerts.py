"""Running workers tell a receiver what needs somebody, once, signed, and what is over."""

import asyncio
import time

import pytest

from tests.e2e.world import World
from tests.integration.alerts.receiver import Receiver, receiving

pytestmark = pytest.mark.e2e

SOON_SECONDS = 60.0


async def told(receiver: Receiver, count: int) -> list[tuple[str, str]]:
    """What has arrived, once it is so much and nothing more has come for a while."""
    deadline = time.monotonic() + SOON_SECONDS
    while len(receiver.deliveries) < count:
        assert time.monotonic() < deadline, receiver.told
        await asyncio.sleep(0.1)
    await asyncio.sleep(4)  # longer than the workers wait between two looks into the outbox
    return sorted(receiver.told)


async def test_a_revoked_key_is_told_by_running_workers_and_so_is_its_end(world: World) -> None:
    sync = await world.sync()
    at = f"connections/{world.connections['mailchimp']}/credential"
    async with receiving() as receiver:
        body = {"kind": "webhook", "name": "On call", "url": receiver.url}
        channel = await world.call("POST", "alert-channels", body, 201)
        await world.call("PUT", at, {"api_key": f"{'0' * 32}-us6"})
        await sync.fails("full")
        trouble = [("run.failed", "opened"), ("sync.needs_attention", "opened")]
        assert await told(receiver, 2) == trouble

        await world.call("PUT", at, {"api_key": world.sandbox.at_mailchimp["api_key"]})
        await sync.run("full")

        over = [("run.failed", "resolved"), ("sync.needs_attention", "resolved")]
        assert await told(receiver, 4) == sorted([*trouble, *over])
        assert all(each.proven_by(channel["secret"]) for each in receiver.deliveries)
        assert len({each.id for each in receiver.deliveries}) == 4
    assert await world.items("alerts", state="open") == []
    assert channel["secret"] not in world.plant.logs()
