"""Connections: where a vendor is, its sealed credential, its health."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ForeignKey, LargeBinary
from sqlmodel import Field

from app.db.base import Row, document, instant


class Connection(Row, table=True):
    """`credential` is a sealed JSON object (vault field "credential"); `facts` is what verification learnt.

    `version` rises with every change by a user (ETag); `credential_version` with every new secret or token pair.
    """

    tenant_id: UUID = Field(primary_key=True, sa_column_args=[ForeignKey("tenant.id", ondelete="CASCADE")])
    name: str
    system: str  # sage_x3 | mailchimp
    kind: str
    url: str | None = None
    settings: dict[str, Any] = document()
    facts: dict[str, Any] = document()
    credential: bytes | None = Field(default=None, sa_type=LargeBinary)
    credential_version: int = 1
    state: str = "unverified"  # unverified | ok | needs_authorization | needs_attention
    state_reason: str | None = None
    version: int = 1
    updated_at: datetime = instant(default_now=True)


_SIDE = "c.id = case $3 when 'source' then s.source_connection_id else s.target_connection_id end"
_SIGNED_IN_SINCE = f"""
select exists (select from connection c join sync s on s.tenant_id = c.tenant_id and s.id = $2
    where c.tenant_id = $1 and {_SIDE} and (c.facts->>'authorized_at')::timestamptz > $4)
"""
_RENEWED = "coalesce((c.facts->>'token_renewed_at')::timestamptz, c.created_at)"
_ENDS = "(c.facts->>'refresh_token_expires_at')::timestamptz"
_GATEWAYS = """
select c.tenant_id, c.id, t.data_key, t.data_key_id,
       c.facts->>'token_renewed_at' as renewed_at, c.facts->>'refresh_token_expires_at' as ends
  from connection c join tenant t on t.id = c.tenant_id
 where c.kind = 'graphql_oauth' and c.state <> 'needs_authorization' and t.data_key <> ''
"""
_IDLE = f"""
{_GATEWAYS} and clock_timestamp() > {_RENEWED} + least(make_interval(secs => $1 * 86400), ({_ENDS} - {_RENEWED}) / 3)
 order by {_RENEWED} limit 500
"""
_EXPIRING = f"""
{_GATEWAYS} and {_ENDS} < clock_timestamp() + make_interval(days => $1)
   and c.facts->>'expiry_alerted_for' is distinct from c.facts->>'refresh_token_expires_at'
 order by {_ENDS} limit 500
"""
_ALERTED = """
update connection set facts = facts || jsonb_build_object('expiry_alerted_for', $3::text)
 where tenant_id = $1 and id = $2 and facts->>'refresh_token_expires_at' = $3
   and facts->>'expiry_alerted_for' is distinct from $3
returning true
"""
_LOSE = """
update connection set state = $4, state_reason = $5, updated_at = clock_timestamp()
 where tenant_id = $1 and id = $2 and credential_version = $3 returning true
"""


async def idle_gateways(connection: asyncpg.Connection, days: float) -> Sequence[asyncpg.Record]:
    """Gateway connections of all tenants whose pair was not renewed for so many days, or for a third of its life;
    as the system role, with the tenants' wrapped keys."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(_IDLE, days)
    return rows


async def expiring_gateways(connection: asyncpg.Connection, days: int) -> Sequence[asyncpg.Record]:
    """Gateway connections of all tenants whose refresh token ends within so many days and nobody was told (`ends`)."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(_EXPIRING, days)
    return rows


async def alerted(connection: asyncpg.Connection, tenant_id: UUID, id_: UUID, ends: str) -> bool:
    """Note that people were told of this end; False when they were, or when there is another one by now."""
    return bool(await connection.fetchval(_ALERTED, tenant_id, id_, ends))


async def lose(
    connection: asyncpg.Connection, tenant_id: UUID, id_: UUID, credential_version: int, state: str, reason: str
) -> bool:
    """Show that a connection no longer works, unless its secret was replaced meanwhile."""
    return bool(await connection.fetchval(_LOSE, tenant_id, id_, credential_version, state, reason))


async def signed_in_since(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, side: str, at: datetime
) -> bool:
    """Whether somebody has signed in to a sync's connection (`side`: source or target) after `at`."""
    return bool(await connection.fetchval(_SIGNED_IN_SINCE, tenant_id, sync_id, side, at))


async def blame(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, side: str, state: str, reason: str
) -> None:
    """Show on a sync's connection (`side`: source or target) why its run could not go on."""
    await connection.execute(
        "update connection c set state = $4, state_reason = $5, updated_at = clock_timestamp() from sync s"
        " where c.tenant_id = $1 and s.tenant_id = $1 and s.id = $2"
        f" and {_SIDE}",
        tenant_id,
        sync_id,
        side,
        state,
        reason,
    )
