"""How a run ends, and what each kind of failure does to the run and its sync."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from app.db import audit, batches, connections, runs
from app.db.engine import Database
from app.domain.errors import ConnectorError, NeedsTenant, ProtocolMismatch, Transient
from app.sync.opened import Halted, LeaseLost

PUT_OFF_TIMES = (1, 2, 4, 8)  # the first wait, after so many attempts without progress; then the run fails
MOST_STALLS = 5
SIDES = (("x3_", "source"), ("mailchimp_", "target"))


async def succeed(
    database: Database, tenant_id: UUID, row: Mapping[str, Any], *, watermark: datetime | None, settings: str
) -> asyncpg.Record:
    """Everything was read and remembered. `watermark` (the run's start mark) is None for partial and dry runs.

    Raises LeaseLost when the run is no longer ours.
    """
    async with database.transaction(tenant_id) as connection:
        done = await _finish(connection, tenant_id, row, "succeeded", None, None, watermark)
        await batches.settle_inserts(connection, tenant_id, row["id"])
        await connection.execute(
            "update sync set failures = 0, last_success_at = clock_timestamp(),"
            " watermark = coalesce($3, watermark),"
            " watermark_mapping_version = case when $3::timestamptz is null then watermark_mapping_version else $4 end,"
            " watermark_settings = case when $3::timestamptz is null then watermark_settings else $5 end"
            " where tenant_id = $1 and id = $2 and not $6",
            tenant_id,
            row["sync_id"],
            watermark,
            row["mapping_version"],
            settings,
            row["dry_run"],
        )
        return done


async def fail(database: Database, tenant_id: UUID, row: Mapping[str, Any], error: ConnectorError) -> asyncpg.Record:
    """The run ends as failed. When the tenant (or we) must act first, its sync stops until somebody resumes it."""
    async with database.transaction(tenant_id) as connection:
        done = await _finish(connection, tenant_id, row, "failed", error.message, error.code, None)
        stops = isinstance(error, NeedsTenant | ProtocolMismatch) and not row["dry_run"]
        await connection.execute(
            "update sync set failures = failures + 1, state = case when $3 and state = 'active'"
            " then 'needs_attention' else state end, state_reason = case when $3 then $4 else state_reason end,"
            " updated_at = clock_timestamp() where tenant_id = $1 and id = $2",
            tenant_id,
            row["sync_id"],
            stops,
            error.message,
        )
        if isinstance(error, NeedsTenant) and (side := _side(error)) is not None:
            state = "needs_authorization" if error.authorization else "needs_attention"
            await connections.blame(connection, tenant_id, row["sync_id"], side, state, error.message)
        return done


async def signed_in_since(database: Database, tenant_id: UUID, row: Mapping[str, Any], error: NeedsTenant) -> bool:
    """Whether the connection that refused us got new tokens after this run was claimed: then the old ones said it."""
    side = _side(error)
    if not error.authorization or side is None:
        return False
    async with database.transaction(tenant_id) as connection:
        return await connections.signed_in_since(connection, tenant_id, row["sync_id"], side, row["updated_at"])


def _side(error: NeedsTenant) -> str | None:
    """Which end of the sync is at fault."""
    return next((side for prefix, side in SIDES if error.code.startswith(prefix)), None)


async def cancel(database: Database, tenant_id: UUID, row: Mapping[str, Any]) -> asyncpg.Record:
    """Somebody asked for it; the watermark stays where it was."""
    async with database.transaction(tenant_id) as connection:
        return await _finish(connection, tenant_id, row, "cancelled", "cancelled on request", "cancelled", None)


async def halt(database: Database, tenant_id: UUID, row: Mapping[str, Any], error: Halted) -> None:
    """The brake was pulled: nothing was written, a person decides."""
    async with database.transaction(tenant_id) as connection:
        halted = await runs.halt(connection, tenant_id, row["id"], row["fence"], error.message, error.code)
        if not halted:
            raise LeaseLost
        await audit.append(connection, tenant_id, [_event(row, "run.halted", error.message, {"code": error.code})])


async def put_off(
    database: Database, tenant_id: UUID, row: Mapping[str, Any], error: Transient, first_seconds: float = 15
) -> float | None:
    """Try again later, the longer the more often nothing moved; None, and failed, when it has been too often."""
    async with database.transaction(tenant_id) as connection:
        stalls = await connection.fetchval(
            "select stalls from sync_run where tenant_id = $1 and id = $2", tenant_id, row["id"]
        )
        if stalls < MOST_STALLS:
            delay = max(error.retry_after or 0, first_seconds * PUT_OFF_TIMES[max(stalls - 1, 0)])
            await runs.release(
                connection,
                tenant_id,
                row["id"],
                row["fence"],
                put_off_seconds=delay,
                reason=error.message,
                reason_code=error.code,
            )
            return delay
    await fail(database, tenant_id, row, error)
    return None


async def _finish(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    row: Mapping[str, Any],
    state: str,
    reason: str | None,
    code: str | None,
    watermark: datetime | None,
) -> asyncpg.Record:
    done = await runs.finish(connection, tenant_id, row["id"], row["fence"], state, reason, code, watermark)
    if done is None:
        raise LeaseLost
    counts = {name: done[f"n_{name}"] for name in ("read", "created", "updated", "unchanged", "skipped", "rejected")}
    await audit.append(connection, tenant_id, [_event(row, f"run.{done['state']}", code, counts)])
    return done


def _event(row: Mapping[str, Any], action: str, reason: str | None, detail: dict[str, Any]) -> audit.Event:
    return audit.Event(
        action, "run", object_id=row["id"], sync_id=row["sync_id"], run_id=row["id"], reason=reason, detail=detail
    )
