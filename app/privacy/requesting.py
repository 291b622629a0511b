"""An erasure begins: from its commit on nobody of this address is carried any more."""

from uuid import UUID, uuid4

import asyncpg
import msgspec

from app.connections.vault import TenantKeys
from app.db import audit, suppression
from app.db.erasures import EMAIL


async def request_erasure(
    connection: asyncpg.Connection, keys: TenantKeys, tenant_id: UUID, email: str, *, actor: str
) -> UUID:
    """Queue an erasure and suppress the address, in the caller's transaction; answers its id. One that is under way for
    the same address is not begun again. Ring for it after the commit.

    Runs under way are written down: what they decided before may still be on its way.
    """
    email = email.strip()
    subject = keys.digest(email.lower().encode())
    row_id = uuid4()
    made = await connection.fetchval(
        "insert into erasure (tenant_id, id, subject, email, state, passes, steps, watched, attempt)"
        " values ($1, $2, $3, $4, 'queued', 1, '{}', '[]', 0)"
        " on conflict (tenant_id, subject) where finished_at is null do nothing returning id",
        tenant_id,
        row_id,
        subject,
        keys.seal(email.encode(), row_id, EMAIL),
    )
    if made is None:
        under_way: UUID = await connection.fetchval(
            "select id from erasure where tenant_id = $1 and subject = $2 and finished_at is null", tenant_id, subject
        )
        return under_way
    await suppression.suppress(connection, tenant_id, subject, row_id)
    event = audit.Event("erasure.requested", actor, row_id, subject=subject)
    await audit.append(connection, tenant_id, [event])
    return row_id


async def watch_runs(connection: asyncpg.Connection, tenant_id: UUID, erasure_id: UUID) -> None:
    """Write down which runs are under way now that the suppression can be seen by everybody."""
    rows = await connection.fetch(
        "select id, fence from sync_run where tenant_id = $1 and state = 'running'", tenant_id
    )
    watched = [{"id": str(row["id"]), "fence": row["fence"]} for row in rows]
    await connection.execute(
        "update erasure set watched = $3::varchar::jsonb where tenant_id = $1 and id = $2",
        tenant_id,
        erasure_id,
        msgspec.json.encode(watched).decode(),
    )
