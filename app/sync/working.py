"""One slice of one run, from the claim to its end: what a worker's job does."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from app.connections.opening import Opener
from app.db import runs
from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient
from app.domain.schedule import in_quiet_hours, parse_schedule
from app.sync import ending, store_syncing
from app.sync.braking import brake_of
from app.sync.bulk_settling import settle_left_behind
from app.sync.observing import SILENT, Observer
from app.sync.opened import Halted, LeaseLost, OpenRun, Pace
from app.sync.order_braking import check_order_brake
from app.sync.order_opening import open_orders
from app.sync.orders import carry_orders
from app.sync.preparing import Loaded, load, open_run, settings_digest_of
from app.sync.queue import Queue
from app.sync.run import carry

log = structlog.get_logger(__name__)

OWNER = f"{socket.gethostname()}:{os.getpid()}"
WATCH_SECONDS = 2.0  # how soon a request to cancel is seen
GRACE_SECONDS = 5.0  # for pages already on their way, before a cancelled run is cut off


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a worker works with."""

    opener: Opener
    queue: Queue
    pace: Pace
    observer: Observer = SILENT
    draining: asyncio.Event = field(default_factory=asyncio.Event)  # the process is about to stop
    is_full: Callable[[], bool] = lambda: True  # so that another run would have to wait for the end of a slice


async def work(shop: Workshop, tenant_id: UUID, run_id: UUID) -> str:
    """Take up a run if it is to be had, carry one slice of it, and say how that ended.

    Answers: not_claimed, ended (in whichever state), put_off, sliced, halted, lost.
    """
    database = shop.opener.database
    async with database.transaction(tenant_id) as connection:
        if await _is_quiet(connection, tenant_id, run_id):
            return "not_claimed"
        row = await runs.claim(connection, tenant_id, run_id, OWNER, shop.pace.lease_seconds)
    if row is None:
        return "not_claimed"
    structlog.contextvars.bind_contextvars(
        tenant_id=str(tenant_id), sync_id=str(row["sync_id"]), run_id=str(run_id), fence=row["fence"]
    )
    log.info("run.claimed", mode=row["mode"], attempt=row["attempt"], taken_over=row["taken_over"])
    shop.observer.claimed(row["taken_over"])
    result, began = "broken", time.monotonic()
    try:
        result = await _slice(shop, tenant_id, row)
        if result == "ended":
            await store_syncing.finish(shop.opener, tenant_id)
            await _ring_next(shop, tenant_id, row["sync_id"])
        return result
    except LeaseLost:
        log.warning("run.lost")
        result = "lost"
        return result
    finally:
        shop.observer.sliced(result, time.monotonic() - began)
        structlog.contextvars.unbind_contextvars("tenant_id", "sync_id", "run_id", "fence")


async def _ring_next(shop: Workshop, tenant_id: UUID, sync_id: UUID) -> None:
    """Whoever was rung for the run that follows found this one still under way."""
    async with shop.opener.database.transaction(tenant_id) as connection:
        following = await runs.next_of(connection, tenant_id, sync_id)
    if following is not None:
        await shop.queue.ring(tenant_id, following)


async def _is_quiet(connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID) -> bool:
    """Whether the sync's quiet hours forbid to read X3 now; the run, or its next slice, then waits for their end."""
    found = await runs.schedule_of(connection, tenant_id, run_id)
    if found is None:
        return False
    schedule, time_zone = found
    until = in_quiet_hours(parse_schedule(schedule), datetime.now(UTC), time_zone)
    if until is not None:
        local = until.astimezone(ZoneInfo(time_zone))
        reason = f"Waiting for the end of the quiet hours at {local:%H:%M}: Sage X3 is not to be read until then."
        await runs.hold_back(connection, tenant_id, run_id, until, reason)
    return until is not None


async def _slice(shop: Workshop, tenant_id: UUID, row: Mapping[str, Any]) -> str:
    database = shop.opener.database
    if row["cancel_requested"]:
        await ending.cancel(database, tenant_id, row)
        return _ended(shop, "cancelled")
    try:
        return await Watch(shop, tenant_id, row).over(_carried)
    except Exception as raised:
        error = worst(raised)
    if isinstance(error, LeaseLost):
        raise LeaseLost
    if isinstance(error, Halted):
        await ending.halt(database, tenant_id, row, error)
        log.warning("run.halted", code=error.code)
        return "halted"
    if isinstance(error, NeedsTenant) and await ending.signed_in_since(database, tenant_id, row, error):
        error = Transient(error.code, "The connection was signed in to again meanwhile.")
    if isinstance(error, NeedsTenant | ProtocolMismatch):
        await ending.fail(database, tenant_id, row, error)
        log.warning("run.failed", code=error.code, detail=error.detail)
        return _ended(shop, "failed")
    return await _later(shop, tenant_id, row, error)


def _ended(shop: Workshop, state: str) -> str:
    shop.observer.finished(state)
    return "ended"


async def _later(shop: Workshop, tenant_id: UUID, row: Mapping[str, Any], error: BaseException) -> str:
    """Something passing, or something of ours: try again, the later the more often nothing moved."""
    if not isinstance(error, Transient):
        log.error("run.broke", error=type(error).__name__, exc_info=error)
        error = Transient("internal_error", "Something unexpected stopped the run; it is tried again.")
    delay = await ending.put_off(shop.opener.database, tenant_id, row, error, shop.pace.put_off_seconds)
    log.warning("run.put_off" if delay is not None else "run.failed", code=error.code, delay_seconds=delay)
    return "put_off" if delay is not None else _ended(shop, "failed")


def worst(raised: BaseException) -> BaseException:
    """The error that decides: of several at once, the one whose consequence is the strictest."""
    if not isinstance(raised, BaseExceptionGroup):
        return raised
    order = (LeaseLost, Halted, NeedsTenant, ProtocolMismatch)
    leaves = [worst(inner) for inner in raised.exceptions]
    return min(leaves, key=lambda leaf: next((i for i, kind in enumerate(order) if isinstance(leaf, kind)), len(order)))


async def _carried(watch: "Watch") -> str:
    shop, tenant_id, row = watch.shop, watch.tenant_id, watch.row
    loaded = await load(shop.opener, tenant_id, row)
    carried = _orders_carried if loaded.sync.stream == "invoices" else _members_carried
    run, finished = await carried(watch, loaded)
    database = shop.opener.database
    if run.cancelled:
        await ending.cancel(database, tenant_id, row)
        return _ended(shop, "cancelled")
    if not finished:
        async with database.transaction(tenant_id) as connection:
            await runs.release(connection, tenant_id, run.run_id, run.fence)
        await shop.queue.ring(tenant_id, run.run_id)
        return "sliced"
    done = await ending.succeed(
        database,
        tenant_id,
        run.row,
        watermark=run.row["start_mark"] if run.whole and not run.dry else None,
        settings=settings_digest_of(run.sync),
    )
    counts = {name: done[f"n_{name}"] for name in ("read", "created", "updated", "unchanged", "skipped", "rejected")}
    log.info("run.finished", state=done["state"], **counts)
    return _ended(shop, done["state"])


async def _members_carried(watch: "Watch", loaded: Loaded) -> tuple[OpenRun, bool]:
    """The run, and whether nothing of it is left."""
    shop = watch.shop
    run = watch.run = await open_run(shop.opener, shop.pace, watch.tenant_id, watch.row, loaded)
    run.observer = shop.observer
    await settle_left_behind(run, shop.opener.batch_desk(loaded.keys, loaded.target))
    run.brake = await brake_of(run)
    return run, await carry(run)


async def _orders_carried(watch: "Watch", loaded: Loaded) -> tuple[OpenRun, bool]:
    """The same for a run of invoices."""
    shop = watch.shop
    opened = await open_orders(shop.opener, shop.pace, watch.tenant_id, watch.row, loaded)
    run = watch.run = opened.run
    run.observer = shop.observer
    await settle_left_behind(run, shop.opener.batch_desk(loaded.keys, loaded.target))
    await check_order_brake(opened)
    return run, await carry_orders(opened)


class Watch:
    """Extends the lease while a slice works; ends it when the lease is lost or somebody cancels."""

    def __init__(self, shop: Workshop, tenant_id: UUID, row: Mapping[str, Any]) -> None:
        self.shop, self.tenant_id, self.row = shop, tenant_id, row
        self.run: OpenRun | None = None
        self._valid_until = time.monotonic() + shop.pace.lease_seconds

    async def over(self, work: Callable[["Watch"], Coroutine[Any, Any, str]]) -> str:
        """The work's answer. Raises what it raised, or LeaseLost."""
        task = asyncio.create_task(work(self))
        beat = asyncio.create_task(self._beat(task))
        try:
            await asyncio.wait({task, beat}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await self._stop(task)
                beat.result()
                await ending.cancel(self.shop.opener.database, self.tenant_id, self.row)
                return _ended(self.shop, "cancelled")
            return task.result()
        finally:
            for each in (task, beat):
                each.cancel()
            await asyncio.gather(task, beat, return_exceptions=True)

    async def _stop(self, task: asyncio.Task[str]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _beat(self, task: asyncio.Task[str]) -> None:
        """Returns when a cancel was asked for and the work did not end by itself soon; raises LeaseLost."""
        pace = self.shop.pace
        while True:
            await asyncio.sleep(min(pace.heartbeat_seconds, WATCH_SECONDS))
            if self.run is not None and self.shop.draining.is_set():
                self.run.stopping = True
            beat = await self._told()
            if self.run is not None:
                self.run.may_go_on = beat is not None and not beat.awaited and not self.shop.is_full()
            if beat is not None and beat.cancel_requested:
                if self.run is not None:
                    self.run.cancelled = self.run.stopping = True
                await asyncio.wait({task}, timeout=GRACE_SECONDS)
                return

    async def _told(self) -> runs.Beat | None:
        """The lease is extended; None when the database cannot be asked. Raises LeaseLost."""
        database, pace = self.shop.opener.database, self.shop.pace
        try:
            async with database.transaction(self.tenant_id) as connection:
                answer = await runs.beat(
                    connection, self.tenant_id, self.row["id"], self.row["fence"], pace.lease_seconds
                )
        except (asyncpg.PostgresError, OSError, TimeoutError):
            if time.monotonic() > self._valid_until:
                raise LeaseLost from None
            return None
        if answer is None:
            raise LeaseLost
        self._valid_until = time.monotonic() + pace.lease_seconds
        return answer
