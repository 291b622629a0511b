"""Erasures: a person's removal from the vendors and from here, step by step, and how far it has got."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.db.base import Row, document, instant

EMAIL = "erasure.email"


class Erasure(Row, table=True):
    """`email` is sealed (field "erasure.email") and null once the erasure is finished; `subject` is its digest.

    state: queued, erasing, settling (one more pass when what was on its way has landed), waiting (a vendor cannot be
    reached; `reason` says why, it is tried again), done. `watched` are the runs that were under way when the person
    was suppressed, as {id, fence}.
    """

    __table_args__ = (
        Index("ix_erasure_newest", "tenant_id", "created_at"),
        Index("ix_erasure_open", "created_at", postgresql_where=text("finished_at is null")),
        Index("uq_erasure_open", "tenant_id", "subject", unique=True, postgresql_where=text("finished_at is null")),
    )

    subject: bytes = Field(sa_type=LargeBinary)
    email: bytes | None = Field(default=None, sa_type=LargeBinary)
    state: str = "queued"
    reason: str | None = None
    passes: int = 1
    steps: dict[str, Any] = document()
    watched: list[Any] = Field(default_factory=list, sa_type=JSONB)
    attempt: int = 0
    not_before: datetime | None = instant(nullable=True)
    lease_until: datetime | None = instant(nullable=True)
    finished_at: datetime | None = instant(nullable=True)
    updated_at: datetime = instant(default_now=True)


DUE = (
    "finished_at is null and (not_before is null or not_before <= clock_timestamp())"
    " and (lease_until is null or lease_until < clock_timestamp())"
)


async def due(connection: asyncpg.Connection) -> list[tuple[UUID, UUID]]:
    """(tenant, erasure) that somebody should take up now; for the sweeper, as the system role."""
    rows = await connection.fetch(f"select tenant_id, id from erasure where {DUE} order by created_at limit 200")
    return [(row["tenant_id"], row["id"]) for row in rows]


async def claim(
    connection: asyncpg.Connection, tenant_id: UUID, erasure_id: UUID, lease_seconds: float
) -> asyncpg.Record | None:
    """Take an open erasure; None when somebody holds it, it waits, or it is finished."""
    return await connection.fetchrow(
        "update erasure set lease_until = clock_timestamp() + make_interval(secs => $3), attempt = attempt + 1,"
        " state = case when passes > 1 then state else 'erasing' end, updated_at = clock_timestamp()"
        f" where tenant_id = $1 and id = (select id from erasure where tenant_id = $1 and id = $2 and {DUE}"
        " for update skip locked) returning *",
        tenant_id,
        erasure_id,
        lease_seconds,
    )


async def save(
    connection: asyncpg.Connection, tenant_id: UUID, erasure_id: UUID, steps: Mapping[str, Any], lease_seconds: float
) -> None:
    """What the steps have come to; the lease begins anew."""
    await connection.execute(
        "update erasure set steps = $3::varchar::jsonb, updated_at = clock_timestamp(),"
        " lease_until = clock_timestamp() + make_interval(secs => $4) where tenant_id = $1 and id = $2",
        tenant_id,
        erasure_id,
        msgspec.json.encode(steps).decode(),
        lease_seconds,
    )


async def put_off(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    erasure_id: UUID,
    state: str,
    reason: str | None,
    seconds: float,
    *,
    passes: int,
    steps: Mapping[str, Any],
) -> None:
    """Give it back until later; `passes` is the one that goes on then."""
    await connection.execute(
        "update erasure set state = $3, reason = $4, lease_until = null, passes = $6, steps = $7::varchar::jsonb,"
        " not_before = clock_timestamp() + make_interval(secs => $5), updated_at = clock_timestamp()"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        erasure_id,
        state,
        reason,
        seconds,
        passes,
        msgspec.json.encode(steps).decode(),
    )


async def finish(connection: asyncpg.Connection, tenant_id: UUID, erasure_id: UUID, steps: Mapping[str, Any]) -> None:
    """All of it is done: the address is forgotten here too."""
    await connection.execute(
        "update erasure set state = 'done', reason = null, email = null, lease_until = null, not_before = null,"
        " steps = $3::varchar::jsonb, watched = '[]', finished_at = clock_timestamp(), updated_at = clock_timestamp()"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        erasure_id,
        msgspec.json.encode(steps).decode(),
    )
