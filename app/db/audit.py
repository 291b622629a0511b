"""The audit trail: append-only, hash-chained per tenant, without personal data."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from app.db.base import document, instant
from app.db.columns import blob_column, blobs, text_column, texts

canonical = msgspec.json.Encoder().encode
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AuditHead(SQLModel, table=True):
    """End of a tenant's chain; locked by whoever appends."""

    __tablename__ = "audit_head"

    tenant_id: UUID = Field(primary_key=True)
    seq: int = Field(default=0, sa_type=BigInteger)
    hash: bytes = Field(sa_type=LargeBinary)


class AuditEvent(SQLModel, table=True):
    """One thing that happened. `subject` is the keyed digest of an address; `page` points into ChangePage.

    hash = SHA-256(previous hash | canonical JSON of this row): see link() below.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_code", "tenant_id", "code", "seq"),
        Index("ix_audit_event_run", "tenant_id", "run_id", "seq"),
        # What happened to a person outside of any record: webhooks, erasures. Rows of runs stay out of it.
        Index(
            "ix_audit_event_subject",
            "tenant_id",
            "subject",
            "seq",
            postgresql_where=text("code is null and subject is not null"),
        ),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    tenant_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(primary_key=True, sa_type=instant().sa_type)
    actor: str  # "run", "key:<id>", "operator", "system"
    action: str  # noun.past_tense
    object_id: UUID | None = None
    sync_id: UUID | None = None
    run_id: UUID | None = None
    page: int | None = None
    code: str | None = None
    subject: bytes | None = Field(default=None, sa_type=LargeBinary)
    reason: str | None = None
    detail: dict[str, Any] | None = document(nullable=True)
    hash: bytes = Field(sa_type=LargeBinary)


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event to append; the chain gives it its number, time and hash."""

    action: str
    actor: str
    object_id: UUID | None = None
    sync_id: UUID | None = None
    run_id: UUID | None = None
    page: int | None = None
    code: str | None = None
    subject: bytes | None = None
    reason: str | None = None
    detail: dict[str, Any] | None = None


class Verdict(msgspec.Struct, frozen=True):
    """Result of checking a chain; `first_broken` is the first sequence number that does not fit."""

    ok: bool
    events: int
    head: str
    first_broken: int | None


GENESIS = b"\x00" * 32
LOCK_HEAD = """
    insert into audit_head (tenant_id, seq, hash) values ($1, 0, $2)
    on conflict (tenant_id) do update set seq = audit_head.seq
    returning seq, hash, clock_timestamp() as at
"""
APPEND = f"""
    with moved as (update audit_head set seq = $14, hash = $15 where tenant_id = $1)
    insert into audit_event (tenant_id, at, actor, sync_id, run_id, page,
                             seq, action, object_id, code, subject, reason, detail, hash)
    select $1, $2, $3, $4, $5, $6,
           $7::bigint + e.n, e.action, e.object_id::uuid, e.code, {blob_column(11, 16)}, e.reason, e.detail::jsonb,
           {blob_column(16, 32)}
    from unnest({text_column(8)}, {text_column(9)}, {text_column(10)}, {text_column(12)}, {text_column(13)})
         with ordinality as e(action, object_id, code, reason, detail, n)
"""


def common(at: datetime, event: Event) -> bytes:
    """Canonical bytes of what the events of one append share."""
    microseconds = (at - EPOCH) // timedelta(microseconds=1)
    return canonical((microseconds, event.actor, event.sync_id, event.run_id, event.page))


def link(previous: bytes, shared: bytes, seq: int, event: Event, detail: str | None) -> bytes:
    """Hash of an event behind `previous`: SHA-256 over it, the shared bytes and the event's own canonical JSON, as it
    is stored: blank texts are null, see app/db/columns.py."""
    own = canonical(
        (seq, event.action, event.object_id, event.code or None, event.subject, event.reason or None, detail)
    )
    return sha256(previous + shared + own).digest()


def detail_text(detail: Mapping[str, Any] | None) -> str | None:
    """A detail's canonical JSON: keys sorted, since jsonb keeps no order."""
    return None if detail is None else msgspec.json.encode(detail, order="sorted").decode()


async def append(connection: asyncpg.Connection, tenant_id: UUID, events: Sequence[Event]) -> None:
    """Append events in one transaction of the caller's; all must share actor, sync, run and page.

    Locks the tenant's head, so events of a tenant are numbered without gaps in commit order.
    """
    if not events:
        return
    head = await connection.fetchrow(LOCK_HEAD, tenant_id, GENESIS)
    seq, previous, at = head["seq"], head["hash"], head["at"]
    first = events[0]
    shared = common(at, first)
    details = [detail_text(e.detail) for e in events]
    hashes = []
    for number, (event, detail) in enumerate(zip(events, details, strict=True), seq + 1):
        previous = link(previous, shared, number, event, detail)
        hashes.append(previous)
    await connection.execute(
        APPEND,
        tenant_id,
        at,
        first.actor,
        first.sync_id,
        first.run_id,
        first.page,
        seq,
        texts([e.action for e in events]),
        texts([str(e.object_id) if e.object_id else None for e in events]),
        texts([e.code for e in events]),
        blobs([e.subject for e in events], 16),
        texts([e.reason for e in events]),
        texts(details),
        seq + len(events),
        previous,
        b"".join(hashes),
    )


async def of_person(
    connection: asyncpg.Connection, tenant_id: UUID, subject: bytes, *, limit: int
) -> Sequence[asyncpg.Record]:
    """The newest events about a person that belong to no record: webhooks, erasures."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "select at, action, actor, reason, detail from audit_event"
        " where tenant_id = $1 and subject = $2 and code is null order by seq desc limit $3",
        tenant_id,
        subject,
        limit,
    )
    return rows


async def verify_chain(connection: asyncpg.Connection, tenant_id: UUID) -> Verdict:
    """Walk a tenant's chain from its oldest kept event to its head, inside the caller's transaction.

    Any edit, removal, reordering or cut tail shows; a trail whose oldest months were dropped by retention is
    checked from the first event that remains.
    """
    head = await connection.fetchrow("select seq, hash from audit_head where tenant_id = $1", tenant_id)
    if head is None:
        stray = await connection.fetchval("select count(*) from audit_event where tenant_id = $1", tenant_id)
        return Verdict(stray == 0, 0, GENESIS.hex(), 1 if stray else None)
    previous, expected, count = GENESIS, 1, 0
    async for row in connection.cursor(
        "select * from audit_event where tenant_id = $1 order by seq", tenant_id, prefetch=2000
    ):
        if count == 0 and row["seq"] > 1:
            expected, previous = row["seq"], b""
        if row["seq"] != expected or (previous and not _fits(previous, row)):
            return Verdict(False, count, head["hash"].hex(), expected)
        previous, expected, count = row["hash"], expected + 1, count + 1
    if expected - 1 != head["seq"] or (count and previous != head["hash"]):
        return Verdict(False, count, head["hash"].hex(), expected)
    return Verdict(True, count, head["hash"].hex(), None)


def _fits(previous: bytes, row: Mapping[str, Any]) -> bool:
    event = event_of(row)
    return bool(link(previous, common(row["at"], event), row["seq"], event, detail_text(event.detail)) == row["hash"])


def event_of(row: Mapping[str, Any]) -> Event:
    """The event a stored row stands for."""
    detail = row["detail"]
    return Event(
        row["action"],
        row["actor"],
        row["object_id"],
        row["sync_id"],
        row["run_id"],
        row["page"],
        row["code"],
        row["subject"],
        row["reason"],
        msgspec.json.decode(detail) if isinstance(detail, str) else detail,
    )
