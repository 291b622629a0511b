"""The consent ledger: every status ever seen or set for a person, and why."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import LargeBinary, text
from sqlmodel import Field, SQLModel

from app.db.base import instant


class ConsentEvent(SQLModel, table=True):
    """`status` is what was seen or set, `before` what the mirror held until then (null: nothing), `said_at` when
    Mailchimp says it happened. Rows are only added; an erasure removes those of its person.

    cause: mirror_pull, webhook, transactional (Mandrill), or what a run of ours did: insert, update, move, merge,
    move_unrefused (of a member that we had made unsubscribed: nobody has refused), restore, archive, unsubscribe,
    refusal, store_customer. `audience_id` is null for transactional mail.
    """

    __tablename__ = "consent_event"
    __table_args__ = ({"postgresql_partition_by": "HASH (tenant_id)"},)

    tenant_id: UUID = Field(primary_key=True)
    member_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    id: UUID = Field(
        default_factory=uuid4, primary_key=True, sa_column_kwargs={"server_default": text("gen_random_uuid()")}
    )
    at: datetime = instant(default_now=True)
    audience_id: UUID | None = None
    status: str
    before: str | None = None
    cause: str
    said_at: datetime | None = instant(nullable=True)
    run_id: UUID | None = None
    webhook_event_id: UUID | None = None


# The last that is known of each member.
LAST = """
    select distinct on (member_hash) member_hash, status, before, cause from consent_event
    where tenant_id = $1 and audience_id = $2 and member_hash = any($3) order by member_hash, at desc
"""
MOVED_UNREFUSED = "move_unrefused"
NOTE = """
    insert into consent_event (tenant_id, member_hash, audience_id, status, before, cause, said_at, webhook_event_id)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def note(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    member_hash: bytes,
    audience_id: UUID | None,
    status: str,
    before: str | None,
    cause: str,
    said_at: datetime | None,
    webhook_event_id: UUID | None,
) -> None:
    """One status that somebody told us of. Changes of the mirror are noted by the statements of db/audiences.py."""
    await connection.execute(
        NOTE, tenant_id, member_hash, audience_id, status, before, cause, said_at, webhook_event_id
    )


async def of_person(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    member_hash: bytes,
    *,
    before: tuple[datetime, UUID] | None = None,
    limit: int,
) -> Sequence[asyncpg.Record]:
    """A person's entries, newest first, with Mailchimp's id of the audience; `before` is the last one seen."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "select c.id, c.at, c.status, c.before, c.cause, c.said_at, c.run_id, c.webhook_event_id, a.list_id"
        " from consent_event c left join audience a on a.tenant_id = $1 and a.id = c.audience_id"
        " where c.tenant_id = $1 and c.member_hash = $2 and ($3::timestamptz is null or (c.at, c.id) < ($3, $4))"
        " order by c.at desc, c.id desc limit $5",
        tenant_id,
        member_hash,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return rows


async def forget(connection: asyncpg.Connection, tenant_id: UUID, member_hash: bytes) -> int:
    """Remove a person's entries; how many there were."""
    rows = await connection.fetch(
        "delete from consent_event where tenant_id = $1 and member_hash = $2 returning id", tenant_id, member_hash
    )
    return len(rows)


async def vacated(
    connection: asyncpg.Connection, tenant_id: UUID, audience_id: UUID, hashes: Collection[bytes]
) -> set[bytes]:
    """Those of these addresses that had refused when their member left them, to another address or altogether; nothing
    has happened there since."""
    rows = await connection.fetch(
        f"select member_hash from ({LAST}) last"
        " where status = 'gone' and before in ('unsubscribed', 'cleaned') and cause <> $4",
        tenant_id,
        audience_id,
        list(hashes),
        MOVED_UNREFUSED,
    )
    return {row["member_hash"] for row in rows}


async def born_unsubscribed(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    audience_id: UUID,
    hashes: Collection[bytes],
    marked: Collection[bytes],
) -> set[bytes]:
    """Those of these unsubscribed or archived members that we made unsubscribed, and whose person has said nothing
    since. A `marked` one is known to be made by us although the answer of that call was lost."""
    rows = await connection.fetch(
        f"select member_hash from ({LAST}) last"
        " where status = 'unsubscribed' and cause in ('insert', 'restore', $5)"
        " or status = 'unsubscribed' and cause = 'mirror_pull' and before is null and member_hash = any($4)"
        " or status = 'archived' and before = 'unsubscribed' and cause in ('archive', 'merge')",
        tenant_id,
        audience_id,
        list(hashes),
        list(marked),
        MOVED_UNREFUSED,
    )
    return {row["member_hash"] for row in rows}


async def archived_by_us(
    connection: asyncpg.Connection, tenant_id: UUID, audience_id: UUID, hashes: Collection[bytes]
) -> set[bytes]:
    """Those of these archived members whose archiving was our own doing, the last thing that happened to them."""
    rows = await connection.fetch(
        f"select member_hash from ({LAST}) last where status = 'archived' and cause in ('archive', 'merge')",
        tenant_id,
        audience_id,
        list(hashes),
    )
    return {row["member_hash"] for row in rows}
