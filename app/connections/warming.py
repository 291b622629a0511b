"""Keeping the pairs of idle gateway connections alive, and telling people in time when one cannot be kept.

A refresh token lives 30 days and is replaced at each renewal; a connection nobody uses would lose its access silently.
Source: developer.sage.com/x3, "Token API"; reference/sage-x3.md 2.1, step 4.
"""

from uuid import UUID

import asyncpg
import structlog

from app.connections.crowds import for_each
from app.connections.opening import Opener, open_credential
from app.connections.vault import TenantKeys
from app.db import audit, connections
from app.db.connections import Connection
from app.db.rows import find
from app.domain.errors import ConnectorError, NeedsTenant

log = structlog.get_logger(__name__)

ALERT_DAYS = 5


async def keep_warm(opener: Opener, *, idle_days: float) -> int:
    """Renew every pair that was idle for so long; how many were tried. Several workers may do so at once: whoever
    comes second finds a new pair and leaves it."""
    async with opener.database.system() as connection:
        idle = await connections.idle_gateways(connection, idle_days)

    async def renew(each: asyncpg.Record) -> None:
        keys = opener.vault.tenant(each["tenant_id"], each["data_key"], each["data_key_id"])
        async with opener.database.session(each["tenant_id"]) as db:
            row = await find(db, Connection, each["tenant_id"], each["id"])
        if row is not None and row.facts.get("token_renewed_at") == each["renewed_at"]:
            await _renew(opener, keys, row)

    await for_each(idle, renew)
    return len(idle)


async def _renew(opener: Opener, keys: TenantKeys, row: Connection) -> None:
    seen = open_credential(keys, row.id, row.credential).get("access_token")
    try:
        await opener.gateway(keys, row).keep_alive(seen)
    except ConnectorError as error:
        log.warning("token.not_renewed", connection_id=str(row.id), code=error.code)
        if isinstance(error, NeedsTenant):
            await _lost(opener, row, error)
    else:
        log.info("token.kept_warm", connection_id=str(row.id))


async def _lost(opener: Opener, row: Connection, error: NeedsTenant) -> None:
    state = "needs_authorization" if error.authorization else "needs_attention"
    async with opener.database.transaction(row.tenant_id) as connection:
        version = row.credential_version
        if await connections.lose(connection, row.tenant_id, row.id, version, state, error.message):
            event = audit.Event("connection.access_lost", "system", row.id, reason=error.code)
            await audit.append(connection, row.tenant_id, [event])


async def look_for_ends(opener: Opener) -> int:
    """Raise one alert for each refresh token within five days of its end; how many were raised."""
    async with opener.database.system() as connection:
        expiring = await connections.expiring_gateways(connection, ALERT_DAYS)
    raised = 0
    for each in expiring:
        async with opener.database.transaction(each["tenant_id"]) as connection:
            if await connections.alerted(connection, each["tenant_id"], each["id"], each["ends"]):
                await raise_alert(connection, each["tenant_id"], each["id"], each["ends"])
                raised += 1
    return raised


async def raise_alert(connection: asyncpg.Connection, tenant_id: UUID, connection_id: UUID, ends_at: str) -> None:
    """Access to Sage X3 ends soon and could not be renewed: the one place from which people are told."""
    log.warning("credential.expiring", connection_id=str(connection_id), ends_at=ends_at)
    detail = {"expires_at": ends_at}
    event = audit.Event("credential.expiring", "system", connection_id, detail=detail)
    await audit.append(connection, tenant_id, [event])
