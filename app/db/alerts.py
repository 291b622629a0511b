"""Alerts: what needs a person's attention, from when to when. At most one is open per kind and subject."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import ForeignKey, Index, text
from sqlmodel import Field

from app.db.base import Row, instant


class Alert(Row, table=True):
    """`subject_id` is a sync, connection or run, as its kind says (app/domain/alerting.py); `name` is the sync's or
    connection's when it was opened. state: open, resolved. `sentence` tells why, or why no longer."""

    __table_args__ = (
        Index(
            "uq_alert_open",
            "tenant_id",
            "kind",
            "subject_id",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_alert_newest", "tenant_id", "opened_at", "id"),
    )

    tenant_id: UUID = Field(primary_key=True, sa_column_args=[ForeignKey("tenant.id", ondelete="CASCADE")])
    kind: str
    subject_id: UUID
    name: str
    sync_id: UUID | None = None
    connection_id: UUID | None = None
    run_id: UUID | None = None
    state: str = "open"
    sentence: str
    opened_at: datetime = instant(default_now=True)
    resolved_at: datetime | None = instant(nullable=True)


LOCK = "select pg_advisory_xact_lock(hashtextextended('alerts of ' || $1::text, 0))"
STANDING = """
select tenant_id, id, kind, subject_id, name, sync_id, connection_id, run_id, sentence, opened_at from alert
 where state = 'open' and ($1::uuid is null or tenant_id = $1)
"""
OPEN = """
insert into alert (tenant_id, id, kind, subject_id, name, sync_id, connection_id, run_id, state, sentence, opened_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $9, clock_timestamp())
on conflict (tenant_id, kind, subject_id) where state = 'open' do nothing
returning *
"""
RENEW = "update alert set sentence = $3, run_id = $4 where tenant_id = $1 and id = $2 and state = 'open'"
RESOLVE = """
update alert set state = 'resolved', sentence = $3, resolved_at = clock_timestamp()
 where tenant_id = $1 and id = $2 and state = 'open' returning *
"""
FORGET = "delete from alert where tenant_id = $1 and resolved_at < $2"


async def lock(connection: asyncpg.Connection, tenant_id: UUID) -> None:
    """Nobody else opens or resolves alerts of this tenant until the transaction ends."""
    await connection.execute(LOCK, str(tenant_id))


async def standing(connection: asyncpg.Connection, tenant_id: UUID | None) -> Sequence[asyncpg.Record]:
    """The open alerts of a tenant, or of all (None; as the system role)."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(STANDING, tenant_id)
    return rows


async def open_(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    kind: str,
    subject_id: UUID,
    name: str,
    sentence: str,
    *,
    sync_id: UUID | None,
    connection_id: UUID | None,
    run_id: UUID | None,
) -> asyncpg.Record | None:
    """A new alert; None when one is open already."""
    return await connection.fetchrow(
        OPEN, tenant_id, uuid4(), kind, subject_id, name, sync_id, connection_id, run_id, sentence
    )


async def renew(
    connection: asyncpg.Connection, tenant_id: UUID, alert_id: UUID, sentence: str, run_id: UUID | None
) -> None:
    """Say of an open alert what is true now."""
    await connection.execute(RENEW, tenant_id, alert_id, sentence, run_id)


async def resolve(
    connection: asyncpg.Connection, tenant_id: UUID, alert_id: UUID, sentence: str
) -> asyncpg.Record | None:
    """The alert as it ended; None when it had ended already."""
    return await connection.fetchrow(RESOLVE, tenant_id, alert_id, sentence)


async def forget_old(connection: asyncpg.Connection, tenant_id: UUID, before: datetime) -> None:
    """Retention: resolved alerts with all their messages."""
    await connection.execute(FORGET, tenant_id, before)
