"""What every worker does now and then: start what is due, take up what was left behind, keep the house."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from app.db import reconciling, runs
from app.db.engine import Database
from app.domain.errors import InvalidDefinition
from app.domain.schedule import in_quiet_hours, next_due, parse_schedule
from app.sync.queue import Queue
from app.sync.starting import NoSuchSync, SyncNotReady, start_run

log = structlog.get_logger(__name__)
LOCK = 7_402_118_001  # one sweeper at a time over all workers
HOUSE_LOCK = 7_402_118_004
MONTHS_AHEAD = 2


async def sweep(database: Database, queue: Queue) -> tuple[int, int]:
    """One round: (runs queued because they were due, runs rung because nobody holds them).

    Rounds of several workers never overlap: whoever does not get the lock has nothing to do.
    """
    async with database.system() as connection:
        if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK):
            return 0, 0
        due = await connection.fetch(
            "select s.tenant_id, s.id, s.schedule, s.next_due_at, t.time_zone,"
            " coalesce((select max(r.finished_at) from sync_run r where r.tenant_id = s.tenant_id and r.sync_id = s.id"
            "  and r.mode = 'reconcile' and not r.dry_run and r.state in ('succeeded', 'partially_failed')),"
            "  s.created_at) < clock_timestamp() - make_interval(days => (s.reconcile ->> 'every_days')::int)"
            " as compares"
            " from sync s join tenant t on t.id = s.tenant_id"
            " where s.enabled and s.state = 'active' and s.next_due_at <= clock_timestamp()"
            " order by s.next_due_at limit 500"
        )
        started = 0
        for sync in due:
            started += await _start_due(database, queue, sync)
        waiting = await runs.open_runs(connection)
    for run in waiting:
        await queue.ring(run["tenant_id"], run["id"])
    return started, len(waiting)


async def _start_due(database: Database, queue: Queue, sync: asyncpg.Record) -> bool:
    """Queue the run that is due and say when the next one is; missed times become one run. Now and then it compares
    both sides whole."""
    now = datetime.now(UTC)
    try:
        schedule = parse_schedule(sync["schedule"])
        quiet = in_quiet_hours(schedule, now, sync["time_zone"])
        due = quiet if quiet is not None else next_due(schedule, sync["next_due_at"], sync["time_zone"], now=now)
        if not await _advance(database, sync, due):
            return False
        if quiet is not None:
            return False
        mode = "reconcile" if sync["compares"] else "delta"
        row, _ = await start_run(database, sync["tenant_id"], sync["id"], mode=mode, trigger="schedule")
    except (NoSuchSync, SyncNotReady, InvalidDefinition) as error:
        log.warning("sync.not_started", sync_id=str(sync["id"]), error=str(error))
        return False
    await queue.ring(sync["tenant_id"], row["id"])
    return True


async def _advance(database: Database, sync: asyncpg.Record, due: datetime | None) -> bool:
    """Move the next due time, unless somebody else has."""
    async with database.transaction(sync["tenant_id"]) as connection:
        moved = await connection.fetchval(
            "update sync set next_due_at = $3 where tenant_id = $1 and id = $2 and next_due_at = $4 returning true",
            sync["tenant_id"],
            sync["id"],
            due,
            sync["next_due_at"],
        )
        return bool(moved)


async def keep_house(database: Database, retention: timedelta) -> None:
    """Make audit partitions ahead; drop change pages and settled intents that are past retention."""
    async with database.system() as connection:
        await connection.execute("select pg_advisory_xact_lock($1)", HOUSE_LOCK)  # workers start together
        for months in range(MONTHS_AHEAD + 1):
            await connection.execute(
                "select mlc_make_audit_month((current_date + make_interval(months => $1))::date)", months
            )
        tenants = [row["id"] for row in await connection.fetch("select id from tenant")]
    for tenant_id in tenants:
        await _forget_old(database, tenant_id, datetime.now(UTC) - retention)


async def _forget_old(database: Database, tenant_id: UUID, before: datetime) -> None:
    async with database.transaction(tenant_id) as connection:
        await reconciling.forget_old(connection, tenant_id)
        await connection.execute("delete from change_page where tenant_id = $1 and created_at < $2", tenant_id, before)
        await connection.execute(
            "delete from batch where tenant_id = $1 and created_at < least($2, clock_timestamp() - interval '1 day')",
            tenant_id,
            before,
        )
        await connection.execute(
            "delete from idempotency_key where tenant_id = $1 and created_at < clock_timestamp() - interval '48 hours'",
            tenant_id,
        )


def jitter(seconds: float) -> float:
    """Around `seconds`, so that workers do not sweep in step."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # no secret
