"""Make a run unless one is under way, then ring the worker."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.db import audit
from app.db.engine import Database

HARDER = {"delta": 0, "replay": 0, "full": 1, "reconcile": 2}  # a reconcile reads and writes all that a full run does


class NoSuchSync(Exception):
    """The tenant has no sync of this id."""


class SyncNotReady(Exception):
    """The sync cannot run as it stands; the message says why."""


async def start_run(
    database: Database,
    tenant_id: UUID,
    sync_id: UUID,
    *,
    mode: str,
    trigger: str,
    dry_run: bool = False,
    codes: Sequence[str] | None = None,
    actor: str = "system",
) -> tuple[dict[str, Any], bool]:
    """Queue a run of a sync and say whether an already queued one took its place.

    One run of a sync is active at a time; behind it at most one whole run waits, and whoever asks meanwhile gets that
    one: it begins after the question, so it carries everything the asker knows of. A run of some `codes`, and a dry
    run, is queued on its own. Answers the row of the run. Ring after this returns.
    """
    async with database.transaction(tenant_id) as connection:
        sync = await connection.fetchrow(
            "select * from sync where tenant_id = $1 and id = $2 for update", tenant_id, sync_id
        )
        if sync is None:
            raise NoSuchSync
        if mode == "replay" and codes is None:
            codes = await _parked(connection, tenant_id, sync_id)
        if codes is None and not dry_run:
            queued = await _join_queued(connection, tenant_id, sync_id, mode)
            if queued is not None:
                return dict(queued), True
        row = await _insert(connection, tenant_id, sync, mode, trigger, dry_run, codes)
        await audit.append(
            connection,
            tenant_id,
            [
                audit.Event(
                    "run.queued",
                    actor,
                    object_id=row["id"],
                    sync_id=sync_id,
                    run_id=row["id"],
                    detail={"mode": mode, "trigger": trigger, "dry_run": dry_run, "codes": len(codes or ())},
                )
            ],
        )
        return dict(row), False


async def _parked(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID) -> list[str]:
    """Codes of all open dead letters."""
    rows = await connection.fetch(
        "select distinct code from dead_letter where tenant_id = $1 and sync_id = $2 and state = 'open'",
        tenant_id,
        sync_id,
    )
    return [row["code"] for row in rows]


async def _join_queued(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, mode: str
) -> asyncpg.Record | None:
    """The waiting whole run of this sync, made as thorough as what is asked for now."""
    queued = await connection.fetchrow(
        "select * from sync_run where tenant_id = $1 and sync_id = $2 and state = 'queued'"
        " and not dry_run and codes is null for update",
        tenant_id,
        sync_id,
    )
    if queued is None or HARDER[queued["mode"]] >= HARDER[mode]:
        return queued
    return await connection.fetchrow(
        "update sync_run set mode = $3, updated_at = clock_timestamp() where tenant_id = $1 and id = $2 returning *",
        tenant_id,
        queued["id"],
        mode,
    )


async def _insert(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    sync: asyncpg.Record,
    mode: str,
    trigger: str,
    dry_run: bool,
    codes: Sequence[str] | None,
) -> asyncpg.Record:
    row = await connection.fetchrow(
        "insert into sync_run (tenant_id, id, sync_id, mode, dry_run, trigger, codes, mapping_id, mapping_version,"
        " state, fence, attempt, stalls, cancel_requested, approved, n_read, n_created, n_updated, n_unchanged,"
        " n_skipped, n_rejected, skipped_by_reason, pages, warnings, watermark_before)"
        " select $1, gen_random_uuid(), $2, $3, $4, $5, $6::varchar::jsonb, m.id, m.version,"
        " 'queued', 0, 1, 0, false, false, 0, 0, 0, 0, 0, 0, '{}', 0, '[]', $8"
        " from mapping m where m.tenant_id = $1 and m.id = $7 returning *",
        tenant_id,
        sync["id"],
        mode,
        dry_run,
        trigger,
        msgspec.json.encode(sorted(set(codes))).decode() if codes is not None else None,
        sync["mapping_id"],
        sync["watermark"],
    )
    if row is None:
        raise SyncNotReady("the mapping of this sync no longer exists")
    return row
