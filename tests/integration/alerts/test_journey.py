"""From a run against both vendors to the receiver, through the worker's own jobs and loops."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisGone

from app.alerts import detecting
from app.sync.opened import Pace
from app.sync.working import Workshop
from tests.fixtures.site import Site
from tests.integration.alerts.receiver import Receiver, receiving
from workers import alerting
from workers.jobs import carry_run

pytestmark = pytest.mark.integration


@pytest.fixture
async def receiver(site: Site) -> AsyncIterator[Receiver]:
    """Of a channel for everything."""
    async with receiving() as found:
        await site.api.made(f"{site.tenant}/alert-channels", {"kind": "webhook", "name": "On call", "url": found.url})
        yield found


@pytest.fixture
async def worker(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """What every worker process does about alerts, but more often."""
    monkeypatch.setattr(alerting, "DELIVER_SECONDS", 0.05)
    settings = site.resources.settings.model_copy(update={"sweep_seconds": 0.3})
    loops = (alerting.watch_for_ever, alerting.deliver_for_ever, alerting.keep_house_for_ever)
    tasks = [asyncio.create_task(loop(settings, site.resources)) for loop in loops]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def customer(code: str, email: str) -> dict[str, Any]:
    return {"code": code, "name": "Person", "emails": [email], "is_active": True}


async def carried(site: Site, sync: str, **given: Any) -> dict[str, Any]:
    """A run as the worker's job takes it up; its row afterwards."""
    run = await site.api.made(f"{site.tenant}/syncs/{sync}/runs", {"mode": "full", **given}, 202)
    return await again(site, run["id"])


async def again(site: Site, run_id: str) -> dict[str, Any]:
    shop = Workshop(site.resources.opener, site.resources.queue, Pace(settle_seconds=0.2))
    await carry_run({"shop": shop, "resources": site.resources}, str(site.tenant_id), run_id)
    found: dict[str, Any] = (await site.api.get(f"{site.tenant}/runs/{run_id}")).json()
    return found


async def told(receiver: Receiver, count: int) -> list[tuple[str, str]]:
    """What arrived, when at least so much has and a while has passed for more."""
    for _ in range(300):
        if len(receiver.deliveries) >= count:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.8)
    return sorted(receiver.told)


async def test_a_revoked_key_is_told_once_and_its_end_too(site: Site, receiver: Receiver, worker: None) -> None:
    sync = await site.sync()
    await site.carry(sync)
    good, bad = {"api_key": site.addresses.mailchimp["api_key"]}, {"api_key": f"{'0' * 32}-us6"}
    at = f"{site.tenant}/connections/{site.connection}"
    await site.api.call("PUT", f"{at}/credential", json=bad)
    for number in range(2):
        await site.customers(customer(f"NEW{number}", f"new{number}@acme.test"))
        assert (await carried(site, sync))["state"] == "failed"
    trouble = [("run.failed", "opened"), ("sync.needs_attention", "opened")]
    assert await told(receiver, 2) == trouble

    await site.api.call("PUT", f"{at}/credential", json=good)  # verified at once, which makes the sync active
    assert (await carried(site, sync))["state"] == "succeeded"

    over = [("run.failed", "resolved"), ("sync.needs_attention", "resolved")]
    assert await told(receiver, 4) == sorted([*trouble, *over])


async def test_the_brake_is_told_and_what_was_decided(site: Site, receiver: Receiver, worker: None) -> None:
    sync = await site.sync(brake={"max_new": 1, "max_inactive_percent": None})
    run = await carried(site, sync)
    assert run["state"] == "halted"
    assert await told(receiver, 1) == [("run.halted", "opened")]
    message = receiver.deliveries[0].message["data"]
    assert message["run_id"] == run["id"]
    assert "this sync allows 1" in message["sentence"]

    await site.api.post(f"{site.tenant}/runs/{run['id']}/approve")
    assert (await again(site, run["id"]))["state"] == "succeeded"

    assert await told(receiver, 2) == [("run.halted", "opened"), ("run.halted", "resolved")]


async def test_many_rejected_records_are_told_and_none_of_them_is_named(
    site: Site, receiver: Receiver, worker: None
) -> None:
    await site.customers(*(customer(f"REJ{n:03}", f"person{n}@example.com") for n in range(12)))  # fake to Mailchimp
    sync = await site.sync()
    run = await carried(site, sync)
    assert run["state"] == "partially_failed", run
    share = run["counts"]["rejected"] / run["counts"]["read"]
    assert share > 0.05

    assert await told(receiver, 1) == [("run.rejections", "opened")]

    body = receiver.deliveries[0].body.decode()
    assert f"{run['counts']['rejected']} of {run['counts']['read']} records" in body
    assert "Person" not in body
    assert "@" not in body


async def test_a_dry_run_that_fails_is_told_to_nobody(site: Site, receiver: Receiver, worker: None) -> None:
    sync = await site.sync(brake={"max_new": 1, "max_inactive_percent": None})
    assert (await carried(site, sync, dry_run=True))["state"] == "succeeded"
    at = f"{site.tenant}/connections/{site.connection}/credential"
    await site.api.call("PUT", at, json={"api_key": f"{'0' * 32}-us6"})
    assert (await carried(site, sync, dry_run=True))["state"] == "failed"

    assert await told(receiver, 0) == []


async def test_a_look_that_fails_at_the_end_of_a_run_costs_time_not_the_run(
    site: Site, receiver: Receiver, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise OSError("the database is gone")

    monkeypatch.setattr(alerting, "look", broken)
    sync = await site.sync(brake={"max_new": 1, "max_inactive_percent": None})

    assert (await carried(site, sync))["state"] == "halted"

    assert await told(receiver, 1) == [("run.halted", "opened")]  # the sweep made up for it


async def test_without_redis_alerts_are_swept_all_the_same(
    site: Site, receiver: Receiver, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any, **__: Any) -> None:
        raise RedisGone("gone")

    monkeypatch.setattr(site.resources.redis, "set", gone)
    sync = await site.sync()
    await site.execute(f"update sync set state = 'needs_attention', state_reason = 'Gone.' where id = '{sync}'")

    assert await told(receiver, 1) == [("sync.needs_attention", "opened")]


async def test_one_of_many_workers_sweeps_at_a_time(
    site: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = 0
    real = detecting.sweep

    async def counted(*given: Any) -> int:
        nonlocal swept
        swept += 1
        return await real(*given)

    monkeypatch.setattr(alerting, "sweep", counted)
    settings = site.resources.settings.model_copy(update={"sweep_seconds": 60})
    tasks = [asyncio.create_task(alerting.watch_for_ever(settings, site.resources)) for _ in range(8)]
    async with asyncio.timeout(60):
        while not swept:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert swept == 1
