"""Alerts follow the present state of syncs, runs and connections, and each change is told once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from app.alerts.detecting import sweep
from app.db import alerts
from app.db.base import models_loaded
from tests.integration.alerts.conftest import PUBLIC, Scene, minutes_ago
from tests.integration.api.conftest import Api
from tests.integration.api.objects import furnish

pytestmark = pytest.mark.integration
TABLES = {"alert", "alert_channel", "alert_delivery"}


async def test_the_migration_makes_what_the_models_say(database_url: str) -> None:
    models_loaded()
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://", 1))

    def compare(connection: Any) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = map(repr, compare_metadata(context, SQLModel.metadata))
        names = [form.format(table) for table in TABLES for form in ("'{}'", "<{}>")]
        return [one for one in found if any(name in one for name in names) or "active_since" in one]

    async with engine.connect() as connection:
        assert await connection.run_sync(compare) == []
    await engine.dispose()


async def test_a_failed_run_is_told_once_however_often_somebody_looks(scene: Scene) -> None:
    channel = await scene.channel()
    run = await scene.run("failed", reason="The key was revoked.")

    for _ in range(3):
        await scene.look()
        await sweep(scene.resources.database, PUBLIC)

    assert await scene.told(channel) == [("run.failed", "opened")]
    (row,) = await scene.fetch("select * from alert_delivery")
    assert row["message"]["data"] == {
        "tenant_id": str(scene.tenant_id),
        "alert_id": str(row["alert_id"]),
        "state": "opened",
        "sentence": 'The last run of "customers to newsletter" failed: The key was revoked.',
        "sync_id": str(scene.sync),
        "sync_name": "customers to newsletter",
        "connection_id": None,
        "connection_name": None,
        "run_id": str(run),
        "links": {
            "alert": f"{PUBLIC}{scene.tenant}/alerts/{row['alert_id']}",
            "sync": f"{PUBLIC}{scene.tenant}/syncs/{scene.sync}",
            "run": f"{PUBLIC}{scene.tenant}/runs/{run}",
        },
    }


async def test_more_failures_are_the_same_alert_and_a_success_ends_it(scene: Scene) -> None:
    channel = await scene.channel()
    for number in range(3):
        await scene.run("failed", reason=f"Failure {number}.")
        await scene.look()
    (alert,) = (await scene.fetch("select sentence from alert"))[0]
    assert alert.endswith("Failure 2.")
    await scene.run("cancelled")
    await scene.look()
    assert await scene.alerts() == [("run.failed", "open")]  # a cancelled run proves nothing

    await scene.run("succeeded")
    for _ in range(2):
        await scene.look()

    assert await scene.alerts() == [("run.failed", "resolved")]
    assert await scene.told(channel) == [("run.failed", "opened"), ("run.failed", "resolved")]
    await scene.run("failed")
    await scene.look()
    assert (await scene.told(channel))[2:] == [("run.failed", "opened")]


async def test_a_dry_run_is_nobodys_business(scene: Scene) -> None:
    await scene.channel()
    run = await scene.run("failed", dry_run=True)
    await scene.run("partially_failed", dry_run=True, n_read=100, n_rejected=100)
    await scene.dead_letter(run)

    assert await scene.look() == 0
    assert await scene.alerts() == []


async def test_a_sync_that_stopped_is_told_until_it_is_resumed(scene: Scene) -> None:
    channel = await scene.channel("sync.needs_attention")
    await scene.set_sync(state="needs_attention", state_reason="The audience\nis gone.")
    await scene.look()
    assert (await scene.fetch("select sentence from alert"))[0][0].endswith("The audience is gone.")

    await scene.api.post(f"{scene.tenant}/syncs/{scene.sync}/resume")
    await scene.look()

    assert await scene.told(channel) == [("sync.needs_attention", "opened"), ("sync.needs_attention", "resolved")]


async def test_a_paused_sync_is_no_longer_watched(scene: Scene) -> None:
    await scene.run("failed")
    await scene.look()
    await scene.api.post(f"{scene.tenant}/syncs/{scene.sync}/pause")

    await scene.look()

    (row,) = await scene.fetch("select state, sentence from alert")
    assert row["state"] == "resolved"
    assert "no longer watched" in row["sentence"]


async def test_the_share_of_rejected_records_of_the_newest_weighty_run_counts(scene: Scene) -> None:
    channel = await scene.channel("run.rejections")
    bad = await scene.run("partially_failed", n_read=100, n_rejected=6)
    await scene.dead_letter(bad)
    await scene.look()
    assert await scene.told(channel) == [("run.rejections", "opened")]

    for _ in range(60):
        await scene.run("succeeded", n_read=3)
    await scene.run("partially_failed", n_read=50, n_rejected=50, codes=["C1"], mode="replay")
    assert await scene.look() == 0  # too few, or chosen: they say nothing about the sync

    await scene.run("partially_failed", n_read=100, n_rejected=5)
    await scene.look()
    assert await scene.told(channel) == [("run.rejections", "opened"), ("run.rejections", "resolved")]


async def test_healed_or_dismissed_dead_letters_end_the_alert(scene: Scene) -> None:
    bad = await scene.run("partially_failed", n_read=100, n_rejected=60)
    await scene.dead_letter(bad)
    await scene.look()
    assert ("run.rejections", "open") in await scene.alerts()

    await scene.execute("update dead_letter set state = 'dismissed' where tenant_id = $1")
    await scene.look()

    assert ("run.rejections", "resolved") in await scene.alerts()


async def test_the_brake_is_told_per_run_and_ends_with_the_decision(scene: Scene) -> None:
    channel = await scene.channel("run.halted")
    run = await scene.run("halted", reason="The run would create 900 members; this sync allows 10.")
    await scene.look()

    await scene.api.post(f"{scene.tenant}/runs/{run}/cancel")
    await scene.look()

    assert await scene.told(channel) == [("run.halted", "opened"), ("run.halted", "resolved")]


async def test_a_sync_is_late_after_three_times_its_pause(scene: Scene) -> None:
    await scene.schedule(kind="interval", minutes=15)
    await scene.run("succeeded")
    await scene.set_sync(last_success_at=minutes_ago(44), created_at=minutes_ago(10_000))
    assert await scene.look() == 0

    await scene.set_sync(last_success_at=minutes_ago(46))
    await scene.look()
    assert await scene.alerts() == [("sync.stale", "open")]

    await scene.run("succeeded")
    await scene.look()
    assert await scene.alerts() == [("sync.stale", "resolved")]


async def test_a_sync_that_was_resumed_or_rescheduled_gets_its_time(scene: Scene) -> None:
    await scene.schedule(kind="interval", minutes=15)
    await scene.set_sync(created_at=minutes_ago(10_000), last_success_at=minutes_ago(5_000))
    path = f"{scene.tenant}/syncs/{scene.sync}"
    await scene.api.post(f"{path}/pause")
    await scene.api.post(f"{path}/resume")
    assert await scene.look() == 0
    await scene.set_sync(active_since=minutes_ago(5_000))
    body = {"schedule": {"kind": "interval", "minutes": 20}}
    assert (await scene.api.call("PATCH", path, json=body)).status_code == 200
    assert await scene.look() == 0

    await scene.set_sync(active_since=minutes_ago(61))
    await scene.look()
    assert await scene.alerts() == [("sync.stale", "open")]


async def test_a_first_load_may_take_its_time(scene: Scene) -> None:
    await scene.schedule(kind="interval", minutes=15)
    await scene.set_sync(created_at=minutes_ago(10_000))
    run = await scene.run("running")
    assert await scene.look() == 0

    await scene.execute("update sync_run set state = 'cancelled' where tenant_id = $1 and id = $2", run)
    await scene.look()
    assert await scene.alerts() == [("sync.stale", "open")]


async def test_a_manual_sync_is_late_only_for_who_says_so(scene: Scene) -> None:
    await scene.schedule(kind="manual")
    await scene.set_sync(last_success_at=minutes_ago(90))
    patient = await scene.channel("sync.stale")
    assert await scene.look() == 0
    keen = await scene.channel("sync.stale", thresholds={"freshness_minutes": 60})

    await scene.look()

    assert await scene.told(keen) == [("sync.stale", "opened")]
    assert await scene.told(patient) == []


async def test_access_that_ends_soon_or_has_ended_is_one_alert(scene: Scene) -> None:
    channel = await scene.channel("credential.expiring")
    ends = (minutes_ago(0) + timedelta(days=4)).isoformat()
    await scene.set_facts("connections", refresh_token_expires_at=ends)
    await scene.look()
    await scene.execute(
        "update connection set state = 'needs_authorization', state_reason = 'Sign in.' where tenant_id = $1"
        " and kind = 'graphql_oauth'"
    )
    await scene.look()
    assert await scene.told(channel) == [("credential.expiring", "opened")]

    await scene.execute("update connection set state = 'ok', state_reason = null, facts = '{}' where tenant_id = $1")
    await scene.look()

    assert await scene.told(channel) == [("credential.expiring", "opened"), ("credential.expiring", "resolved")]


async def test_a_connection_that_nobody_has_signed_in_to_yet_is_no_alert(scene: Scene) -> None:
    await scene.execute("update connection set state = 'needs_authorization' where tenant_id = $1")

    assert await scene.look() == 0


async def test_what_happened_before_a_channel_was_made_is_told_if_it_is_still_so(scene: Scene) -> None:
    await scene.run("failed")
    await scene.look()
    channel = await scene.channel()

    assert await sweep(scene.resources.database, PUBLIC) == 1

    assert await scene.told(channel) == [("run.failed", "opened")]


async def test_many_lookers_at_once_tell_each_change_once(scene: Scene) -> None:
    channel = await scene.channel()
    for state in ("failed", "succeeded", "failed"):
        await scene.run(state)
        await asyncio.gather(sweep(scene.resources.database, PUBLIC), *(scene.look() for _ in range(6)))

    assert [state for _, state in await scene.told(channel)] == ["opened", "resolved", "opened"]


async def test_a_sweep_sees_all_tenants_and_looks_where_something_changed(api: Api, scene: Scene) -> None:
    await api.tenant("quiet")
    await scene.run("failed")

    assert await sweep(scene.resources.database, PUBLIC) == 1
    assert await sweep(scene.resources.database, PUBLIC) == 0


async def test_one_tenants_trouble_does_not_keep_the_others_waiting(
    api: Api, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await api.tenant("other")
    both = [scene, Scene(api, tenant, await furnish(api, tenant))]
    for each in both:
        await each.run("failed")
    real, seen = alerts.lock, []

    async def broken_at_first(connection: Any, tenant_id: UUID) -> None:
        seen.append(tenant_id)
        if len(seen) == 1:
            raise OSError("gone")
        await real(connection, tenant_id)

    monkeypatch.setattr(alerts, "lock", broken_at_first)

    await sweep(scene.resources.database, PUBLIC)
    first, second = (next(each for each in both if each.tenant_id == id_) for id_ in seen)
    assert (await first.alerts(), await second.alerts()) == ([], [("run.failed", "open")])

    assert await sweep(scene.resources.database, PUBLIC) == 1
    assert await first.alerts() == [("run.failed", "open")]


async def test_alerts_of_a_deleted_sync_end_and_those_of_a_deleted_tenant_go(scene: Scene) -> None:
    await scene.run("failed")
    await scene.look()
    await scene.api.call("DELETE", f"{scene.tenant}/syncs/{scene.sync}")
    await scene.look()
    assert await scene.alerts() == [("run.failed", "resolved")]

    assert (await scene.api.call("DELETE", scene.tenant)).status_code == 204

    assert await scene.fetch("select from alert") == []
