"""Connections: where a vendor is, its sealed credential, its health."""

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


async def blame(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, side: str, state: str, reason: str
) -> None:
    """Show on a sync's connection (`side`: source or target) why its run could not go on."""
    await connection.execute(
        "update connection c set state = $4, state_reason = $5, updated_at = clock_timestamp() from sync s"
        " where c.tenant_id = $1 and s.tenant_id = $1 and s.id = $2"
        " and c.id = case $3 when 'source' then s.source_connection_id else s.target_connection_id end",
        tenant_id,
        sync_id,
        side,
        state,
        reason,
    )
