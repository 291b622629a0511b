"""What is so and what is said of it, read at once for one tenant or for all."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from app.alerts.finding import of_connection, of_halted_run, of_sync
from app.db import alert_channels, alert_deliveries, alerts, watching
from app.domain.alerting import (
    LEAST_READ,
    MOST_CREDENTIAL_DAYS,
    Finding,
    Standing,
    Step,
    Thresholds,
    Told,
    Watcher,
    decide,
)


class View(NamedTuple):
    """One tenant. `watched` are the syncs somebody wants to run."""

    findings: Sequence[Finding] = ()
    alerts: Sequence[Standing] = ()
    watchers: Sequence[Watcher] = ()
    watched: frozenset[UUID] = frozenset()

    def steps(self) -> list[Step]:
        return decide(self.findings, self.alerts, self.watchers)


Rows = defaultdict[UUID, list[asyncpg.Record]]


async def views(connection: asyncpg.Connection, tenant_id: UUID | None) -> dict[UUID, View]:
    """By tenant; None asks for all, as the system role.

    Alerts are read before the state they are held against, so that one opened in between by somebody else is not
    taken for one that is over.
    """
    said = _by(await alerts.standing(connection, tenant_id))
    told = _by(await alert_deliveries.told(connection, tenant_id), "alert_id")
    channels = _by(await alert_channels.watching(connection, tenant_id))
    syncs = _by(await watching.syncs(connection, tenant_id, LEAST_READ))
    halted = _by(await watching.halted_runs(connection, tenant_id))
    ending = _by(await watching.ending_connections(connection, tenant_id, MOST_CREDENTIAL_DAYS))
    now = datetime.now(UTC)
    return {
        id_: View(
            [
                *(finding for row in syncs[id_] for finding in of_sync(row, now)),
                *(of_halted_run(row) for row in halted[id_]),
                *(of_connection(row, now) for row in ending[id_]),
            ],
            [_standing(row, told[row["id"]]) for row in said[id_]],
            [_watcher(row) for row in channels[id_]],
            frozenset(row["id"] for row in syncs[id_] if row["is_watched"]),
        )
        for id_ in {*said, *syncs, *halted, *ending}
    }


def _by(rows: Iterable[asyncpg.Record], name: str = "tenant_id") -> Rows:
    found: Rows = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found


def _standing(row: asyncpg.Record, told: Sequence[asyncpg.Record]) -> Standing:
    plain = {name: value for name, value in row.items() if name != "tenant_id"}
    return Standing(**plain, told={each["channel_id"]: Told(each["seq"], each["phase"]) for each in told})


def _watcher(row: asyncpg.Record) -> Watcher:
    scope = None if row["sync_ids"] is None else frozenset(map(UUID, row["sync_ids"]))
    return Watcher(row["id"], frozenset(row["events"]), msgspec.convert(row["thresholds"], Thresholds), scope)
