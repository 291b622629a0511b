"""What happened to the person behind a record outside of it: webhooks, statuses seen and set, an erasure."""

from collections.abc import Collection
from uuid import UUID

import asyncpg

from app.api.schemas.records import TimelineEvent
from app.api.schemas.runs import FieldChange
from app.connections.vault import TenantKeys
from app.db import audit, consent
from app.domain.member import subscriber_hash
from app.webhooks.receiving import subject_of

MOST = 1000


async def person_events(
    connection: asyncpg.Connection, keys: TenantKeys, tenant_id: UUID, email: str, own_runs: Collection[UUID | None]
) -> list[TimelineEvent]:
    """Unsorted; `fields.status` of a consent event says what was known before and after, its actor is the cause.
    What `own_runs` did is told by the record's own events already."""
    told = await audit.of_person(connection, tenant_id, subject_of(keys, email) or b"", limit=MOST)
    seen = await consent.of_person(connection, tenant_id, subscriber_hash(email), limit=MOST)
    others = [row for row in seen if row["cause"] == "mirror_pull" or row["run_id"] not in {*own_runs} - {None}]
    return [_told(row, email) for row in told] + [_seen(row, email) for row in others]


def _told(row: asyncpg.Record, email: str) -> TimelineEvent:
    return TimelineEvent(
        at=row["at"],
        action=row["action"],
        actor=row["actor"],
        run_id=None,
        mapping_version=None,
        decision=(row["detail"] or {}).get("outcome"),
        email=email,
        fields=None,
        warnings=[],
        reason=row["reason"],
    )


def _seen(row: asyncpg.Record, email: str) -> TimelineEvent:
    return TimelineEvent(
        at=row["at"],
        action="consent.noted",
        actor=row["cause"],
        run_id=row["run_id"],
        mapping_version=None,
        decision=None,
        email=email,
        fields={"status": FieldChange(before=row["before"], after=row["status"])},
        warnings=[],
        reason=None,
    )
