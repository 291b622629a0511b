"""Rows of syncs, runs and connections become findings."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from app.domain import alert_sentences as say
from app.domain.alerting import Finding, Measures
from app.domain.lateness import rhythm_of, waking_time


def of_sync(row: asyncpg.Record, now: datetime) -> Iterator[Finding]:
    """What is to say of a sync; nothing when nobody wants it to run."""
    if not row["is_watched"]:
        return
    if row["state"] == "needs_attention":
        yield _about(row, "sync.needs_attention", say.needs_attention(row["name"], row["state_reason"]), row["run_id"])
    if row["run_state"] == "failed":
        yield _about(row, "run.failed", say.failed(row["name"], row["run_reason"]), row["run_id"])
    if row["weighed"] is not None:
        yield from _rejections(row)
    if row["state"] == "active" and not row["is_first_load"]:
        yield from _staleness(row, now)


def _about(
    row: asyncpg.Record, kind: str, sentence: str, run_id: UUID | None = None, measures: Measures | None = None
) -> Finding:
    return Finding(
        kind,  # type: ignore[arg-type]  # one of KINDS, spelt out by the callers
        row["id"],
        row["name"],
        sentence,
        frozenset((row["id"],)),
        sync_id=row["id"],
        run_id=run_id,
        measures=measures or Measures(),
    )


def _rejections(row: asyncpg.Record) -> Iterator[Finding]:
    run_id, read, rejected = row["weighed"]
    if rejected:
        sentence = say.rejections(row["name"], read, rejected)
        yield _about(row, "run.rejections", sentence, UUID(run_id), Measures(read=read, rejected=rejected))


def _staleness(row: asyncpg.Record, now: datetime) -> Iterator[Finding]:
    schedule = msgspec.json.encode(row["schedule"])
    rhythm = rhythm_of(schedule, row["time_zone"], now.date().toordinal())
    late = waking_time(rhythm, row["fresh_at"], now).total_seconds()
    period = rhythm.period.total_seconds() if rhythm.period is not None else None
    sentence = say.stale(row["name"], row["fresh_at"], rhythm.period)
    yield _about(row, "sync.stale", sentence, None, Measures(stale_seconds=late, period_seconds=period))


def of_halted_run(row: asyncpg.Record) -> Finding:
    """A run that its brake stopped."""
    return Finding(
        "run.halted",
        row["id"],
        row["name"],
        say.halted(row["name"], row["reason"]),
        frozenset((row["sync_id"],)),
        sync_id=row["sync_id"],
        run_id=row["id"],
    )


def of_connection(row: asyncpg.Record, now: datetime) -> Finding:
    """A connection whose access is about to end, or has ended."""
    lost = row["state"] == "needs_authorization"
    sentence = say.lost(row["name"], row["state_reason"]) if lost else say.expiring(row["name"], row["ends"])
    left = None if lost else (row["ends"] - now).total_seconds()
    return Finding(
        "credential.expiring",
        row["id"],
        row["name"],
        sentence,
        frozenset(row["syncs"]),
        connection_id=row["id"],
        measures=Measures(left_seconds=left),
    )
