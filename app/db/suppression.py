"""Who was erased and must never be brought back: keyed digests of addresses, nothing else."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from app.db.base import instant


class Suppression(SQLModel, table=True):
    """`subject` is the tenant's digest of the lower-cased address."""

    tenant_id: UUID = Field(primary_key=True)
    subject: bytes = Field(primary_key=True, sa_type=LargeBinary)
    erasure_id: UUID
    created_at: datetime = instant(default_now=True)


async def any_of(connection: asyncpg.Connection, tenant_id: UUID) -> bool:
    """Whether the tenant has suppressed anybody at all."""
    found: bool = await connection.fetchval(
        "select exists(select from suppression where tenant_id = $1 limit 1)", tenant_id
    )
    return found


async def among(connection: asyncpg.Connection, tenant_id: UUID, subjects: Sequence[bytes]) -> set[bytes]:
    """Those of these digests that are suppressed."""
    rows = await connection.fetch(
        "select subject from suppression where tenant_id = $1 and subject = any($2)", tenant_id, subjects
    )
    return {row["subject"] for row in rows}


async def suppress(connection: asyncpg.Connection, tenant_id: UUID, subject: bytes, erasure_id: UUID) -> None:
    """From now on nobody of this digest is carried."""
    await connection.execute(
        "insert into suppression (tenant_id, subject, erasure_id) values ($1, $2, $3)"
        " on conflict (tenant_id, subject) do nothing",
        tenant_id,
        subject,
        erasure_id,
    )
