"""When a sync is next due, after its schedule, its state or its tenant's time zone changed."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.db.base import now
from app.db.syncs import Sync
from app.db.tenants import Tenant
from app.domain.schedule import next_due, parse_schedule


def due_at(sync: Sync, time_zone: str) -> datetime | None:
    """The first due time from now on; None while the sync is disabled, paused or manual."""
    if not sync.enabled or sync.state == "paused":
        return None
    return next_due(parse_schedule(sync.schedule), now(), time_zone)


async def reschedule(db: AsyncSession, tenant: Tenant) -> None:
    """Move every sync of a tenant to its time zone."""
    statement = select(Sync).where(col(Sync.tenant_id) == tenant.id).with_for_update()
    for sync in (await db.exec(statement)).all():
        sync.next_due_at = due_at(sync, tenant.time_zone)
