"""Stores: what we have put into each, and the runs during which Mailchimp must start no automation."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.db import runs
from app.db.base import Row, instant


class Store(Row, table=True):
    """A Mailchimp store that syncs write to; `store_id` is Mailchimp's."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "store_id"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connection.tenant_id", "connection.id"], ondelete="CASCADE"
        ),
    )

    connection_id: UUID
    store_id: str


class StoreItem(SQLModel, table=True):
    """A product or customer of a store; `key` is its id there, `fingerprint` what Mailchimp last acknowledged.
    `member_hash` is the subscriber hash of a customer's address."""

    __tablename__ = "store_item"
    __table_args__ = (
        Index("ix_store_item_member_hash", "tenant_id", "member_hash"),
        {"postgresql_partition_by": "HASH (tenant_id)"},
    )

    tenant_id: UUID = Field(primary_key=True)
    store: UUID = Field(primary_key=True)
    kind: str = Field(primary_key=True)  # product | customer
    key: str = Field(primary_key=True)
    fingerprint: bytes = Field(sa_type=LargeBinary)
    member_hash: bytes | None = Field(default=None, sa_type=LargeBinary)
    changed_at: datetime = instant(default_now=True)


class StoreBackfill(SQLModel, table=True):
    """While such a row exists its store is `is_syncing`. Made before the store is told, removed after it was told that
    it is over; `not_before` puts off another try at a store that cannot be reached."""

    __tablename__ = "store_backfill"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "store"], ["store.tenant_id", "store.id"], ondelete="CASCADE"),
        Index("ix_store_backfill_not_before", "not_before", postgresql_where=text("not_before is not null")),
    )

    tenant_id: UUID = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)
    store: UUID
    not_before: datetime | None = instant(nullable=True)
    created_at: datetime = instant(default_now=True)


class Item(NamedTuple):
    """A store item to note, in the order of NOTE's arrays."""

    key: str
    fingerprint: bytes
    member_hash: bytes | None


NOTE = """
    insert into store_item as i (tenant_id, store, kind, key, fingerprint, member_hash)
    select $1, $2, $3, e.* from unnest($4::varchar[], $5::bytea[], $6::bytea[]) as e(key, fingerprint, member_hash)
    on conflict (tenant_id, store, kind, key) do update set fingerprint = excluded.fingerprint,
        member_hash = excluded.member_hash, changed_at = clock_timestamp()
"""
# Backfills whose run has ended or no longer exists: the store may start its automations again.
OVER = """
    select b.tenant_id, b.run_id, b.store from store_backfill b
    left join sync_run r on r.tenant_id = b.tenant_id and r.id = b.run_id
    where (r.id is null or r.state in ('succeeded', 'partially_failed', 'failed', 'cancelled'))
      and (b.not_before is null or b.not_before <= clock_timestamp())
"""


async def store_row(connection: asyncpg.Connection, tenant_id: UUID, connection_id: UUID, store_id: str) -> UUID:
    """Our id of a store, made when it is the first time."""
    found: UUID = await connection.fetchval(
        "insert into store (tenant_id, id, connection_id, store_id) values ($1, gen_random_uuid(), $2, $3)"
        " on conflict (tenant_id, connection_id, store_id) do update set store_id = excluded.store_id returning id",
        tenant_id,
        connection_id,
        store_id,
    )
    return found


async def known_items(
    connection: asyncpg.Connection, tenant_id: UUID, store: UUID, kind: str, keys: Sequence[str]
) -> dict[str, bytes]:
    """key -> fingerprint of those that are in the store."""
    rows = await connection.fetch(
        "select key, fingerprint from store_item where tenant_id = $1 and store = $2 and kind = $3 and key = any($4)",
        tenant_id,
        store,
        kind,
        keys,
    )
    return {row["key"]: row["fingerprint"] for row in rows}


async def note_items(
    connection: asyncpg.Connection, tenant_id: UUID, store: UUID, kind: str, items: Sequence[Item]
) -> None:
    """What the store has acknowledged; at most one item per key."""
    if items:
        await connection.execute(NOTE, tenant_id, store, kind, *map(list, zip(*items, strict=True)))


async def begin_backfill(
    connection: asyncpg.Connection, tenant_id: UUID, store: UUID, run_id: UUID, fence: int
) -> bool:
    """Note that this run fills the store; false when the run is no longer its holder's."""
    if not await runs.lock(connection, tenant_id, run_id, fence):
        return False
    await connection.execute(
        "insert into store_backfill (tenant_id, run_id, store) values ($1, $2, $3)"
        " on conflict (tenant_id, run_id) do nothing",
        tenant_id,
        run_id,
        store,
    )
    return True


async def finished_backfills(
    connection: asyncpg.Connection, tenant_id: UUID | None = None
) -> Sequence[Mapping[str, UUID]]:
    """(tenant_id, run_id, store) of backfills that are over; of all tenants as the system role."""
    where = "" if tenant_id is None else " and b.tenant_id = $1"
    rows: Sequence[Mapping[str, UUID]] = await connection.fetch(
        f"{OVER}{where} order by b.created_at limit 100", *([] if tenant_id is None else [tenant_id])
    )
    return rows


async def end_backfill(connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID) -> None:
    await connection.execute("delete from store_backfill where tenant_id = $1 and run_id = $2", tenant_id, run_id)


async def put_off_backfill(connection: asyncpg.Connection, tenant_id: UUID, run_id: UUID, seconds: float) -> None:
    """The store could not be told: try again later."""
    await connection.execute(
        "update store_backfill set not_before = clock_timestamp() + make_interval(secs => $3)"
        " where tenant_id = $1 and run_id = $2",
        tenant_id,
        run_id,
        seconds,
    )


async def is_backfilled(connection: asyncpg.Connection, tenant_id: UUID, store: UUID, except_run: UUID) -> bool:
    """Whether a run other than that one still fills the store."""
    found: bool = await connection.fetchval(
        "select exists(select from store_backfill where tenant_id = $1 and store = $2 and run_id <> $3)",
        tenant_id,
        store,
        except_run,
    )
    return found
