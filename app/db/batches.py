"""What was about to be sent, written before it is sent."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, text
from sqlmodel import Field

from app.db.base import Row, instant


class Batch(Row, table=True):
    """`members` are what is in flight: per member 16 bytes of hash and 16 of fingerprint, joined. A row stays
    `sending` until every page it carries is remembered; after a crash its members are of unknown outcome until the
    settle time has passed."""

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "run_id"], ["sync_run.tenant_id", "sync_run.id"], ondelete="CASCADE"),
        Index("ix_batch_sending", "tenant_id", "audience_id", postgresql_where=text("state = 'sending'")),
    )

    run_id: UUID
    fence: int = Field(sa_type=BigInteger)
    audience_id: UUID
    kind: str  # insert | update
    state: str = "sending"  # sending | done
    members: bytes = Field(sa_type=LargeBinary)
    sent_at: datetime = instant(default_now=True)
    done_at: datetime | None = instant(nullable=True)


ANNOUNCE = """
    insert into batch (tenant_id, id, run_id, fence, audience_id, kind, state, members)
    select $1, $2, $3, $4, $5, $6, 'sending', $7
    where exists (select from sync_run where tenant_id = $1 and id = $3 and fence = $4 and state = 'running')
    returning true
"""
ELSEWHERE = """
    select members from batch
    where tenant_id = $1 and audience_id = $2 and state = 'sending' and kind = 'update'
      and (run_id <> $3 or fence <> $4) and sent_at > clock_timestamp() - make_interval(secs => $5)
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
