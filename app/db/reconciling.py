"""What a reconcile run compares: keys it saw in X3, members it saw in Mailchimp, and keys X3 no longer names."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, LargeBinary, String
from sqlmodel import Field, SQLModel

from app.db.base import instant
from app.domain.drift import Copied


class ReconcileKey(SQLModel, table=True):
    """A key the run has seen in the source."""

    __tablename__ = "reconcile_key"

    tenant_id: UUID = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)


class ReconcileMember(SQLModel, table=True):
    """A member the run has seen in the audience: digests of its merge fields, its tags; `email` sealed where the
    sync's own tags are on it."""

    __tablename__ = "reconcile_member"

    tenant_id: UUID = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)
    member_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    fields: bytes = Field(sa_type=LargeBinary)
    tags: list[str] = Field(sa_type=ARRAY(String))
    email: bytes | None = Field(default=None, sa_type=LargeBinary)


class Absence(SQLModel, table=True):
    """A carried key that the last complete scans of the source did not name; `scans` says how many in a row."""

    tenant_id: UUID = Field(primary_key=True)
    sync_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    scans: int
    run_id: UUID
    first_missed_at: datetime = instant(default_now=True)


async def copy_members(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    run_id: UUID,
    rows: Sequence[tuple[bytes, bytes, Sequence[str], bytes | None]],
) -> None:
    """Keep members of the audience: (hash, digests, tags, sealed address), distinct hashes; the last one counts."""
    await connection.executemany(
        "insert into reconcile_member (tenant_id, run_id, member_hash, fields, tags, email)"
        " values ($1, $2, $3, $4, $5, $6) on conflict (tenant_id, run_id, member_hash) do update"
        " set fields = excluded.fields, tags = excluded.tags, email = excluded.email",
        [(tenant_id, run_id, *row) for row in rows],
    )


async def copied(
    connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, hashes: Sequence[bytes]
) -> Mapping[bytes, Copied]:
    """What was kept of these members."""
    rows = await connection.fetch(
        "select member_hash, fields, tags from reconcile_member"
        " where tenant_id = $1 and run_id = $2 and member_hash = any($3)",
        tenant_id,
        run_id,
        hashes,
    )
    return {row["member_hash"]: Copied(row["fields"], row["tags"]) for row in rows}


async def saw(connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, keys: Sequence[str]) -> None:
    """The source has these keys."""
    await connection.execute(
        "insert into reconcile_key (tenant_id, run_id, key) select $1, $2, unnest($3::varchar[])"
        " on conflict do nothing",
        tenant_id,
        run_id,
        keys,
    )


ABSENT = """
    from record r where r.tenant_id = $1 and r.sync_id = $2 and r.state <> 'skipped'
    and not exists (select from reconcile_key k where k.tenant_id = $1 and k.run_id = $3 and k.key = r.key)
"""


async def absent_codes(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, run_id: UUID) -> Sequence[str]:
    """Codes of records we carry (or have parked) that the run has not seen."""
    rows = await connection.fetch(f"select distinct r.code {ABSENT} order by r.code", tenant_id, sync_id, run_id)
    return [row["code"] for row in rows]


async def note_absences(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, run_id: UUID) -> None:
    """Count one more complete scan for every absent key, none any more for those that are back. Once per run."""
    await connection.execute(
        "delete from absence a where a.tenant_id = $1 and a.sync_id = $2 and (exists (select from reconcile_key k"
        " where k.tenant_id = $1 and k.run_id = $3 and k.key = a.key) or not exists (select from record r"
        " where r.tenant_id = $1 and r.sync_id = $2 and r.key = a.key and r.state <> 'skipped'))",
        tenant_id,
        sync_id,
        run_id,
    )
    await connection.execute(
        f"insert into absence as a (tenant_id, sync_id, key, scans, run_id) select $1, $2, r.key, 1, $3 {ABSENT}"
        " on conflict (tenant_id, sync_id, key) do update set scans = a.scans + 1, run_id = excluded.run_id"
        " where a.run_id <> excluded.run_id",
        tenant_id,
        sync_id,
        run_id,
    )


async def absences(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID) -> Sequence[tuple[str, str, int]]:
    """(key, code, complete scans in a row that did not meet it), by key."""
    rows = await connection.fetch(
        "select r.key, r.code, a.scans from absence a"
        " join record r on r.tenant_id = $1 and r.sync_id = $2 and r.key = a.key"
        " where a.tenant_id = $1 and a.sync_id = $2 and r.state <> 'skipped' order by r.key",
        tenant_id,
        sync_id,
    )
    return [(row["key"], row["code"], row["scans"]) for row in rows]


async def would_be_absent(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, run_id: UUID
) -> Sequence[tuple[str, str, int]]:
    """(key, code, complete scans in a row with this one) of what the run has not seen, without noting it."""
    rows = await connection.fetch(
        "select r.key, r.code, coalesce((select a.scans from absence a where a.tenant_id = $1 and a.sync_id = $2"
        f" and a.key = r.key), 0) + 1 as scans {ABSENT} order by r.key",
        tenant_id,
        sync_id,
        run_id,
    )
    return [(row["key"], row["code"], row["scans"]) for row in rows]


async def orphans(
    connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, tags: Sequence[str], most: int
) -> tuple[int, Sequence[bytes]]:
    """Members with one of these tags for which no record of the tenant stands: how many, and some sealed addresses."""
    query = (
        "from reconcile_member m where m.tenant_id = $1 and m.run_id = $2 and m.tags && $3::varchar[] and not exists"
        " (select from record r where r.tenant_id = $1 and r.member_hash = m.member_hash)"
    )
    count = await connection.fetchval(f"select count(*) {query}", tenant_id, run_id, tags)
    rows = await connection.fetch(
        f"select m.email {query} and m.email is not null limit {most}", tenant_id, run_id, tags
    )
    return count, [row["email"] for row in rows]


async def forget(connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID) -> None:
    """Drop what a run has compared."""
    for table in ("reconcile_key", "reconcile_member"):
        await connection.execute(f"delete from {table} where tenant_id = $1 and run_id = $2", tenant_id, run_id)


async def forget_old(connection: asyncpg.Connection, tenant_id: UUID) -> None:
    """Drop what runs compared that are over: they failed or were cancelled."""
    for table in ("reconcile_key", "reconcile_member"):
        await connection.execute(
            f"delete from {table} x where x.tenant_id = $1 and not exists (select from sync_run r"
            " where r.tenant_id = $1 and r.id = x.run_id and r.state in ('queued', 'running', 'halted'))",
            tenant_id,
        )
