"""The audience mirror: who Mailchimp knows, and with which status."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import ForeignKeyConstraint, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.db.base import Row, instant


class Audience(Row, table=True):
    """`pulled_through`: every change Mailchimp recorded before this instant is in the mirror; null = never pulled."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "list_id"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connection.tenant_id", "connection.id"], ondelete="CASCADE"
        ),
    )

    connection_id: UUID
    list_id: str
    pulled_through: datetime | None = instant(nullable=True)
    pulled_whole_at: datetime | None = instant(nullable=True)


class AudienceMember(SQLModel, table=True):
    """One member of one audience. status: subscribed, pending, transactional, unsubscribed, cleaned, archived,
    or forgotten (permanently deleted: can never come back by API)."""

    __tablename__ = "audience_member"
    __table_args__ = ({"postgresql_partition_by": "HASH (tenant_id)"},)

    tenant_id: UUID = Field(primary_key=True)
    audience_id: UUID = Field(primary_key=True)
    member_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    status: str
    last_changed: datetime | None = instant(nullable=True)


async def audience_row(
    connection: asyncpg.Connection, tenant_id: UUID, connection_id: UUID, list_id: str
) -> asyncpg.Record:
    """The mirror's row of one audience, made when it is the first time."""
    row = await connection.fetchrow(
        "insert into audience (tenant_id, id, connection_id, list_id) values ($1, gen_random_uuid(), $2, $3)"
        " on conflict (tenant_id, connection_id, list_id) do update set list_id = excluded.list_id"
        " returning id, pulled_through, pulled_whole_at",
        tenant_id,
        connection_id,
        list_id,
    )
    assert row is not None  # noqa: S101  # an upsert always returns
    return row


MIRROR = """
    insert into audience_member as m (tenant_id, audience_id, member_hash, status, last_changed)
    select $1, $2, e.hash, e.status, e.changed from unnest($3::bytea[], $4::varchar[], $5::timestamptz[])
        as e(hash, status, changed)
    on conflict (tenant_id, audience_id, member_hash) do update
        set status = excluded.status, last_changed = coalesce(excluded.last_changed, m.last_changed)
        where m.status is distinct from excluded.status or excluded.last_changed > m.last_changed
"""


async def mirror(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    audience_id: UUID,
    hashes: Sequence[bytes],
    statuses: Sequence[str],
    changed: Sequence[datetime | None] | None = None,
) -> None:
    """Note what Mailchimp said of these members (distinct hashes)."""
    if hashes:
        await connection.execute(
            MIRROR, tenant_id, audience_id, hashes, statuses, changed if changed is not None else [None] * len(hashes)
        )


async def forget_members(
    connection: asyncpg.Connection, tenant_id: UUID, audience_id: UUID, hashes: Sequence[bytes]
) -> None:
    """Members that Mailchimp no longer has under these addresses."""
    await connection.execute(
        "delete from audience_member where tenant_id = $1 and audience_id = $2 and member_hash = any($3)",
        tenant_id,
        audience_id,
        hashes,
    )


async def pulled(
    connection: asyncpg.Connection, tenant_id: UUID, audience_id: UUID, through: datetime, *, whole: bool
) -> None:
    """The mirror now holds every change before `through`."""
    await connection.execute(
        "update audience set pulled_through = $3, pulled_whole_at = case when $4 then $3 else pulled_whole_at end"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        audience_id,
        through,
        whole,
    )
