"""A tenant with a sync and both connections, whose state a test sets as runs and time would."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from app.alerts.detecting import look
from app.domain.alerting import KINDS
from app.resources import Resources
from tests.integration.api.conftest import Api, api, resources
from tests.integration.api.objects import furnish

__all__ = ["api", "resources"]  # the fixtures of the API's tests

PUBLIC = "https://connector.acme.test"


class Scene:
    """Times are given in minutes before now."""

    def __init__(self, api: Api, tenant: str, ids: dict[str, str]) -> None:
        self.api, self.tenant, self.ids = api, tenant, ids
        self.tenant_id, self.sync = UUID(tenant.rpartition("/")[2]), UUID(ids["syncs"])
        self.resources: Resources = api.resources

    async def execute(self, statement: str, *values: Any) -> None:
        async with self.resources.database.transaction(self.tenant_id) as connection:
            await connection.execute(statement, self.tenant_id, *values)

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        async with self.resources.database.transaction(self.tenant_id) as connection:
            return list(await connection.fetch(query, *values))

    async def look(self) -> int:
        """One look, as the end of a run brings it; how many steps it took."""
        return len(await look(self.resources.database, self.tenant_id, PUBLIC))

    async def run(self, state: str = "succeeded", **given: Any) -> UUID:
        """A run of the sync that is in this state now, after all others."""
        values = {"n_read": 0, "n_rejected": 0, "dry_run": False, "mode": "delta", "reason": None, "codes": None}
        values |= {"id": uuid4(), **given}
        codes = None if values["codes"] is None else msgspec.json.encode(values["codes"]).decode()
        await self.execute(
            "insert into sync_run (tenant_id, id, sync_id, mode, dry_run, trigger, codes, mapping_id, mapping_version,"
            " state, reason, fence, attempt, stalls, cancel_requested, approved, n_read, n_created, n_updated,"
            " n_unchanged, n_skipped, n_rejected, skipped_by_reason, pages, warnings, queued_at, started_at,"
            " finished_at, updated_at) select $1, $2, s.id, $4, $5, 'api', $6::varchar::jsonb, s.mapping_id, 1, $7,"
            " $8, 1, 1, 0, false, false, $9, 0, 0, 0, 0, $10, '{}', 1, '[]', clock_timestamp(), clock_timestamp(),"
            " clock_timestamp(), clock_timestamp() from sync s where s.tenant_id = $1 and s.id = $3",
            values["id"],
            self.sync,
            values["mode"],
            values["dry_run"],
            codes,
            state,
            values["reason"],
            values["n_read"],
            values["n_rejected"],
        )
        run_id: UUID = values["id"]
        if state in ("succeeded", "partially_failed") and not values["dry_run"]:
            await self.execute("update sync set last_success_at = clock_timestamp() where tenant_id = $1")
        return run_id

    async def dead_letter(self, run_id: UUID) -> None:
        await self.execute(
            "insert into dead_letter (tenant_id, id, sync_id, run_id, key, code, reason, message, state, attempts,"
            " updated_at) values ($1, $2, $3, $4, $5, 'C1', 'fake_email', 'Refused.', 'open', 1, clock_timestamp())",
            uuid4(),
            self.sync,
            run_id,
            str(uuid4()),
        )

    async def set_sync(self, **given: Any) -> None:
        for name, value in given.items():
            await self.execute(f"update sync set {name} = $2 where tenant_id = $1", value)

    async def schedule(self, **given: Any) -> None:
        await self.execute(
            "update sync set schedule = $2::varchar::jsonb where tenant_id = $1", msgspec.json.encode(given).decode()
        )

    async def set_facts(self, connection: str, **facts: Any) -> None:
        await self.execute(
            "update connection set kind = 'graphql_oauth', facts = $3::varchar::jsonb where tenant_id = $1 and id = $2",
            UUID(self.ids[connection]),
            msgspec.json.encode(facts).decode(),
        )

    async def channel(self, *kinds: str, **given: Any) -> UUID:
        """A channel that nobody delivers for; of webhooks to nowhere."""
        id_ = uuid4()
        await self.execute(
            "insert into alert_channel (tenant_id, id, name, kind, url, settings, sealed, events, thresholds,"
            " sync_ids, enabled, state, version) values ($1, $2, 'hook', 'webhook', 'https://x.test', '{}', '',"
            " $3::varchar::jsonb, $4::varchar::jsonb, $5::varchar::jsonb, true, 'untried', 1)",
            id_,
            msgspec.json.encode(kinds or KINDS).decode(),
            msgspec.json.encode(given.get("thresholds", {})).decode(),
            msgspec.json.encode(given["syncs"]).decode() if "syncs" in given else None,
        )
        return id_

    async def alerts(self) -> list[tuple[str, str]]:
        """(kind, state) of all there ever were, oldest first."""
        return [tuple(row) for row in await self.fetch("select kind, state from alert order by opened_at, id")]

    async def told(self, channel: UUID) -> list[tuple[str, str]]:
        """(type, state) of every message in a channel's outbox, in the order of their making."""
        rows = await self.fetch(
            "select message from alert_delivery where channel_id = $1 order by created_at, seq", channel
        )
        return [(row["message"]["type"], row["message"]["data"]["state"]) for row in rows]


def minutes_ago(count: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=count)


@pytest.fixture
async def scene(api: Api) -> Scene:
    tenant = await api.tenant()
    return Scene(api, tenant, await furnish(api, tenant))
