"""What a sync of invoices remembers beside its records: credit memos, and documents that wait for something."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import ForeignKeyConstraint, Index, Numeric
from sqlmodel import Field, SQLModel

from app.domain.ordering import Credit
from app.domain.planning import Known


def of_a_sync() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "sync_id"], ["sync.tenant_id", "sync.id"], ondelete="CASCADE")


class CreditMemo(SQLModel, table=True):
    """What the credit memo `number` takes back of the invoice `original`; its order is worth that much less."""

    __tablename__ = "credit_memo"
    __table_args__ = (of_a_sync(), Index("ix_credit_memo_original", "tenant_id", "sync_id", "original"))

    tenant_id: UUID = Field(primary_key=True)
    sync_id: UUID = Field(primary_key=True)
    number: str = Field(primary_key=True)
    original: str
    total: Decimal = Field(sa_type=Numeric)
    tax: Decimal = Field(sa_type=Numeric)


class WaitingDocument(SQLModel, table=True):
    """A document to look at again when what it waits for changes: `customer:<code>` or `document:<number>`."""

    __tablename__ = "waiting_document"
    __table_args__ = (of_a_sync(), Index("ix_waiting_document_waits_for", "tenant_id", "sync_id", "waits_for"))

    tenant_id: UUID = Field(primary_key=True)
    sync_id: UUID = Field(primary_key=True)
    number: str = Field(primary_key=True)
    waits_for: str


class Taken(NamedTuple):
    """A credit memo to keep, in the order of KEEP's arrays."""

    number: str
    original: str
    total: Decimal
    tax: Decimal


KNOWN = """
    select key, state, reason, member_hash, fingerprint, flags, is_active from record
    where tenant_id = $1 and sync_id = $2 and key = any($3)
"""
KEEP = """
    insert into credit_memo as c (tenant_id, sync_id, number, original, total, tax)
    select $1, $2, e.* from unnest($3::varchar[], $4::varchar[], $5::numeric[], $6::numeric[])
        as e(number, original, total, tax)
    on conflict (tenant_id, sync_id, number) do update
        set original = excluded.original, total = excluded.total, tax = excluded.tax
"""
WAIT = """
    insert into waiting_document as w (tenant_id, sync_id, number, waits_for)
    select $1, $2, e.* from unnest($3::varchar[], $4::varchar[]) as e(number, waits_for)
    on conflict (tenant_id, sync_id, number) do update set waits_for = excluded.waits_for
        where w.waits_for <> excluded.waits_for
"""


async def known_documents(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, numbers: Sequence[str]
) -> dict[str, Known]:
    """What the ledger says of these documents; absent ones are unknown."""
    rows = await connection.fetch(KNOWN, tenant_id, sync_id, numbers)
    return {
        row["key"]: Known(
            row["state"], row["reason"], row["member_hash"], row["fingerprint"], "", row["flags"], row["is_active"]
        )
        for row in rows
    }


async def credits_of(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, originals: Sequence[str]
) -> dict[str, Credit]:
    """What is taken back of each of these invoices."""
    rows = await connection.fetch(
        "select original, sum(total) as total, sum(tax) as tax from credit_memo"
        " where tenant_id = $1 and sync_id = $2 and original = any($3) group by original",
        tenant_id,
        sync_id,
        originals,
    )
    return {row["original"]: Credit(row["total"], row["tax"]) for row in rows}


async def taken_back_by(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, numbers: Sequence[str]
) -> dict[str, Taken]:
    """What these credit memos take back so far."""
    rows = await connection.fetch(
        "select number, original, total, tax from credit_memo"
        " where tenant_id = $1 and sync_id = $2 and number = any($3)",
        tenant_id,
        sync_id,
        numbers,
    )
    return {row["number"]: Taken(*row) for row in rows}


async def keep_credits(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, taken: Sequence[Taken], dropped: Sequence[str]
) -> None:
    """Credit memos that count, and those that no longer do."""
    if taken:
        await connection.execute(KEEP, tenant_id, sync_id, *map(list, zip(*taken, strict=True)))
    if dropped:
        await connection.execute(
            "delete from credit_memo where tenant_id = $1 and sync_id = $2 and number = any($3)",
            tenant_id,
            sync_id,
            dropped,
        )


async def wait(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    sync_id: UUID,
    waiting: Sequence[tuple[str, str]],
    settled: Sequence[str],
) -> None:
    """(number, what it waits for) pairs, and documents that wait no longer."""
    if waiting:
        await connection.execute(WAIT, tenant_id, sync_id, *map(list, zip(*waiting, strict=True)))
    if settled:
        await connection.execute(
            "delete from waiting_document where tenant_id = $1 and sync_id = $2 and number = any($3)",
            tenant_id,
            sync_id,
            settled,
        )


async def waits_for_customers(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID) -> bool:
    found: bool = await connection.fetchval(
        "select exists(select from waiting_document where tenant_id = $1 and sync_id = $2"
        " and waits_for >= 'customer:' and waits_for < 'customer;')",
        tenant_id,
        sync_id,
    )
    return found


async def customers_waited_for(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID) -> Sequence[str]:
    """Everything documents wait for that is a customer."""
    rows = await connection.fetch(
        "select distinct waits_for from waiting_document where tenant_id = $1 and sync_id = $2"
        " and waits_for >= 'customer:' and waits_for < 'customer;'",
        tenant_id,
        sync_id,
    )
    return [row["waits_for"] for row in rows]


async def woken(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, changed: Sequence[str]
) -> Sequence[str]:
    """Documents that wait for one of these."""
    rows = await connection.fetch(
        "select number from waiting_document where tenant_id = $1 and sync_id = $2 and waits_for = any($3)",
        tenant_id,
        sync_id,
        changed,
    )
    return [row["number"] for row in rows]


async def is_empty(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID) -> bool:
    """Whether the sync has remembered nothing yet."""
    found: bool = await connection.fetchval(
        "select not exists(select from record where tenant_id = $1 and sync_id = $2)", tenant_id, sync_id
    )
    return found


async def standing(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, in_store: int, taken_down: int
) -> int:
    """How many orders of the sync its store holds; the two are flags of domain/order_planning.py."""
    count: int = await connection.fetchval(
        "select count(*) from record where tenant_id = $1 and sync_id = $2 and flags & $3::integer = $4::integer",
        tenant_id,
        sync_id,
        in_store | taken_down,
        in_store,
    )
    return count
