"""Runs: one execution of a sync, with lease, fence, position and counts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.db.base import Row, document, instant
from app.db.engine import savepoint

ACTIVE = ("running", "halted")
FINISHED = ("succeeded", "partially_failed", "failed", "cancelled")


def count() -> Any:
    return Field(default=0, sa_type=BigInteger)


class SyncRun(Row, table=True):
    """`fence` rises with every claim; whoever holds an older one may write nothing.

    `position` is the engine's own resume state; `start_mark` and `lower_bound` are written once.
    """

    __tablename__ = "sync_run"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "sync_id"], ["sync.tenant_id", "sync.id"], ondelete="CASCADE"),
        Index(
            "uq_sync_run_active",
            "tenant_id",
            "sync_id",
            unique=True,
            postgresql_where=text("state in ('running', 'halted')"),
        ),
        Index(
            "uq_sync_run_queued",
            "tenant_id",
            "sync_id",
            unique=True,
            postgresql_where=text("state = 'queued' and not dry_run and codes is null"),
        ),
        Index("ix_sync_run_newest", "tenant_id", "sync_id", "queued_at"),
        Index("ix_sync_run_open", "state", postgresql_where=text("state in ('queued', 'running')")),
    )

    sync_id: UUID
    mode: str  # delta | full | reconcile | replay
    dry_run: bool = False
    trigger: str  # schedule | api | console | replay
    codes: list[str] | None = Field(default=None, sa_type=JSONB, nullable=True)
    mapping_id: UUID
    mapping_version: int
    state: str = "queued"
    reason: str | None = None
    reason_code: str | None = None

    fence: int = count()
    owner: str | None = None
    lease_until: datetime | None = instant(nullable=True)
    not_before: datetime | None = instant(nullable=True)  # put off until then
    attempt: int = 1
    stalls: int = 0  # claims in a row without progress
    cancel_requested: bool = False
    approved: bool = False  # the brake was released by a person

    start_mark: datetime | None = instant(nullable=True)
    lower_bound: datetime | None = instant(nullable=True)
    position: dict[str, Any] | None = document(nullable=True)

    n_read: int = count()
    n_created: int = count()
    n_updated: int = count()
    n_unchanged: int = count()
    n_skipped: int = count()
    n_rejected: int = count()
    skipped_by_reason: dict[str, Any] = document()
    drift: dict[str, Any] | None = document(nullable=True)  # by class, of reconcile runs
    pages: int = 0
    expected_records: int | None = Field(default=None, sa_type=BigInteger, nullable=True)
    warnings: list[str] = Field(default_factory=list, sa_type=JSONB)

    watermark_before: datetime | None = instant(nullable=True)
    watermark_after: datetime | None = instant(nullable=True)
    queued_at: datetime = instant(default_now=True)
    started_at: datetime | None = instant(nullable=True)
    finished_at: datetime | None = instant(nullable=True)
    updated_at: datetime = instant(default_now=True)


MINE = "tenant_id = $1 and id = $2 and fence = $3 and state = 'running'"
CLAIM = """
    update sync_run set state = 'running', fence = fence + 1, owner = $3, updated_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => $4), not_before = null, reason = null,
        started_at = coalesce(started_at, clock_timestamp()), stalls = stalls + 1,
        attempt = case when started_at is null then 1 else attempt + 1 end
    from (
        select r.id as found, r.state = 'running' and r.lease_until is not null as taken_over
        from sync_run r where r.tenant_id = $1 and r.id = $2
        and (r.not_before is null or r.not_before <= clock_timestamp())
        and ((r.state = 'queued' and not exists (
                select from sync_run o where o.tenant_id = $1 and o.sync_id = r.sync_id and o.state = any($5)))
             or (r.state = 'running' and (r.lease_until is null or r.lease_until < clock_timestamp())))
        for update skip locked) f
    where tenant_id = $1 and id = f.found
    returning sync_run.*, f.taken_over
"""  # nothing but constants above


async def claim(
    connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, owner: str, lease_seconds: float
) -> asyncpg.Record | None:
    """Take a queued run, or a running one whose lease has ended; None when it is not to be had. Raises the fence.

    The row's `taken_over` is true when its holder went away without giving the lease back.
    """
    try:
        async with savepoint(connection):
            return await connection.fetchrow(CLAIM, tenant_id, run_id, owner, lease_seconds, list(ACTIVE))
    except asyncpg.UniqueViolationError:  # another run of this sync became active at the same instant
        return None


async def lock(connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, fence: int) -> bool:
    """Lock the run row for this transaction; False when the fence is no longer ours."""
    row = await connection.fetchval(f"select true from sync_run where {MINE} for update", tenant_id, run_id, fence)
    return bool(row)


class Beat(NamedTuple):
    """What whoever holds a run is told: `awaited` says that something is decided anew with its next slice."""

    cancel_requested: bool
    awaited: bool


async def beat(
    connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, fence: int, lease_seconds: float
) -> Beat | None:
    """Extend the lease. None when it is lost."""
    row = await connection.fetchrow(
        "update sync_run r set lease_until = clock_timestamp() + make_interval(secs => $4)"
        f" where {MINE} returning cancel_requested,"
        " exists(select from erasure e where e.tenant_id = $1 and e.finished_at is null)"
        " or exists(select from sync s where s.tenant_id = $1 and s.id = r.sync_id and s.schedule ? 'quiet_hours')"
        " as awaited",
        tenant_id,
        run_id,
        fence,
        lease_seconds,
    )
    return None if row is None else Beat(row["cancel_requested"], row["awaited"])


async def expect(connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, records: int | None) -> None:
    """How many records the run will read, None when the source does not tell."""
    await connection.execute(
        "update sync_run set expected_records = $3 where tenant_id = $1 and id = $2", tenant_id, run_id, records
    )


async def schedule_of(
    connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID
) -> tuple[Mapping[str, Any], str] | None:
    """The schedule of the run's sync and the tenant's time zone, when it has quiet hours; else None."""
    row = await connection.fetchrow(
        "select s.schedule, t.time_zone from sync_run r join sync s on s.tenant_id = $1 and s.id = r.sync_id"
        " join tenant t on t.id = $1 where r.tenant_id = $1 and r.id = $2 and s.schedule ? 'quiet_hours'",
        tenant_id,
        run_id,
    )
    return None if row is None else (row["schedule"], row["time_zone"])


async def hold_back(
    connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, until: datetime, reason: str
) -> None:
    """Nobody takes up this run, which nobody holds, before `until`; looked at again every quarter of an hour."""
    await connection.execute(
        "update sync_run set not_before = least($3, clock_timestamp() + interval '15 minutes'), reason = $4,"
        " reason_code = 'quiet_hours', updated_at = clock_timestamp() where tenant_id = $1 and id = $2"
        " and (state = 'queued' or (state = 'running' and (lease_until is null or lease_until < clock_timestamp())))",
        tenant_id,
        run_id,
        until,
        reason,
    )


async def release(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    run_id: UUID,
    fence: int,
    *,
    put_off_seconds: float = 0,
    reason: str | None = None,
    reason_code: str | None = None,
) -> None:
    """Give the lease back without an end: the next slice, or a later attempt after `put_off_seconds`."""
    await connection.execute(
        "update sync_run set lease_until = null, owner = null, reason = $5, reason_code = $6,"
        " not_before = case when $4::float8 > 0 then clock_timestamp() + make_interval(secs => $4) end,"
        f" stalls = case when $4::float8 > 0 then stalls else 0 end, updated_at = clock_timestamp() where {MINE}",
        tenant_id,
        run_id,
        fence,
        put_off_seconds,
        reason,
        reason_code,
    )


async def finish(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    run_id: UUID,
    fence: int,
    state: str,
    reason: str | None,
    reason_code: str | None,
    watermark_after: datetime | None,
) -> asyncpg.Record | None:
    """End a run; `succeeded` becomes partially_failed when records were rejected. None when it is no longer ours."""
    return await connection.fetchrow(
        "update sync_run set state = case when $4::varchar = 'succeeded' and n_rejected > 0 then 'partially_failed'"
        " else $4::varchar end, finished_at = clock_timestamp(), lease_until = null, owner = null, reason = $5,"
        " reason_code = $6, watermark_after = $7, not_before = null, updated_at = clock_timestamp()"
        f" where {MINE} returning *",
        tenant_id,
        run_id,
        fence,
        state,
        reason,
        reason_code,
        watermark_after,
    )


async def halt(
    connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, fence: int, reason: str, reason_code: str
) -> bool:
    """Stop a run for a person to decide; False when it is no longer ours."""
    halted = await connection.fetchval(
        "update sync_run set state = 'halted', lease_until = null, owner = null, reason = $4, reason_code = $5,"
        f" updated_at = clock_timestamp() where {MINE} returning true",
        tenant_id,
        run_id,
        fence,
        reason,
        reason_code,
    )
    return bool(halted)


async def next_of(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID) -> UUID | None:
    """The run of a sync that waited for the end of another one."""
    found: UUID | None = await connection.fetchval(
        "select id from sync_run where tenant_id = $1 and sync_id = $2 and state = 'queued'"
        " and (not_before is null or not_before <= clock_timestamp()) order by queued_at limit 1",
        tenant_id,
        sync_id,
    )
    return found


async def open_runs(connection: asyncpg.Connection) -> Sequence[asyncpg.Record]:
    """Runs of all tenants that somebody should take up now; for the sweeper, as the system role."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "select tenant_id, id, fence from sync_run r where state in ('queued', 'running')"
        " and (not_before is null or not_before <= clock_timestamp())"
        " and (lease_until is null or lease_until < clock_timestamp())"
        " and (state = 'running' or not exists (select from sync_run o where o.tenant_id = r.tenant_id"
        " and o.sync_id = r.sync_id and o.state in ('running', 'halted')))"
        " order by queued_at limit 500"
    )
    return rows
