"""Webhooks: secret paths (keyed hash only) and the events they brought, sealed until retention drops them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from app.db.base import Row, instant
from app.db.engine import Database


class Webhook(Row, table=True):
    """One registration we keep alive. kind: audience (`list_id` set), batch, transactional.

    state: registering (not announced to the vendor yet), ok, needs_attention.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "kind", "list_id", postgresql_nulls_not_distinct=True),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connection.tenant_id", "connection.id"], ondelete="CASCADE"
        ),
    )

    connection_id: UUID
    kind: str
    list_id: str | None = None
    state: str = "registering"
    state_reason: str | None = None
    checked_at: datetime | None = instant(nullable=True)
    updated_at: datetime = instant(default_now=True)


class WebhookPath(Row, table=True):
    """One secret path of a webhook. `key_id` is its public part, `secret_hash` is keyed by the tenant; `remote_id` is
    the vendor's id of the registration that names it. The one without `expires_at` is current.

    `signing_secret` is sealed (field "webhook_path.signing_secret", row = the path's id).
    """

    __tablename__ = "webhook_path"
    __table_args__ = (
        UniqueConstraint("key_id"),
        ForeignKeyConstraint(["tenant_id", "webhook_id"], ["webhook.tenant_id", "webhook.id"], ondelete="CASCADE"),
        Index("ix_webhook_path_webhook_id", "tenant_id", "webhook_id"),
    )

    webhook_id: UUID
    key_id: str
    secret_hash: bytes = Field(sa_type=LargeBinary)
    base_url: str  # MLC_PUBLIC_URL when it was announced
    remote_id: str | None = None
    signing_secret: bytes | None = Field(default=None, sa_type=LargeBinary)
    expires_at: datetime | None = instant(nullable=True)
    last_used_at: datetime | None = instant(nullable=True)


SIGNING_SECRET = "webhook_path.signing_secret"  # noqa: S105  # a vault field's name
BODY = "webhook_event.body"


class WebhookEvent(Row, table=True):
    """One event. `body` is sealed (field "webhook_event.body"), null once retention or an erasure dropped it;
    `subject` and `former_subject` are the keyed digests of the addresses it names. state: received, processed, failed.
    """

    __tablename__ = "webhook_event"
    __table_args__ = (
        UniqueConstraint("tenant_id", "dedup"),
        Index("ix_webhook_event_newest", "tenant_id", "created_at", "id"),
        Index(
            "ix_webhook_event_subject",
            "tenant_id",
            "subject",
            "created_at",
            postgresql_where=text("subject is not null"),
        ),
        Index(
            "ix_webhook_event_former_subject",
            "tenant_id",
            "former_subject",
            "created_at",
            postgresql_where=text("former_subject is not null"),
        ),
        Index("ix_webhook_event_received", "tenant_id", "created_at", postgresql_where=text("state = 'received'")),
    )

    webhook_id: UUID
    kind: str
    type: str
    list_id: str | None = None
    fired_at: datetime | None = instant(nullable=True)
    dedup: bytes = Field(sa_type=LargeBinary)
    subject: bytes | None = Field(default=None, sa_type=LargeBinary)
    former_subject: bytes | None = Field(default=None, sa_type=LargeBinary)
    body: bytes | None = Field(default=None, sa_type=LargeBinary)
    signed: bool
    deliveries: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    state: str = Field(default="received", sa_column_kwargs={"server_default": text("'received'")})
    outcome: str | None = None  # see app/webhooks/processing.py
    processed_at: datetime | None = instant(nullable=True)


async def find_paths(database: Database, key_ids: Sequence[str]) -> dict[str, asyncpg.Record]:
    """The live paths of any tenants with these public parts. One round trip: the function runs as the system role."""
    rows = await database.pool.fetch(
        "select k.key_id, p.* from unnest($1::varchar[]) as k(key_id) cross join lateral mlc_find_path(k.key_id) as p",
        key_ids,
    )
    return {row["key_id"]: row for row in rows}


class Arrival(NamedTuple):
    """An event to store, in the order of STORE's arrays."""

    id: UUID
    type: str
    list_id: str | None
    fired_at: datetime | None
    dedup: bytes
    subject: bytes | None
    former_subject: bytes | None
    body: bytes  # sealed


# A path may have ended, or its signing secret changed, since the caller looked it up: then nothing is stored.
STORE = (
    "select case when exists(select from mlc_find_path($15) where signing_secret is not distinct from $16)"
    " then mlc_store_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) end"
)


class Place(NamedTuple):
    """Where events belong: a live path of a webhook, as it was looked up. `signing_secret` is sealed."""

    tenant_id: UUID
    webhook_id: UUID
    path_id: UUID
    kind: str
    key_id: str
    signing_secret: bytes | None


async def store(database: Database, place: Place, arrivals: Sequence[Arrival], *, note_use: bool) -> int | None:
    """Keep events (distinct by dedup), committed when this returns; one that is there already only counts up. How many
    are new; None when the path is no longer what `place` says, and nothing was stored.

    One round trip: the functions run as the system role, which finds paths, and as the tenants' role, for this tenant.
    """
    columns = map(list, zip(*arrivals, strict=True))
    signed = place.signing_secret is not None
    where, proof = place[:3], place[4:]
    new: int | None = await database.pool.fetchval(STORE, *where, note_use, place.kind, signed, *columns, *proof)
    return new


async def take(connection: asyncpg.Connection, tenant_id: UUID, limit: int) -> Sequence[asyncpg.Record]:
    """The oldest events nobody has looked at, locked until the transaction ends."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "select e.id, e.webhook_id, e.kind, e.type, e.created_at, e.body, e.subject, e.former_subject, e.signed,"
        " w.connection_id, w.list_id from webhook_event e"
        " left join webhook w on w.tenant_id = $1 and w.id = e.webhook_id"
        " where e.tenant_id = $1 and e.state = 'received' order by e.created_at, e.id limit $2"
        " for update of e skip locked",
        tenant_id,
        limit,
    )
    return rows


async def processed(
    connection: asyncpg.Connection, tenant_id: UUID, ids: Sequence[UUID], states: Sequence[str], outcomes: Sequence[str]
) -> None:
    """What became of these events."""
    await connection.execute(
        "update webhook_event e set state = d.state, outcome = d.outcome, processed_at = clock_timestamp()"
        " from unnest($2::uuid[], $3::varchar[], $4::varchar[]) as d(id, state, outcome)"
        " where e.tenant_id = $1 and e.id = d.id",
        tenant_id,
        ids,
        states,
        outcomes,
    )


async def drop_bodies(connection: asyncpg.Connection, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """These events name somebody who was erased: what they say, and of whom, goes."""
    if ids:
        await connection.execute(
            "update webhook_event set body = null, subject = null, former_subject = null"
            " where tenant_id = $1 and id = any($2)",
            tenant_id,
            ids,
        )


async def tenants_with_events(connection: asyncpg.Connection) -> Sequence[UUID]:
    """Tenants whose events wait; for the sweeper, as the system role."""
    rows = await connection.fetch("select distinct tenant_id from webhook_event where state = 'received' limit 1000")
    return [row["tenant_id"] for row in rows]


async def due_checks(connection: asyncpg.Connection, every_seconds: float) -> Sequence[asyncpg.Record]:
    """Webhooks that nobody has compared with the vendor lately; for the sweeper, as the system role."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "select tenant_id, id from webhook where kind <> 'transactional' and coalesce(checked_at, created_at)"
        " < clock_timestamp() - make_interval(secs => $1) order by checked_at nulls first limit 500",
        every_seconds,
    )
    return rows


async def claim_check(connection: asyncpg.Connection, tenant_id: UUID, webhook_id: UUID, every_seconds: float) -> bool:
    """Whether the caller is to check this webhook now; nobody else will for `every_seconds`."""
    mine = await connection.fetchval(
        "update webhook set checked_at = clock_timestamp() where tenant_id = $1 and id = $2"
        " and coalesce(checked_at, created_at) < clock_timestamp() - make_interval(secs => $3) returning true",
        tenant_id,
        webhook_id,
        every_seconds,
    )
    return bool(mine)


async def forget_old(
    connection: asyncpg.Connection, tenant_id: UUID, bodies_before: datetime, rows_before: datetime
) -> None:
    """Retention: bodies and who they were about go first, the bare events later."""
    await connection.execute(
        "update webhook_event set body = null, subject = null, former_subject = null"
        " where tenant_id = $1 and created_at < $2 and body is not null and state <> 'received'",
        tenant_id,
        bodies_before,
    )
    await connection.execute(
        "delete from webhook_event where tenant_id = $1 and created_at < $2 and state <> 'received'",
        tenant_id,
        rows_before,
    )


def new_path(tenant_id: UUID, webhook_id: UUID, key_id: str, secret_hash: bytes, base_url: str) -> WebhookPath:
    """A path that nobody has announced yet."""
    return WebhookPath(
        tenant_id=tenant_id,
        id=uuid4(),
        webhook_id=webhook_id,
        key_id=key_id,
        secret_hash=secret_hash,
        base_url=base_url,
    )
