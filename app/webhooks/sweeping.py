"""What every worker does for webhooks now and then: find events nobody rang for, registrations to check, old bodies."""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from app.db import webhooks
from app.db.engine import Database
from app.webhooks.checking import CHECK
from app.webhooks.processing import PROCESS

LOCK = 7_402_118_002  # one sweeper at a time over all workers


class Ring(Protocol):
    """Tells the workers that a job has something to do with these rows."""

    def __call__(self, job: str, *ids: UUID) -> Awaitable[object]: ...


async def sweep(database: Database, ring: Ring, *, check_every_seconds: float) -> int:
    """One round: how many jobs were rung for."""
    async with database.system() as connection:
        if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK):
            return 0
        waiting = await webhooks.tenants_with_events(connection)
        due = await webhooks.due_checks(connection, check_every_seconds)
    for tenant_id in waiting:
        await ring(PROCESS, tenant_id)
    for row in due:
        await ring(CHECK, row["tenant_id"], row["id"])
    return len(waiting) + len(due)


async def forget_old(database: Database, bodies: timedelta, events: timedelta) -> None:
    """Drop bodies and events that are past retention, tenant by tenant."""
    async with database.system() as connection:
        tenants = [row["id"] for row in await connection.fetch("select id from tenant")]
    now = datetime.now(UTC)
    for tenant_id in tenants:
        async with database.transaction(tenant_id) as connection:
            await webhooks.forget_old(connection, tenant_id, now - bodies, now - events)
