"""Pairs of idle gateway connections: renewed in time, by one of many workers, and an alert when they cannot be."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app.connections.tokens import PostgresTokenStore
from app.connections.warming import keep_warm, look_for_ends
from app.db import connections
from app.db.connections import Connection
from app.db.tenants import Tenant
from app.domain.errors import NeedsTenant, Transient
from tests.integration.oauth.conftest import Stage
from workers import tending

pytestmark = pytest.mark.integration


@pytest.fixture
async def connected(stage: Stage) -> str:
    connection = await stage.connect_x3()
    await stage.sign_in(connection)
    return connection


async def aged(stage: Stage, days: float, ends_in_days: float | None = None) -> None:
    """As if the pair had been renewed so long ago, and ended so soon."""
    await stage.execute(
        "update connection set facts = facts || jsonb_build_object('token_renewed_at', now() - $1 * interval '1 day')"
        " || case when $2::float8 is null then '{}' else"
        " jsonb_build_object('refresh_token_expires_at', now() + $2 * interval '1 day') end",
        days,
        ends_in_days,
    )


async def facts(stage: Stage, connection: str) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.connection(connection))["facts"]
    return found


async def test_only_pairs_that_were_idle_for_days_are_renewed(stage: Stage, connected: str) -> None:
    opener = stage.resources.opener
    await aged(stage, 6.9)
    assert await keep_warm(opener, idle_days=7) == 0
    await aged(stage, 7.1, 1)

    assert await keep_warm(opener, idle_days=7) == 1

    assert await stage.asked("token.refresh_token") == 1
    found = await facts(stage, connected)
    ends, renewed = (datetime.fromisoformat(found[n]) for n in ("refresh_token_expires_at", "token_renewed_at"))
    assert (ends - renewed).days >= 29
    assert await keep_warm(opener, idle_days=7) == 0
    assert (await stage.call("POST", f"{stage.tenant}/connections/{connected}/verify")).json()["ok"]


async def test_short_lived_pairs_are_renewed_after_a_third_of_their_life(stage: Stage, connected: str) -> None:
    await aged(stage, 1.1, 1.9)

    assert await keep_warm(stage.resources.opener, idle_days=7) == 1


async def test_many_workers_renew_a_pair_once(stage: Stage, connected: str) -> None:
    await aged(stage, 8)

    await asyncio.gather(*(keep_warm(stage.resources.opener, idle_days=7) for _ in range(5)))

    assert await stage.asked("token.refresh_token") == 1


async def test_a_pair_that_is_refused_makes_the_connection_ask_for_a_sign_in(stage: Stage, connected: str) -> None:
    await stage.x3("POST", "revoke")
    await aged(stage, 8)

    await keep_warm(stage.resources.opener, idle_days=7)

    found = await stage.connection(connected)
    assert found["state"] == "needs_authorization"
    assert "authorise the connection again" in found["state_reason"]
    assert (await stage.actions())[-1] == "connection.access_lost"
    assert await keep_warm(stage.resources.opener, idle_days=7) == 0  # nothing more is asked for it


async def test_a_gateway_that_is_down_is_asked_again_later(stage: Stage, connected: str) -> None:
    await stage.x3("POST", "faults", {"kind": "error", "status": 503, "path": "/v1/token", "count": None})
    await aged(stage, 8)

    assert await keep_warm(stage.resources.opener, idle_days=7) == 1

    assert (await stage.connection(connected))["state"] == "ok"
    await stage.x3("DELETE", "faults")
    assert await keep_warm(stage.resources.opener, idle_days=7) == 1


async def test_an_end_within_five_days_raises_one_alert(stage: Stage, connected: str) -> None:
    opener = stage.resources.opener
    await aged(stage, 1, 5.1)
    assert await look_for_ends(opener) == 0
    await aged(stage, 1, 4.9)

    raised = await asyncio.gather(*(look_for_ends(opener) for _ in range(4)))

    assert sum(raised) == 1
    assert await look_for_ends(opener) == 0
    events = (await stage.call("GET", f"{stage.tenant}/audit?action=credential.expiring")).json()["items"]
    assert [event["object_id"] for event in events] == [connected]
    assert events[0]["detail"] == {"expires_at": (await facts(stage, connected))["refresh_token_expires_at"]}


async def test_a_renewal_ends_the_alert_and_the_next_end_raises_another(stage: Stage, connected: str) -> None:
    await aged(stage, 1, 4)
    await look_for_ends(stage.resources.opener)
    await aged(stage, 9, 4)
    await keep_warm(stage.resources.opener, idle_days=7)
    assert await look_for_ends(stage.resources.opener) == 0
    await aged(stage, 1, 3)

    assert await look_for_ends(stage.resources.opener) == 1


async def test_a_worker_does_all_of_it_by_itself_and_survives_a_lost_database(
    stage: Stage, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await aged(stage, 8, 4)
    monkeypatch.setattr(tending, "WARM_SECONDS", 0.05)
    opener, rounds = stage.resources.opener, 0
    real = connections.idle_gateways

    async def lost_at_first(*given: Any) -> Any:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise OSError("the database is gone")
        return await real(*given)

    monkeypatch.setattr(connections, "idle_gateways", lost_at_first)
    worker = asyncio.create_task(tending.keep_tokens_for_ever(stage.resources.settings, stage.resources))
    while rounds < 4:
        await asyncio.sleep(0.01)
    worker.cancel()

    assert await stage.asked("token.refresh_token") == 1
    assert await keep_warm(opener, idle_days=7) == 0


async def store_of(stage: Stage, connection: str) -> PostgresTokenStore:
    async with stage.resources.database.session(stage.tenant_id) as db:
        tenant = await db.get_one(Tenant, stage.tenant_id)
    keys = stage.resources.vault.tenant(tenant.id, tenant.data_key, tenant.data_key_id)
    return PostgresTokenStore(stage.resources.database, keys, tenant.id, UUID(connection))


async def warm(stage: Stage, connection: str) -> None:
    """Renew as a process of its own would: nothing is shared but the database."""
    async with stage.resources.database.session(stage.tenant_id) as db:
        row = await db.get_one(Connection, (stage.tenant_id, UUID(connection)))
        tenant = await db.get_one(Tenant, stage.tenant_id)
    keys = stage.resources.vault.tenant(tenant.id, tenant.data_key, tenant.data_key_id)
    await stage.resources.opener.gateway(keys, row).keep_alive()


async def test_a_refusal_keeps_every_process_away_for_a_minute(stage: Stage, connected: str) -> None:
    await stage.x3("POST", "revoke")

    refusals = await asyncio.gather(*(warm(stage, connected) for _ in range(6)), return_exceptions=True)

    assert [type(refusal) for refusal in refusals] == [NeedsTenant] * 6
    assert await stage.asked("token.refresh_token") == 1
    setback = (await (await store_of(stage, connected)).load()).setback
    assert setback is not None
    assert setback.authorization


async def test_a_failure_keeps_every_process_away_for_seconds_and_loses_nothing(stage: Stage, connected: str) -> None:
    before = await (await store_of(stage, connected)).load()
    await stage.x3("POST", "faults", {"kind": "error", "status": 503, "path": "/v1/token", "count": None})

    failures = await asyncio.gather(*(warm(stage, connected) for _ in range(6)), return_exceptions=True)

    assert [type(failure) for failure in failures] == [Transient] * 6
    faults = (await stage.x3("GET", "faults")).json()
    assert [fault["struck"] for fault in faults] == [1]
    after = await (await store_of(stage, connected)).load()
    assert after.refresh_token == before.refresh_token
    await stage.x3("DELETE", "faults")
    await asyncio.sleep(5.1)
    await warm(stage, connected)
    assert (await (await store_of(stage, connected)).load()).setback is None


async def test_a_new_sign_in_ends_a_refusal_at_once(stage: Stage, connected: str) -> None:
    await stage.x3("POST", "revoke")
    with pytest.raises(NeedsTenant):
        await warm(stage, connected)

    await stage.sign_in(connected)

    await warm(stage, connected)
    assert (await stage.connection(connected))["state"] == "ok"
