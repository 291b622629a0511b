"""The ledger: what was last decided and written, per sync and X3 code."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import Index, LargeBinary, SmallInteger, text
from sqlmodel import Field, SQLModel

from app.db.base import instant
from app.domain.planning import Known, Owner


class Record(SQLModel, table=True):
    """`key` is the X3 code, or code/contact. `member_hash` is the member it stands for (MD5 bytes of its address);
    `fingerprint` the content Mailchimp last acknowledged (or refused, when `state` is rejected); `flags` are those
    of domain/planning.py.

    `email` is sealed by the tenant's key. `reason` says why a record is skipped or rejected.
    """

    __table_args__ = (
        Index("ix_record_member_hash", "tenant_id", "member_hash"),
        Index("ix_record_id", "tenant_id", "id"),
        {"postgresql_partition_by": "HASH (tenant_id)"},
    )

    tenant_id: UUID = Field(primary_key=True)
    sync_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    id: UUID = Field(sa_column_kwargs={"server_default": text("gen_random_uuid()")})
    code: str
    state: str  # synced | skipped | rejected
    reason: str | None = None
    member_hash: bytes | None = Field(default=None, sa_type=LargeBinary)
    fingerprint: bytes | None = Field(default=None, sa_type=LargeBinary)
    email: bytes | None = Field(default=None, sa_type=LargeBinary)
    tags: str = ""  # names we have switched on, joined by unit separators
    flags: int = Field(default=0, sa_type=SmallInteger)
    is_active: bool = True
    mapping_version: int
    run_id: UUID  # the run that last changed this row
    changed_at: datetime = instant(default_now=True)


# Each table is asked once, by its index and the page's own arrays: an estimate that a table is small must never make
# the planner walk a whole tenant for a page. Only keys that are known in some way come back, so a first load costs one
# small answer per page.
LOOK_UP = """
    with w as materialized (select * from unnest($4::varchar[], $5::bytea[]) as w(key, hash)),
    r as materialized (
        select key, state, reason, member_hash, fingerprint, tags, flags, is_active from record
        where tenant_id = $1 and sync_id = $2 and key = any($4::varchar[])),
    former as materialized (
        select w.key, r.member_hash as hash from w join r on r.key = w.key
        where r.member_hash is not null and r.member_hash is distinct from w.hash),
    m as materialized (
        select member_hash, status from audience_member where tenant_id = $1 and audience_id = $3
        and member_hash = any(array_cat($5::bytea[], array(select hash from former)))),
    shared as materialized (
        select member_hash from record where tenant_id = $1 and sync_id = $2
        and member_hash = any(array(select hash from former)) group by member_hash having count(*) > 1),
    x as materialized (
        select key, member_hash, is_active, run_id from record
        where tenant_id = $1 and sync_id = $2 and member_hash = any($5::bytea[]) and state = 'synced'),
    owner as materialized (
        select distinct on (w.key) w.key as asker, x.key, x.is_active, x.run_id
        from w join x on x.member_hash = w.hash and x.key <> w.key order by w.key, not x.is_active, x.key)
    select w.key, r.state, r.reason, r.member_hash, r.fingerprint, r.tags, r.flags, r.is_active, m.status,
           o.status as old_status, owner.key as owner_key, owner.is_active as owner_active, owner.run_id as owner_run,
           shared.member_hash is not null as old_shared
    from w left join r on r.key = w.key left join m on m.member_hash = w.hash
    left join former on former.key = w.key left join m o on o.member_hash = former.hash
    left join shared on shared.member_hash = former.hash left join owner on owner.asker = w.key
    where r.key is not null or m.status is not null or owner.key is not null
"""

UPSERT = """
    insert into record as r (tenant_id, sync_id, run_id, mapping_version, changed_at, key, code, state, reason,
                             member_hash, fingerprint, email, tags, flags, is_active)
    select $1, $2, $3, $4, clock_timestamp(), e.* from unnest($5::varchar[], $6::varchar[], $7::varchar[],
        $8::varchar[], $9::bytea[], $10::bytea[], $11::bytea[], $12::varchar[], $13::smallint[], $14::boolean[])
        as e(key, code, state, reason, member_hash, fingerprint, email, tags, flags, is_active)
    on conflict (tenant_id, sync_id, key) do update set
        run_id = excluded.run_id, mapping_version = excluded.mapping_version, changed_at = excluded.changed_at,
        state = excluded.state, reason = excluded.reason, member_hash = excluded.member_hash,
        fingerprint = excluded.fingerprint, email = coalesce(excluded.email, r.email), tags = excluded.tags,
        flags = excluded.flags, is_active = excluded.is_active
"""


class Entry(NamedTuple):
    """One ledger row to write, in the order of UPSERT's arrays."""

    key: str
    code: str
    state: str
    reason: str | None
    member_hash: bytes | None
    fingerprint: bytes | None
    email: bytes | None  # sealed; None keeps what is there
    tags: str
    flags: int
    is_active: bool


async def look_up(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    sync_id: UUID,
    audience_id: UUID,
    keys: Sequence[str],
    hashes: Sequence[bytes | None],
) -> dict[str, Known]:
    """What is remembered of these keys, and Mailchimp's status of their addresses; absent keys are wholly unknown."""
    rows = await connection.fetch(LOOK_UP, tenant_id, sync_id, audience_id, keys, hashes)
    known = {}
    for row in rows:
        key, state, reason, hash_, mark, tags, flags, active, status, old, owner, owner_active, owner_run, shared = row
        rival = Owner(owner, owner_active, owner_run) if owner is not None else None
        known[key] = Known(
            state, reason, hash_, mark, tags or "", flags or 0, active is not False, status, old, rival, shared
        )
    return known


async def upsert(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    sync_id: UUID,
    run_id: UUID,
    mapping_version: int,
    entries: Sequence[Entry],
) -> None:
    """Write ledger rows, at most one per key."""
    if entries:
        await connection.execute(
            UPSERT, tenant_id, sync_id, run_id, mapping_version, *map(list, zip(*entries, strict=True))
        )


async def demote(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, run_id: UUID, keys: Sequence[str]
) -> None:
    """Former owners of an address that another record took over."""
    await connection.execute(
        "update record set state = 'skipped', reason = 'duplicate_email', run_id = $3, changed_at = clock_timestamp()"
        " where tenant_id = $1 and sync_id = $2 and key = any($4)",
        tenant_id,
        sync_id,
        run_id,
        keys,
    )


async def shadows(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, hashes: Sequence[bytes]
) -> Sequence[str]:
    """Codes of records that wait behind another owner of these addresses."""
    rows = await connection.fetch(
        "select distinct code from record where tenant_id = $1 and sync_id = $2 and member_hash = any($3)"
        " and state = 'skipped' and reason = 'duplicate_email' order by code",
        tenant_id,
        sync_id,
        hashes,
    )
    return [row["code"] for row in rows]
