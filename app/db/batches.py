"""What was about to be sent, written before it is sent."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, text
from sqlmodel import Field

from app.db.base import Row, instant


class Batch(Row, table=True):
    """`members` are what is in flight: per member (or order) 16 bytes of hash and 16 of fingerprint, joined;
    `audience_id` is the audience, or the store, that they are of. A row stays `sending` until every page it carries is
    remembered, one of operations until Mailchimp has finished it; after a crash its members are of unknown outcome
    until the settle time has passed."""

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "run_id"], ["sync_run.tenant_id", "sync_run.id"], ondelete="CASCADE"),
        Index(
            "uq_batch_bulk",
            "tenant_id",
            "connection_id",
            unique=True,
            postgresql_where=text("kind = 'bulk' and state = 'sending'"),
        ),
        Index("ix_batch_sending", "tenant_id", "audience_id", postgresql_where=text("state = 'sending'")),
    )

    run_id: UUID
    fence: int = Field(sa_type=BigInteger)
    audience_id: UUID
    kind: str  # insert | update | bulk (a batch of operations; `vendor_id` is Mailchimp's)
    state: str = "sending"  # sending | done
    members: bytes = Field(sa_type=LargeBinary)
    sent_at: datetime = instant(default_now=True)
    done_at: datetime | None = instant(nullable=True)
    connection_id: UUID | None = None  # of bulk ones: one is under way at a time
    vendor_id: str | None = None


ANNOUNCE = """
    insert into batch (tenant_id, id, run_id, fence, audience_id, kind, state, members)
    select $1, $2, $3, $4, $5, $6, 'sending', $7
    where exists (select from sync_run where tenant_id = $1 and id = $3 and fence = $4 and state = 'running')
    returning true
"""
ELSEWHERE = """
    select members from batch
    where tenant_id = $1 and audience_id = $2 and state = 'sending' and (run_id <> $3 or fence <> $4)
      and (kind = 'bulk' or (kind = 'update' and sent_at > clock_timestamp() - make_interval(secs => $5)))
"""


def packed(members: Iterable[tuple[bytes, bytes]]) -> bytes:
    """(hash, fingerprint) pairs as they are stored."""
    return b"".join(part for pair in members for part in pair)


def unpacked(blobs: Iterable[bytes]) -> dict[bytes, bytes]:
    """hash -> fingerprint of every member in these blobs."""
    return {blob[i : i + 16]: blob[i + 16 : i + 32] for blob in blobs for i in range(0, len(blob), 32)}


async def announce(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    batch_id: UUID,
    run_id: UUID,
    fence: int,
    audience_id: UUID,
    kind: str,
    members: bytes,
) -> bool:
    """Write down what is about to be sent; False when the run is no longer ours and nothing may be sent."""
    made = await connection.fetchval(ANNOUNCE, tenant_id, batch_id, run_id, fence, audience_id, kind, members)
    return bool(made)


async def in_flight_elsewhere(
    connection: asyncpg.Connection, tenant_id: UUID, audience_id: UUID, run_id: UUID, fence: int, settle_seconds: float
) -> dict[bytes, bytes]:
    """Members whose change another run, or an earlier holder of this one, may still be carrying out, with the
    fingerprint sent. Locks the audience for this transaction, so two announcements never overlook each other."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", str(audience_id))
    rows = await connection.fetch(ELSEWHERE, tenant_id, audience_id, run_id, fence, settle_seconds)
    return unpacked(row["members"] for row in rows)


async def conflicting(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    audience_id: UUID,
    run_id: UUID,
    fence: int,
    settle_seconds: float,
    members: Iterable[tuple[bytes, bytes]],
) -> bool:
    """Whether somebody else may still be changing one of these (hash, fingerprint) members into something else; the
    same change may be sent again. Locks as in_flight_elsewhere()."""
    elsewhere = await in_flight_elsewhere(connection, tenant_id, audience_id, run_id, fence, settle_seconds)
    return any(elsewhere.get(hash_, print_) != print_ for hash_, print_ in members)


async def left_by_earlier_holder(
    connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, fence: int
) -> tuple[dict[bytes, bytes], datetime | None]:
    """New members that an earlier holder of this run may have made without remembering, and when it began."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "select members, sent_at from batch where tenant_id = $1 and run_id = $2 and fence < $3"
        " and state = 'sending' and kind = 'insert'",
        tenant_id,
        run_id,
        fence,
    )
    return unpacked(row["members"] for row in rows), min((row["sent_at"] for row in rows), default=None)


async def settle(connection: asyncpg.Connection, tenant_id: UUID, batch_ids: Sequence[UUID]) -> None:
    """Everything these batches carried is remembered."""
    if batch_ids:
        await connection.execute(
            "update batch set state = 'done', done_at = clock_timestamp() where tenant_id = $1 and id = any($2)",
            tenant_id,
            batch_ids,
        )


async def settle_inserts(connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID) -> None:
    """The run has ended: what earlier holders of it may have inserted is accounted for. Their changes stay open until
    the settle time has passed, since one of them may still arrive."""
    await connection.execute(
        "update batch set state = 'done', done_at = clock_timestamp()"
        " where tenant_id = $1 and run_id = $2 and state = 'sending' and kind = 'insert'",
        tenant_id,
        run_id,
    )


async def announce_bulk(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    batch_id: UUID,
    run_id: UUID,
    fence: int,
    target: UUID,
    connection_id: UUID,
    members: bytes,
) -> bool:
    """As announce(), for a batch of operations by way of a connection; `target` is an audience or a store."""
    made = await connection.fetchval(
        "insert into batch (tenant_id, id, run_id, fence, audience_id, kind, state, members, connection_id)"
        " select $1, $2, $3, $4, $5, 'bulk', 'sending', $6, $7"
        " where exists (select from sync_run where tenant_id = $1 and id = $3 and fence = $4 and state = 'running')"
        " returning true",
        tenant_id,
        batch_id,
        run_id,
        fence,
        target,
        members,
        connection_id,
    )
    return bool(made)


async def bulk_under_way(connection: asyncpg.Connection, tenant_id: UUID, connection_id: UUID) -> bool:
    """Whether a Mailchimp connection has a batch of operations under way. Locks it for this transaction, so two
    announcements never overlook each other."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 1))", str(connection_id))
    found = await connection.fetchval(
        "select exists (select from batch"
        " where tenant_id = $1 and connection_id = $2 and kind = 'bulk' and state = 'sending')",
        tenant_id,
        connection_id,
    )
    return bool(found)


async def note_vendor_id(connection: asyncpg.Connection, tenant_id: UUID, batch_id: UUID, vendor_id: str) -> None:
    """Mailchimp has taken the batch."""
    await connection.execute(
        "update batch set vendor_id = $3 where tenant_id = $1 and id = $2", tenant_id, batch_id, vendor_id
    )


async def sent_at(connection: asyncpg.Connection, tenant_id: UUID, batch_id: UUID) -> datetime:
    """When the batch was announced, by the database's clock."""
    at: datetime = await connection.fetchval(
        "select sent_at from batch where tenant_id = $1 and id = $2", tenant_id, batch_id
    )
    return at


async def bulk_left_behind(
    connection: asyncpg.Connection, tenant_id: UUID, connection_id: UUID, run_id: UUID, fence: int
) -> Sequence[asyncpg.Record]:
    """Batches of operations of a connection whose holder no longer works on them: id, vendor_id, members, sent_at."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "select b.id, b.vendor_id, b.members, b.sent_at from batch b"
        " where b.tenant_id = $1 and b.connection_id = $2 and b.kind = 'bulk' and b.state = 'sending'"
        " and (b.run_id <> $3 or b.fence <> $4) and not exists (select from sync_run r where r.tenant_id = $1"
        "  and r.id = b.run_id and r.fence = b.fence and r.state = 'running' and r.lease_until > clock_timestamp())",
        tenant_id,
        connection_id,
        run_id,
        fence,
    )
    return rows


async def close_bulk(connection: asyncpg.Connection, tenant_id: UUID, batch_id: UUID, *, finished: bool) -> None:
    """Nothing of it is to come any more; a stopped one counts as single changes that may still arrive. Whoever closes
    it first decides."""
    await connection.execute(
        "update batch set state = case when $3 then 'done' else state end, kind = case when $3 then kind else 'update'"
        " end, sent_at = case when $3 then sent_at else clock_timestamp() end, done_at = clock_timestamp()"
        " where tenant_id = $1 and id = $2 and kind = 'bulk' and state = 'sending'",
        tenant_id,
        batch_id,
        finished,
    )
