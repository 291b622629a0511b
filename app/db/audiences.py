"""The audience mirror: who Mailchimp knows, and with which status."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import ForeignKeyConstraint, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.db.base import Row, instant
from app.db.columns import blob_column, blobs, text_column, texts
from app.domain.consent import OPEN_STATUSES, is_opted_out


class Audience(Row, table=True):
    """`pulled_through`: every change Mailchimp recorded before this instant is in the mirror; null = never pulled."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "list_id"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connection.tenant_id", "connection.id"], ondelete="CASCADE"
        ),
    )

    connection_id: UUID
    list_id: str
    pulled_through: datetime | None = instant(nullable=True)
    pulled_whole_at: datetime | None = instant(nullable=True)
    pull_claimed_at: datetime | None = instant(nullable=True)  # when a worker last set out to pull it


class AudienceMember(SQLModel, table=True):
    """One member of one audience. status: subscribed, pending, transactional, unsubscribed, cleaned, archived,
    or forgotten (permanently deleted: can never come back by API)."""

    __tablename__ = "audience_member"
    __table_args__ = ({"postgresql_partition_by": "HASH (tenant_id)"},)

    tenant_id: UUID = Field(primary_key=True)
    audience_id: UUID = Field(primary_key=True)
    member_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    status: str
    last_changed: datetime | None = instant(nullable=True)


async def audience_row(
    connection: asyncpg.Connection, tenant_id: UUID, connection_id: UUID, list_id: str
) -> asyncpg.Record:
    """The mirror's row of one audience, made when it is the first time."""
    row = await connection.fetchrow(
        "insert into audience (tenant_id, id, connection_id, list_id) values ($1, gen_random_uuid(), $2, $3)"
        " on conflict (tenant_id, connection_id, list_id) do update set list_id = excluded.list_id"
        " returning id, pulled_through, pulled_whole_at",
        tenant_id,
        connection_id,
        list_id,
    )
    assert row is not None  # noqa: S101  # an upsert always returns
    return row


_OPEN = ", ".join(f"'{status}'" for status in OPEN_STATUSES)

# One statement for a whole page: the mirror's rows, and a ledger entry for every status that is not the one known.
MIRROR = f"""
    with e as materialized (
        select {blob_column(3, 16)} as hash, e.status, e.changed, coalesce(e.cause, $8) as cause
        from unnest({text_column(4)}, $5::timestamptz[], {text_column(6)}) with ordinality
            as e(status, changed, cause, n)),
    b as materialized (
        select member_hash, status from audience_member
        where tenant_id = $1 and audience_id = $2 and member_hash = any(array(select hash from e))),
    noted as (
        insert into consent_event (tenant_id, member_hash, audience_id, status, before, cause, said_at, run_id)
        select $1, e.hash, $2, e.status, b.status, e.cause, e.changed, $7 from e left join b on b.member_hash = e.hash
        where b.status is distinct from e.status and ($9 or b.status is null or b.status in ({_OPEN})
                                                      or e.status not in ({_OPEN})))
    insert into audience_member as m (tenant_id, audience_id, member_hash, status, last_changed)
    select $1, $2, e.hash, e.status, e.changed from e
    on conflict (tenant_id, audience_id, member_hash) do update
        set status = excluded.status, last_changed = coalesce(excluded.last_changed, m.last_changed)
        where (m.status is distinct from excluded.status or excluded.last_changed > m.last_changed)
          and ($9 or m.status in ({_OPEN}) or excluded.status not in ({_OPEN}))
"""


async def mirror(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    audience_id: UUID,
    hashes: Sequence[bytes],
    statuses: Sequence[str],
    changed: Sequence[datetime | None] | None = None,
    *,
    causes: Sequence[str] | str = "mirror_pull",
    run_id: UUID | None = None,
    may_open: bool = True,
) -> None:
    """Note what Mailchimp said of these members (distinct hashes); a status we did not know goes into the consent
    ledger with its cause (one for all, or one each).

    Unless it `may_open`, what was closed meanwhile stays so: a webhook told of it while the call was on its way.
    """
    if hashes:
        await connection.execute(
            MIRROR,
            tenant_id,
            audience_id,
            blobs(hashes, 16),
            texts(statuses),
            changed,
            None if isinstance(causes, str) else texts(causes),
            run_id,
            causes if isinstance(causes, str) else None,
            may_open,
        )


async def forget_members(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    audience_id: UUID,
    hashes: Sequence[bytes],
    *,
    cause: str = "move",
    run_id: UUID | None = None,
) -> None:
    """Members that Mailchimp no longer has under these addresses; the consent ledger says so."""
    await connection.execute(
        "with gone as (delete from audience_member where tenant_id = $1 and audience_id = $2 and member_hash = any($3)"
        " returning member_hash, status) insert into consent_event"
        " (tenant_id, member_hash, audience_id, status, before, cause, run_id)"
        " select $1, member_hash, $2, 'gone', status, $4, $5 from gone",
        tenant_id,
        audience_id,
        hashes,
        cause,
        run_id,
    )


# An event can make us more careful, never less, and nothing older than what is known changes it.
LOWER = """
    with b as (select status from audience_member where tenant_id = $1 and audience_id = $2 and member_hash = $3),
    noted as (
        insert into consent_event (tenant_id, member_hash, audience_id, status, before, cause, said_at,
                                   webhook_event_id)
        values ($1, $3, $2, $4, (select status from b), 'webhook', $5, $6)),
    lowered as (
        insert into audience_member as m (tenant_id, audience_id, member_hash, status, last_changed)
        values ($1, $2, $3, $4, $5) on conflict (tenant_id, audience_id, member_hash) do update
            set status = excluded.status, last_changed = excluded.last_changed
            where m.status = any($7::varchar[]) and (m.last_changed is null or m.last_changed <= excluded.last_changed)
        returning true)
    select (select status from b) as before, exists(select from lowered) as lowered
"""


async def lower(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    audience_id: UUID,
    member_hash: bytes,
    status: str,
    said_at: datetime,
    webhook_event_id: UUID,
) -> str:
    """An opt-out that a webhook told of: applied, known (closed already) or stale (older than what is known)."""
    row = await connection.fetchrow(
        LOWER, tenant_id, audience_id, member_hash, status, said_at, webhook_event_id, list(OPEN_STATUSES)
    )
    if row["lowered"]:
        return "applied"
    return "known" if is_opted_out(row["before"]) else "stale"


async def status_of(
    connection: asyncpg.Connection, tenant_id: UUID, audience_id: UUID, member_hash: bytes
) -> str | None:
    """What the mirror says of one member; None when it has none."""
    status: str | None = await connection.fetchval(
        "select status from audience_member where tenant_id = $1 and audience_id = $2 and member_hash = $3",
        tenant_id,
        audience_id,
        member_hash,
    )
    return status


async def statuses_of(
    connection: asyncpg.Connection, tenant_id: UUID, audience_id: UUID, hashes: Sequence[bytes]
) -> dict[bytes, str]:
    """What the mirror says of these; who is not among the answers is no member."""
    rows = await connection.fetch(
        "select member_hash, status from audience_member where tenant_id = $1 and audience_id = $2"
        " and member_hash = any($3)",
        tenant_id,
        audience_id,
        hashes,
    )
    return {row["member_hash"]: row["status"] for row in rows}


async def pulled(
    connection: asyncpg.Connection, tenant_id: UUID, audience_id: UUID, through: datetime, *, whole: bool
) -> None:
    """The mirror now holds every change before `through`."""
    await connection.execute(
        "update audience set pulled_through = $3, pulled_whole_at = case when $4 then $3 else pulled_whole_at end"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        audience_id,
        through,
        whole,
    )


async def due_pulls(connection: asyncpg.Connection, every_seconds: float) -> Sequence[asyncpg.Record]:
    """Mirrors that have not been refreshed lately; for the sweeper, as the system role."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "select tenant_id, id from audience where pulled_through < clock_timestamp() - make_interval(secs => $1)"
        " and (pull_claimed_at is null or pull_claimed_at < clock_timestamp() - make_interval(secs => $1))"
        " order by pulled_through limit 500",
        every_seconds,
    )
    return rows


async def claim_pull(
    connection: asyncpg.Connection, tenant_id: UUID, audience_id: UUID, every_seconds: float
) -> asyncpg.Record | None:
    """The mirror's row when the caller is to pull it now; nobody else will for `every_seconds`."""
    return await connection.fetchrow(
        "update audience set pull_claimed_at = clock_timestamp() where tenant_id = $1 and id = $2"
        " and (pull_claimed_at is null or pull_claimed_at < clock_timestamp() - make_interval(secs => $3))"
        " returning id, connection_id, list_id, pulled_through, pulled_whole_at",
        tenant_id,
        audience_id,
        every_seconds,
    )
