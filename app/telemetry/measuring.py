"""What is true of the whole system, read from Postgres for one page of metrics: a few index scans, no personal data.

Every API process shows the same numbers, so rules take their maximum and never add them up.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from time import monotonic
from typing import Any

import asyncpg
import msgspec
import structlog
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from app.db.engine import Database
from app.domain.errors import InvalidDefinition
from app.domain.rhythm import longest_gap
from app.domain.schedule import parse_schedule

log = structlog.get_logger(__name__)

LONGEST_SECONDS = 3.0
KEPT_SECONDS = 5.0  # the page needs no key, so asking for it often must cost the database nothing

_RUN_STATES = ("queued", "running", "halted")
_SYNC_STATES = ("active", "paused", "needs_attention")
_CONNECTION_STATES = ("ok", "unverified", "needs_authorization", "needs_attention")

# In two parts, since each state has its own partial index: finished runs are never looked at.
RUNS = """
select state, count(*) as n,
       count(*) filter (where state = 'running' and lease_until < clock_timestamp()) as orphaned,
       extract(epoch from clock_timestamp() - min(greatest(queued_at, not_before)) filter (where state = 'queued'
         and not exists (select from sync_run o where o.tenant_id = r.tenant_id and o.sync_id = r.sync_id
                         and o.state in ('running', 'halted')))) as age
  from sync_run r where state in ('queued', 'running') group by 1
union all
select state, count(*), 0, null from sync_run where state = 'halted' group by 1
"""
SYNCS = """
select s.tenant_id::text, s.id::text as sync_id, s.stream, s.state, s.enabled, s.schedule, t.time_zone,
       extract(epoch from clock_timestamp() - coalesce(s.watermark, s.created_at)) as age
  from sync s join tenant t on t.id = s.tenant_id
"""
DEAD_LETTERS = """
select tenant_id::text, sync_id::text, count(*) as n from dead_letter where state = 'open' group by 1, 2
"""
CONNECTIONS = """
select tenant_id::text, id::text, system, state,
       extract(epoch from clock_timestamp() - (facts->>'token_renewed_at')::timestamptz) as token_age
  from connection
"""
WAITING = """
select (select extract(epoch from clock_timestamp() - min(created_at))
          from webhook_event where state = 'received') as lag,
       (select count(*) from webhook_event where state = 'received') as events,
       (select extract(epoch from clock_timestamp() - min(created_at))
          from erasure where finished_at is null) as erasure
"""


class Measuring:
    """Measures at most once in KEPT_SECONDS, whoever asks how often."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._kept: tuple[float, list[Metric]] | None = None

    async def families(self) -> list[Metric]:
        """The families as measured just now, or only `mlc_database_measured` 0 when Postgres does not answer."""
        async with self._lock:
            if self._kept is None or monotonic() - self._kept[0] > KEPT_SECONDS:
                self._kept = (monotonic(), await self._measured())
            return self._kept[1]

    async def _measured(self) -> list[Metric]:
        good = _gauge("mlc_database_measured", "1 when the gauges below could be read from Postgres")
        try:
            async with asyncio.timeout(LONGEST_SECONDS), self._database.system() as connection:
                families = [family for part in _PARTS for family in await part(connection)]
        except Exception as error:  # what this process counted itself is still worth telling
            log.warning("metrics.database_failed", error=type(error).__name__)
            good.add_metric((), 0)
            return [good]
        good.add_metric((), 1)
        return [good, *families]


def _gauge(name: str, help_: str, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, labels=list(labels))


async def _runs(connection: asyncpg.Connection) -> list[Metric]:
    rows: Mapping[str, Any] = {row["state"]: row for row in await connection.fetch(RUNS)}
    states = _gauge("mlc_runs", "Runs that are not finished", ("state",))
    for state in _RUN_STATES:
        states.add_metric((state,), rows[state]["n"] if state in rows else 0)
    orphaned = _gauge("mlc_orphaned_runs", "Running runs whose holder let its lease run out")
    orphaned.add_metric((), rows["running"]["orphaned"] if "running" in rows else 0)
    age = _gauge("mlc_queue_age_seconds", "Age of the oldest queued run that a worker could take up")
    age.add_metric((), max(0, float(rows["queued"]["age"] or 0)) if "queued" in rows else 0)
    return [states, orphaned, age]


async def _syncs(connection: asyncpg.Connection) -> list[Metric]:
    states = _gauge("mlc_syncs", "Syncs by state", ("state",))
    labels = ("tenant_id", "sync_id", "stream")
    freshness = _gauge("mlc_sync_freshness_seconds", "Age of the watermark of an active sync with a schedule", labels)
    period = _gauge("mlc_sync_period_seconds", "Longest time between two due times of such a sync", labels)
    letters = _gauge("mlc_dead_letters_open", "Open dead letters", ("tenant_id", "sync_id"))
    counts = dict.fromkeys(_SYNC_STATES, 0)
    for row in await connection.fetch(SYNCS):
        counts[row["state"]] = counts.get(row["state"], 0) + 1
        gap = gap_seconds(msgspec.json.encode(row["schedule"]), row["time_zone"], datetime.now(UTC).date().toordinal())
        if row["enabled"] and row["state"] == "active" and gap is not None:
            which = (row["tenant_id"], row["sync_id"], row["stream"])
            freshness.add_metric(which, max(0, float(row["age"])))
            period.add_metric(which, gap)
    for state, count in counts.items():
        states.add_metric((state,), count)
    for row in await connection.fetch(DEAD_LETTERS):
        letters.add_metric((row["tenant_id"], row["sync_id"]), row["n"])
    return [states, freshness, period, letters]


@lru_cache(maxsize=4096)
def gap_seconds(schedule: bytes, time_zone: str, day: int) -> float | None:
    """The longest pause a schedule makes from that day on (its ordinal); None when it is manual."""
    after = datetime.fromordinal(day).replace(tzinfo=UTC)
    try:
        gap = longest_gap(parse_schedule(msgspec.json.decode(schedule)), after, time_zone)
    except InvalidDefinition:
        return None
    return gap.total_seconds() if gap is not None else None


async def _connections(connection: asyncpg.Connection) -> list[Metric]:
    states = _gauge("mlc_connections", "Connections by system and state", ("system", "state"))
    ages = _gauge(
        "mlc_token_age_seconds", "Time since a connection's token pair was last renewed", ("tenant_id", "connection_id")
    )
    counts = {(system, state): 0 for system in ("sage_x3", "mailchimp") for state in _CONNECTION_STATES}
    for row in await connection.fetch(CONNECTIONS):
        kind = (row["system"], row["state"])
        counts[kind] = counts.get(kind, 0) + 1
        if row["token_age"] is not None:
            ages.add_metric((row["tenant_id"], row["id"]), max(0, float(row["token_age"])))
    for kind, count in counts.items():
        states.add_metric(kind, count)
    return [states, ages]


async def _waiting(connection: asyncpg.Connection) -> list[Metric]:
    row = await connection.fetchrow(WAITING)
    lag = _gauge("mlc_webhook_lag_seconds", "Age of the oldest webhook event that is not processed")
    lag.add_metric((), max(0, float(row["lag"] or 0)))
    events = _gauge("mlc_webhook_events_waiting", "Webhook events that are not processed")
    events.add_metric((), row["events"])
    erasure = _gauge("mlc_erasure_age_seconds", "Age of the oldest erasure that is not finished")
    erasure.add_metric((), max(0, float(row["erasure"] or 0)))
    return [lag, events, erasure]


_PARTS = (_runs, _syncs, _connections, _waiting)
