"""Alert channels: where a tenant's people are told, of what, from which threshold on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.db.base import Row, document, instant


class AlertChannel(Row, table=True):
    """kind: webhook (`url`) or email. `settings` holds `tls_ca_pem` and `smtp` without its password; `sealed` (vault
    field "alert_channel.sealed") holds recipients, password and signing secrets.

    `events` are kinds of alerts; `sync_ids` null means every sync. state: untried, ok, failing, gone (the receiver
    wants no more).
    """

    __tablename__ = "alert_channel"

    tenant_id: UUID = Field(primary_key=True, sa_column_args=[ForeignKey("tenant.id", ondelete="CASCADE")])
    name: str
    kind: str
    url: str | None = None
    settings: dict[str, Any] = document()
    sealed: bytes = Field(sa_type=LargeBinary)
    events: list[str] = Field(default_factory=list, sa_type=JSONB)
    thresholds: dict[str, Any] = document()
    sync_ids: list[str] | None = Field(default=None, sa_type=JSONB, nullable=True)
    enabled: bool = True
    state: str = "untried"
    state_reason: str | None = None
    tested_at: datetime | None = instant(nullable=True)
    version: int = 1
    updated_at: datetime = instant(default_now=True)


WATCHING = """
select tenant_id, id, events, thresholds, sync_ids from alert_channel
 where enabled and ($1::uuid is null or tenant_id = $1)
"""
LOCK = """
select c.*, t.data_key, t.data_key_id from alert_channel c join tenant t on t.id = c.tenant_id
 where c.tenant_id = $1 and c.id = $2 and c.enabled and t.data_key <> '' for no key update of c
"""
NOTE_STATE = """
update alert_channel set state = $3, state_reason = $4, enabled = enabled and $3 <> 'gone',
       version = version + case when $3 = 'gone' then 1 else 0 end, updated_at = clock_timestamp()
 where tenant_id = $1 and id = $2 and (state, state_reason) is distinct from ($3::varchar, $4::varchar)
"""
MAY_TEST = """
update alert_channel set tested_at = clock_timestamp()
 where tenant_id = $1 and id = $2 and (tested_at is null or tested_at < clock_timestamp() - make_interval(secs => $3))
returning true
"""


async def watching(connection: asyncpg.Connection, tenant_id: UUID | None) -> Sequence[asyncpg.Record]:
    """Enabled channels of a tenant, or of all (None; as the system role), with what they want to be told."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(WATCHING, tenant_id)
    return rows


async def lock(connection: asyncpg.Connection, tenant_id: UUID, channel_id: UUID) -> asyncpg.Record | None:
    """An enabled channel with its tenant's wrapped key; nobody else decides what goes out next until this transaction
    ends."""
    return await connection.fetchrow(LOCK, tenant_id, channel_id)


async def note_state(
    connection: asyncpg.Connection, tenant_id: UUID, channel_id: UUID, state: str, reason: str | None
) -> None:
    """How the last message went; `gone` also ends all others."""
    await connection.execute(NOTE_STATE, tenant_id, channel_id, state, reason)


async def may_test(connection: asyncpg.Connection, tenant_id: UUID, channel_id: UUID, every_seconds: float) -> bool:
    """Whether a test message may go out now; no other one may for so long."""
    return bool(await connection.fetchval(MAY_TEST, tenant_id, channel_id, every_seconds))
