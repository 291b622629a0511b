"""Carry an erasure: stores, audiences, then everything of ours; once more when calls may have been on their way."""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from app.connections.keys import keys_of
from app.connections.opening import Opener
from app.db import audit, erasures
from app.db.erasures import EMAIL
from app.domain.errors import ConnectorError, NeedsTenant, RecordRejected, Transient
from app.privacy import local, vendors
from app.privacy.local import PLACES, Search
from app.privacy.needle import Needle
from app.privacy.requesting import watch_runs

log = structlog.get_logger(__name__)

ERASE = "erase_person"
"""The job of workers/jobs.py that does this."""

ACTOR = "system"
LEASE_SECONDS = 300.0
SLICE_SECONDS = 45.0
SETTLING_SECONDS = 5.0
PUT_OFF_SECONDS = (30, 60, 300, 900, 3600)
STEPS = ("stores", "audiences", "local")


class Step(msgspec.Struct):
    """`done` lists what needs no second visit in this pass; `cursor` is where the place after them was left."""

    state: str = "waiting"
    erased: int = 0
    done: list[str] = []
    cursor: list[str] | None = None


class _Unfinished(Exception):
    """The slice is over; the rest follows in the next."""


class Erasing:
    """One erasure that has been claimed."""

    def __init__(self, opener: Opener, search: Search, row: Mapping[str, Any]) -> None:
        self.opener = opener
        self.search = search
        self.id: UUID = row["id"]
        self.passes: int = row["passes"]
        self.attempt: int = row["attempt"]
        self.steps = {name: msgspec.convert(row["steps"].get(name, {}), Step) for name in STEPS}
        self.again: bool = row["steps"].get("again", True)
        self._began = time.monotonic()

    async def carry(self) -> None:
        """All steps that are not done. Raises ConnectorError, or _Unfinished after 45 s."""
        tenant_id = self.search.tenant_id
        for name, listing, erase in (
            ("stores", vendors.stores, vendors.erase_in_store),
            ("audiences", vendors.audiences, vendors.erase_in_audience),
        ):
            async with self.opener.database.transaction(tenant_id) as connection:
                places = await listing(connection, tenant_id)
            for place in places:
                label = f"{place.connection_id}/{place.name}"
                if label not in self.steps[name].done:
                    count = await erase(self.opener, self.search.keys, tenant_id, place, self.search.needle)
                    await self._done(name, label, count)
            await self._finished(name)
        for label, walk in PLACES.items():
            if label not in self.steps["local"].done:
                await self._walk(label, walk)
        await self._finished("local")

    async def _walk(self, label: str, walk: local.Walk) -> None:
        step = self.steps["local"]
        while True:
            async with self.opener.database.transaction(self.search.tenant_id) as connection:
                progress = await walk(connection, self.search, step.cursor)
                step.erased += progress.erased
                step.cursor = progress.cursor
                if progress.cursor is None:
                    step.done.append(label)
                await self._save(connection)
            if progress.cursor is None:
                return
            if time.monotonic() - self._began > SLICE_SECONDS:
                raise _Unfinished

    async def _done(self, name: str, label: str, count: int) -> None:
        step = self.steps[name]
        step.erased += count
        step.done.append(label)
        async with self.opener.database.transaction(self.search.tenant_id) as connection:
            await self._save(connection)

    async def _finished(self, name: str) -> None:
        self.steps[name].state = "done"
        async with self.opener.database.transaction(self.search.tenant_id) as connection:
            await self._save(connection)

    async def _save(self, connection: asyncpg.Connection) -> None:
        await erasures.save(connection, self.search.tenant_id, self.id, self.stored(), LEASE_SECONDS)

    def stored(self) -> dict[str, Any]:
        return {**msgspec.to_builtins(self.steps), "again": self.again}

    def anew(self) -> None:
        """Every place is visited once more."""
        self.steps = {name: Step(erased=step.erased) for name, step in self.steps.items()}


async def erase(opener: Opener, tenant_id: UUID, erasure_id: UUID, *, settle_seconds: float) -> str:
    """Carry one erasure as far as possible: not_claimed, sliced, waiting, settling or done. May be interrupted
    anywhere and repeated; every step is.
    """
    database = opener.database
    async with database.transaction(tenant_id) as connection:
        row = await erasures.claim(connection, tenant_id, erasure_id, LEASE_SECONDS)
        if row is not None and row["attempt"] == 1:
            await watch_runs(connection, tenant_id, erasure_id)
    keys = await keys_of(database, opener.vault, tenant_id)
    if row is None or keys is None:
        return "not_claimed"
    needle = Needle(keys.open(row["email"], erasure_id, EMAIL).decode())
    erasing = Erasing(opener, Search(tenant_id, erasure_id, keys, needle, row["subject"]), row)
    if erasing.passes > 1 or row["attempt"] == 1:
        landed = await _landed(opener, tenant_id, erasure_id, settle_seconds)
        if erasing.passes > 1 and not landed:
            await _put_off(erasing, "settling", None, SETTLING_SECONDS)
            return "settling"
        erasing.again = not landed
    try:
        await erasing.carry()
    except _Unfinished:
        await _put_off(erasing, "erasing", None, 0)
        return "sliced"
    except ConnectorError as error:
        await _put_off(erasing, "waiting", _why(error), _delay(erasing.attempt, error))
        log.warning("erasure.waits", erasure_id=str(erasure_id), code=error.code)
        return "waiting"
    if erasing.passes == 1 and erasing.again:
        erasing.anew()
        erasing.passes = 2
        await _put_off(erasing, "settling", None, SETTLING_SECONDS)
        return "settling"
    await _finish(erasing)
    return "done"


async def _landed(opener: Opener, tenant_id: UUID, erasure_id: UUID, settle_seconds: float) -> bool:
    """Whether nothing that was decided before the suppression can still arrive: the runs of then have ended their
    slice, and calls of theirs that were never answered are past the settle time."""
    async with opener.database.transaction(tenant_id) as connection:
        under_way = await connection.fetchval(
            "select exists(select from erasure e cross join lateral jsonb_to_recordset(e.watched)"
            " as w(id uuid, fence bigint) join sync_run r on r.tenant_id = $1 and r.id = w.id and r.fence = w.fence"
            " where e.tenant_id = $1 and e.id = $2 and r.state = 'running' and r.lease_until > clock_timestamp())"
            " or exists(select from batch b join erasure e on e.tenant_id = $1 and e.id = $2"
            " where b.tenant_id = $1 and b.state = 'sending' and b.sent_at < e.created_at + interval '5 minutes'"
            " and b.sent_at > clock_timestamp() - make_interval(secs => $3))",
            tenant_id,
            erasure_id,
            settle_seconds,
        )
    return not under_way


def _why(error: ConnectorError) -> str:
    return error.message if isinstance(error, NeedsTenant | Transient | RecordRejected) else "It is tried again."


def _delay(attempt: int, error: ConnectorError) -> float:
    wait = PUT_OFF_SECONDS[min(attempt, len(PUT_OFF_SECONDS)) - 1]
    return max(getattr(error, "retry_after", None) or 0, wait)


async def _put_off(erasing: Erasing, state: str, reason: str | None, seconds: float) -> None:
    search = erasing.search
    async with erasing.opener.database.transaction(search.tenant_id) as connection:
        await erasures.put_off(
            connection,
            search.tenant_id,
            erasing.id,
            state,
            reason,
            seconds,
            passes=erasing.passes,
            steps=erasing.stored(),
        )


async def _finish(erasing: Erasing) -> None:
    search = erasing.search
    detail = {name: step.erased for name, step in erasing.steps.items()}
    async with erasing.opener.database.transaction(search.tenant_id) as connection:
        await erasures.finish(connection, search.tenant_id, erasing.id, erasing.stored())
        event = audit.Event("erasure.completed", ACTOR, erasing.id, subject=search.subject, detail=detail)
        await audit.append(connection, search.tenant_id, [event])
    log.info("erasure.done", erasure_id=str(erasing.id), **detail)


async def due(opener: Opener) -> Sequence[tuple[UUID, UUID]]:
    """(tenant, erasure) that somebody should take up."""
    async with opener.database.system() as connection:
        return await erasures.due(connection)
