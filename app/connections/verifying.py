"""Ping a connection's real system and keep what that taught us."""

import asyncio

import structlog

from app.connections.opening import Opener
from app.connections.vault import TenantKeys
from app.connectors.retrying import briefly
from app.db import audit
from app.db.base import now
from app.db.connections import Connection
from app.db.engine import driver_connection
from app.db.rows import find
from app.domain.errors import ConnectorError
from app.domain.verification import Check, Verification

log = structlog.get_logger(__name__)

LONGEST_SECONDS = 60.0
_SIGN_IN = ("authorization", "authentication")  # checks that a new sign-in cures, when there is one
_TOO_SLOW = "The system did not answer within a minute."


# Syncs that stopped because somebody had to act; they begin with what they missed. A manual one too: the run that
# failed was asked for, and its next one comes when it is asked for again.
CATCH_UP = """
    update sync set state = 'active', state_reason = null, updated_at = clock_timestamp(),
        next_due_at = clock_timestamp(), active_since = clock_timestamp()
    where tenant_id = $1 and state = 'needs_attention' and $2 in (source_connection_id, target_connection_id)
"""


async def verify_connection(opener: Opener, keys: TenantKeys, connection: Connection, *, actor: str) -> Verification:
    """Check the connection, store facts, state and reason, write the audit event `connection.verified`.

    Never raises for what the vendor or the network does. What was learnt with a credential or an address that was
    replaced meanwhile is not stored.
    """
    result = await _looked_at(opener, keys, connection)
    failed = next((check for check in result.checks if not check.ok), None)
    async with opener.database.session(connection.tenant_id) as db:
        row = await find(db, Connection, connection.tenant_id, connection.id, lock=True)
        if row is None or row.version != connection.version:
            return result
        row.facts = {**row.facts, **result.facts}
        row.state = state_after(row, result)
        row.state_reason = failed.detail if failed is not None else None
        row.updated_at = now()
        await db.flush()
        detail = {"ok": result.ok, "state": row.state, "failed": failed.name if failed is not None else None}
        event = audit.Event("connection.verified", actor, row.id, detail=detail)
        driver = await driver_connection(db)
        await audit.append(driver, row.tenant_id, [event])
        if row.state == "ok":
            await driver.execute(CATCH_UP, row.tenant_id, row.id)
    return result


async def _looked_at(opener: Opener, keys: TenantKeys, connection: Connection) -> Verification:
    try:
        with briefly():
            async with asyncio.timeout(LONGEST_SECONDS):
                return await opener.verify(keys, connection)
    except ConnectorError as error:
        return _failed(error.message, needs_authorization=getattr(error, "authorization", False))
    except TimeoutError:
        return _failed(_TOO_SLOW)


def _failed(detail: str, *, needs_authorization: bool = False) -> Verification:
    name = "authorization" if needs_authorization else "connection"
    return Verification(False, (Check(name, False, detail),), {})


def state_after(connection: Connection, result: Verification) -> str:
    """ok, or who must act: an OAuth connection nobody has signed in to needs that first."""
    if result.ok:
        return "ok"
    signed_out = any(not check.ok and check.name in _SIGN_IN for check in result.checks)
    return "needs_authorization" if signed_out and "oauth" in connection.kind else "needs_attention"
