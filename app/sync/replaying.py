"""Dead letters back through the same path: a run of their codes, re-read from the source."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.engine import Database
from app.sync.starting import start_run

MOST = 10_000  # codes of one replay


async def replay(
    database: Database,
    tenant_id: UUID,
    sync_id: UUID,
    *,
    ids: Sequence[UUID] | None = None,
    reason: str | None = None,
    since: datetime | None = None,
    actor: str,
) -> dict[str, Any]:
    """Queue a replay of open dead letters (all of the sync, or those chosen); answers the run's row.

    The fingerprints that stop a refused record from being sent again are cleared, so it really gets its second chance.
    The record is read anew, so nothing older ever overwrites something newer.
    """
    async with database.transaction(tenant_id) as connection:
        rows = await connection.fetch(
            "select key, code from dead_letter where tenant_id = $1 and sync_id = $2 and state = 'open'"
            " and ($3::uuid[] is null or id = any($3)) and ($4::varchar is null or reason = $4)"
            " and ($5::timestamptz is null or created_at >= $5) order by created_at limit $6",
            tenant_id,
            sync_id,
            ids,
            reason,
            since,
            MOST,
        )
        await connection.execute(
            "update record set fingerprint = null, reason = 'replayed'"
            " where tenant_id = $1 and sync_id = $2 and state = 'rejected' and key = any($3)",
            tenant_id,
            sync_id,
            [row["key"] for row in rows],
        )
    codes = sorted({row["code"] for row in rows})
    row, _ = await start_run(database, tenant_id, sync_id, mode="replay", trigger="replay", codes=codes, actor=actor)
    return row
