"""Stored events take effect: opt-outs lower the mirror, everything is noted. Nobody is ever raised, X3 is not asked."""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from app.connections.keys import keys_of
from app.connections.vault import CannotOpen, TenantKeys, Vault
from app.connectors.mailchimp.deliveries import (
    MALFORMED,
    Delivery,
    Malformed,
    audience_delivery,
    malformed,
    read_form,
    transactional_event,
)
from app.db import audiences, audit, consent, suppression, webhooks
from app.db.engine import Database, savepoint
from app.db.webhooks import BODY
from app.domain.consent import is_opted_out
from app.domain.member import subscriber_hash
from app.webhooks.paths import TRANSACTIONAL

log = structlog.get_logger(__name__)

PROCESS = "process_webhooks"
"""The job of workers/jobs.py that works off a tenant's events."""

ACTOR = "webhook"
AT_ONCE = 200
LONGEST_SECONDS = 45.0
_FORM = "application/x-www-form-urlencoded"
_TOLD = frozenset({"subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign", "malformed"})
_BATCH_DONE = "batch_operation_completed"
_NO_EFFECT = UUID(int=0)


class Event(msgspec.Struct):
    """A stored event, opened. outcome: applied, known, stale (opt-outs); logged; malformed; foreign (another audience's
    event on this path); forgotten (about somebody who was erased); unreadable; failed."""

    row: Mapping[str, Any]
    delivery: Delivery | None
    audience_id: UUID | None = None
    outcome: str = "logged"

    @property
    def hash(self) -> bytes | None:
        email = self.delivery.email if self.delivery is not None else None
        return subscriber_hash(email) if email is not None else None


async def process(database: Database, vault: Vault, tenant_id: UUID) -> int:
    """Work off a tenant's events, in transactions of 200; how many there were. May be interrupted anywhere."""
    began, done = time.monotonic(), 0
    keys = await keys_of(database, vault, tenant_id)
    if keys is None:
        return 0
    while time.monotonic() - began < LONGEST_SECONDS:
        async with database.transaction(tenant_id) as connection:
            count = await _some(connection, keys, tenant_id)
        done += count
        if count < AT_ONCE:
            break
    if done:
        log.info("webhook_events.processed", tenant_id=str(tenant_id), count=done)
    return done


async def _some(connection: asyncpg.Connection, keys: TenantKeys, tenant_id: UUID) -> int:
    rows = await webhooks.take(connection, tenant_id, AT_ONCE)
    if not rows:
        return 0
    events = [Event(row, _opened(keys, row)) for row in rows]
    await _name_audiences(connection, tenant_id, events)
    await _drop_erased(connection, tenant_id, events)
    # In the order in which pages and pulls write the mirror, so that none waits for another in a circle.
    await _effects(connection, tenant_id, sorted(events, key=lambda e: (e.audience_id or _NO_EFFECT, e.hash or b"")))
    ids = [event.row["id"] for event in events]
    states = ["failed" if event.outcome in ("failed", "unreadable") else "processed" for event in events]
    await webhooks.processed(connection, tenant_id, ids, states, [event.outcome for event in events])
    await audit.append(connection, tenant_id, [told for event in events for told in _audited(event)])
    return len(rows)


def _opened(keys: TenantKeys, row: Mapping[str, Any]) -> Delivery | None:
    try:
        body = keys.open(row["body"] or b"", row["id"], BODY)
    except CannotOpen:
        return None
    if row["type"] == MALFORMED:
        return malformed(body)
    try:
        if row["kind"] == TRANSACTIONAL:
            return transactional_event(body)
        return audience_delivery(read_form(_FORM, body), body)
    except Malformed:
        return None


async def _name_audiences(connection: asyncpg.Connection, tenant_id: UUID, events: list[Event]) -> None:
    """The mirror each event is about: that of its webhook's audience, if it says that it is about that one."""
    found: dict[tuple[UUID, str], UUID] = {}
    for event in events:
        row, said = event.row, event.delivery.list_id if event.delivery is not None else None
        if row["connection_id"] is None or row["list_id"] is None or said != row["list_id"]:
            continue
        place = (row["connection_id"], row["list_id"])
        if place not in found:
            found[place] = (await audiences.audience_row(connection, tenant_id, *place))["id"]
        event.audience_id = found[place]


async def _drop_erased(connection: asyncpg.Connection, tenant_id: UUID, events: list[Event]) -> None:
    """What is said of people who were erased is not kept."""
    named = {d for event in events for d in (event.row["subject"], event.row["former_subject"]) if d is not None}
    erased = await suppression.among(connection, tenant_id, list(named)) if named else set()
    gone = [e for e in events if e.row["body"] is None or {e.row["subject"], e.row["former_subject"]} & erased]
    for event in gone:
        event.outcome = "forgotten"
    await webhooks.drop_bodies(connection, tenant_id, [event.row["id"] for event in gone])


async def _effects(connection: asyncpg.Connection, tenant_id: UUID, events: Sequence[Event]) -> None:
    """All together; one by one, once more, when one of them cannot be applied: it must not hold up the others."""
    try:
        async with savepoint(connection):
            for event in events:
                await _effect(connection, tenant_id, event)
    except asyncpg.DataError:
        for event in events:
            await _effect_alone(connection, tenant_id, event)


async def _effect_alone(connection: asyncpg.Connection, tenant_id: UUID, event: Event) -> None:
    try:
        async with savepoint(connection):
            await _effect(connection, tenant_id, event)
    except asyncpg.DataError as error:
        log.error("webhook_event.failed", event_id=str(event.row["id"]), error=type(error).__name__)
        event.outcome = "failed"


async def _effect(connection: asyncpg.Connection, tenant_id: UUID, event: Event) -> None:
    if event.outcome == "forgotten":
        return
    if event.delivery is None:
        event.outcome = "unreadable"
    else:
        event.outcome = await _apply(connection, tenant_id, event, event.delivery)


async def _apply(connection: asyncpg.Connection, tenant_id: UUID, event: Event, delivery: Delivery) -> str:
    row, hash_, audience_id = event.row, event.hash, event.audience_id
    if delivery.type == MALFORMED:
        return "malformed"
    said_at = min(delivery.fired_at or row["created_at"], row["created_at"])
    if row["kind"] == TRANSACTIONAL:
        if delivery.seen is not None and hash_ is not None:
            await consent.note(
                connection, tenant_id, hash_, None, delivery.seen, None, TRANSACTIONAL, said_at, row["id"]
            )
        return "logged"
    if hash_ is None:
        return "logged"
    if audience_id is None:
        return "foreign"
    if delivery.seen is not None and is_opted_out(delivery.seen):
        return await audiences.lower(connection, tenant_id, audience_id, hash_, delivery.seen, said_at, row["id"])
    status, before = delivery.seen, await audiences.status_of(connection, tenant_id, audience_id, hash_)
    if delivery.former_email is not None:
        former = subscriber_hash(delivery.former_email)
        status = await audiences.status_of(connection, tenant_id, audience_id, former)
        await consent.note(connection, tenant_id, former, audience_id, "gone", status, ACTOR, said_at, row["id"])
    if status is not None:
        await consent.note(connection, tenant_id, hash_, audience_id, status, before, ACTOR, said_at, row["id"])
    return "logged"


def _audited(event: Event) -> list[audit.Event]:
    """One event in the trail, or two when it is about two addresses."""
    row = event.row
    detail = {
        "type": row["type"],
        "kind": row["kind"],
        "outcome": event.outcome,
        "signed": row["signed"],
        "webhook_id": str(row["webhook_id"]),
        "list_id": event.delivery.list_id if event.delivery is not None else None,
    }
    reason = event.delivery.reason if event.delivery is not None else None
    subjects = {row["subject"]: None, row["former_subject"]: None}
    named = [subject for subject in subjects if subject is not None] or [None]
    return [
        audit.Event(_action(row), ACTOR, row["id"], subject=subject, reason=reason, detail=detail) for subject in named
    ]


def _action(row: Mapping[str, Any]) -> str:
    if row["type"] == _BATCH_DONE:
        return "webhook.batch_completed"
    if row["kind"] == TRANSACTIONAL and row["type"] != MALFORMED:
        return "webhook.transactional"
    return f"webhook.{row['type']}" if row["type"] in _TOLD else "webhook.other"
