"""The erasable side of the audit trail: the values each page of a run decided, sealed and compressed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from app.db.base import instant


class ChangePage(SQLModel, table=True):
    """`body` is the sealed, deflated JSON list of what was decided per record (see sync/ledger.py)."""

    __tablename__ = "change_page"

    tenant_id: UUID = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)
    page: int = Field(primary_key=True)
    sync_id: UUID
    entries: int
    body: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = instant(default_now=True)


async def keep(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    run_id: UUID,
    sync_id: UUID,
    page: int,
    entries: int,
    body: bytes,
    *,
    once: bool = False,
) -> None:
    """Keep a page of `entries` sealed changes; with `once`, a page that is there already stays as it is."""
    await connection.execute(
        "insert into change_page (tenant_id, run_id, page, sync_id, entries, body) values ($1, $2, $3, $4, $5, $6)"
        + (" on conflict do nothing" if once else ""),
        tenant_id,
        run_id,
        page,
        sync_id,
        entries,
        body,
    )


async def pace(
    connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, since: datetime, seconds: int
) -> Sequence[asyncpg.Record]:
    """`at` and `records` of each stretch of so many seconds in which the run remembered something, oldest first."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "select date_bin(make_interval(secs => $4), created_at, $3) as at, sum(entries)::int as records"
        " from change_page where tenant_id = $1 and run_id = $2 group by 1 order by 1",
        tenant_id,
        run_id,
        since,
        seconds,
    )
    return rows
