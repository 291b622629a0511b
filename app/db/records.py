"""The ledger: what was last decided and written, per sync and X3 code."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import Index, LargeBinary, SmallInteger, text
from sqlmodel import Field, SQLModel

from app.db.base import instant
from app.db.columns import blob_column, blobs, text_column, texts
from app.domain.planning import CLAIMLESS, CREATED_BY_US, FLAGGED_INACTIVE, REFUSED, Known, Owner


class Record(SQLModel, table=True):
    """`key` is the X3 code, or code/contact. `member_hash` is the member it stands for (MD5 bytes of its address);
    `fingerprint` the content Mailchimp last acknowledged (or refused, when `state` is rejected); `flags` are those
    of domain/planning.py.

    `email` is sealed by the tenant's key. `reason` says why a record is skipped or rejected.
    """

    __table_args__ = (
        Index("ix_record_member_hash", "tenant_id", "member_hash"),
        Index("ix_record_id", "tenant_id", "id"),
        Index("ix_record_code", "tenant_id", "code"),
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


_CLAIMLESS = ", ".join(f"'{reason}'" for reason in CLAIMLESS)
_CLAIMS = (
    f"(reason is null or reason not in ({_CLAIMLESS}))"
    f" and not (state = 'synced' and not is_active and flags & {FLAGGED_INACTIVE} <> 0)"  # taken out by the policy
)
_OWNS = f"(state = 'synced' or reason = 'opted_out' and flags & {REFUSED} <> 0)"

# Every key is looked up on its own (lateral, offset 0: nothing else is left to the planner), and the sync is hidden
# where an address is looked for: before the tables are analysed, "all of one sync" looks as cheap as one row, and would
# make a page cost as much as the tenant is large. Only keys that are known in some way come back, so a first load costs
# one small answer per page.
LOOK_UP = f"""
    select w.key, r.state, r.reason, r.member_hash, r.fingerprint, r.tags, r.flags, r.is_active,
           m.status, o.status as old_status, x.key as owner_key, x.is_active as owner_active, x.run_id as owner_run,
           x.flags as owner_flags,
           s.shared is true as old_shared
    from unnest($4::varchar[], $5::bytea[]) as w(key, hash)
    left join lateral (
        select state, reason, member_hash, fingerprint, tags, flags, is_active,
               case when member_hash is distinct from w.hash then member_hash end as former
        from record where tenant_id = $1 and sync_id = $2 and key = w.key offset 0) r on true
    left join lateral (
        select status from audience_member
        where tenant_id = $1 and audience_id = $3 and member_hash = w.hash offset 0) m on true
    left join lateral (
        select status from audience_member
        where tenant_id = $1 and audience_id = $3 and member_hash = r.former offset 0) o on true
    left join lateral (
        select true as shared from record
        where tenant_id = $1 and sync_id is not distinct from $2 and member_hash = r.former and key <> w.key
        and {_CLAIMS} limit 1) s on true
    left join lateral (
        select key, is_active, run_id, flags from record
        where tenant_id = $1 and sync_id is not distinct from $2 and member_hash = w.hash and key <> w.key
        and {_OWNS} order by not is_active, key collate "C" limit 1) x on true
    where r.state is not null or m.status is not null or x.key is not null
"""

UPSERT = f"""
    insert into record as r (tenant_id, sync_id, run_id, mapping_version, changed_at, key, code, state, reason,
                             member_hash, fingerprint, email, tags, flags, is_active)
    select $1, $2, $3, $4, clock_timestamp(), e.key, e.code, e.state, e.reason,
        {blob_column(9, 16)}, {blob_column(10, 16)}, e.email, coalesce(e.tags, ''),
        e.flags::smallint, get_byte($14, e.n::integer - 1) = 1
    from unnest({text_column(5)}, {text_column(6)}, {text_column(7)}, {text_column(8)}, $11::bytea[],
        {text_column(12)}, {text_column(13)}) with ordinality as e(key, code, state, reason, email, tags, flags, n)
    on conflict (tenant_id, sync_id, key) do update set
        run_id = excluded.run_id, mapping_version = excluded.mapping_version, changed_at = excluded.changed_at,
        state = excluded.state, reason = excluded.reason, member_hash = excluded.member_hash,
        fingerprint = excluded.fingerprint, email = coalesce(excluded.email, r.email), tags = excluded.tags,
        flags = excluded.flags, is_active = excluded.is_active
"""


class Entry(NamedTuple):
    """One ledger row to write; hashes and fingerprints have 16 bytes."""

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
        key, state, reason, hash_, mark, tags, flags, active, status, old, *rest, shared = row
        owner, owner_active, owner_run, owner_flags = rest
        made = bool((owner_flags or 0) & CREATED_BY_US)
        rival = Owner(owner, owner_active, owner_run, made) if owner is not None else None
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
    if not entries:
        return
    keys, codes, states, reasons, hashes, prints, emails, tags, flags, active = zip(*entries, strict=True)
    await connection.execute(
        UPSERT,
        tenant_id,
        sync_id,
        run_id,
        mapping_version,
        texts(keys),
        texts(codes),
        texts(states),
        texts(reasons),
        blobs(hashes, 16),
        blobs(prints, 16),
        emails,
        texts(tags),
        texts(list(map(str, flags))),
        bytes(active),
    )


async def demote(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    sync_id: UUID,
    run_id: UUID,
    former_owners: Mapping[str, bytes | None],
) -> None:
    """Former owners, by key, of addresses that other records took over; who has moved on, or is skipped for a reason of
    its own, stays as it is."""
    await connection.execute(
        "update record r set state = 'skipped', reason = 'duplicate_email', run_id = $3, changed_at = clock_timestamp()"
        " from unnest($4::varchar[], $5::bytea[]) as e(key, hash)"
        " where r.tenant_id = $1 and r.sync_id = $2 and r.key = e.key and r.member_hash = e.hash"
        " and r.state = 'synced'",
        tenant_id,
        sync_id,
        run_id,
        list(former_owners),
        list(former_owners.values()),
    )


async def shadows(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, hashes: Sequence[bytes]
) -> Sequence[str]:
    """Codes of records that wait behind another owner of these addresses and have none better left."""
    rows = await connection.fetch(
        "select distinct code from record r where tenant_id = $1 and sync_id is not distinct from $2"
        " and member_hash = any($3) and state = 'skipped' and reason = 'duplicate_email' and not exists ("
        f"  select from record s where s.tenant_id = $1 and s.sync_id is not distinct from $2 and {_OWNS}"
        "  and s.member_hash = r.member_hash"
        '  and (not s.is_active, s.key collate "C") < (not r.is_active, r.key collate "C"))'
        " order by code",
        tenant_id,
        sync_id,
        hashes,
    )
    return [row["code"] for row in rows]


async def carried_keys(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, codes: Sequence[str]
) -> Sequence[tuple[str, str]]:
    """(key, code) of every record of these parties that stands for a member."""
    rows = await connection.fetch(
        "select key, code from record where tenant_id = $1 and sync_id is not distinct from $2 and code = any($3)"
        " and state = 'synced' order by key",
        tenant_id,
        sync_id,
        codes,
    )
    return [(row["key"], row["code"]) for row in rows]


async def has_contacts(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID) -> bool:
    """Whether a contact's record of this sync stands for a member. Looks at its records only if a mapping of the tenant
    has ever made a member per contact."""
    found: bool = await connection.fetchval(
        "select exists(select from mapping_version where tenant_id = $1"
        " and definition #>> '{email,mode}' = 'per_contact') and exists(select from record"
        " where tenant_id = $1 and sync_id is not distinct from $2 and state = 'synced' and key <> code)",
        tenant_id,
        sync_id,
    )
    return found
