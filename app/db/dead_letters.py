"""Dead letters: records that could not be carried, with their reason, until they heal or are dismissed."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, text
from sqlmodel import Field

from app.db.base import Row, instant


class DeadLetter(Row, table=True):
    """`payload` is the sealed member as it would have been sent. state: open, resolved (healed by a later run),
    superseded (refused again with newer content; that one is open), dismissed."""

    __tablename__ = "dead_letter"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "sync_id"], ["sync.tenant_id", "sync.id"], ondelete="CASCADE"),
        Index(
            "uq_dead_letter_open", "tenant_id", "sync_id", "key", unique=True, postgresql_where=text("state = 'open'")
        ),
        Index("ix_dead_letter_newest", "tenant_id", "created_at"),
    )

    sync_id: UUID
    run_id: UUID
    key: str
    code: str
    reason: str
    message: str
    field: str | None = None
    payload: bytes | None = Field(default=None, sa_type=LargeBinary)
    state: str = "open"
    attempts: int = 1
    updated_at: datetime = instant(default_now=True)


class Letter(NamedTuple):
    """A refusal to keep, in the order of KEEP's arrays."""

    id: UUID
    key: str
    code: str
    reason: str
    message: str
    field: str | None
    payload: bytes | None  # sealed


SUPERSEDE = """
    update dead_letter set state = 'superseded', updated_at = clock_timestamp()
    where tenant_id = $1 and sync_id = $2 and state = 'open' and key = any($3)
    returning key, attempts
"""
KEEP = """
    insert into dead_letter (tenant_id, sync_id, run_id, id, key, code, reason, message, field, payload, attempts,
                             state)
    select $1, $2, $3, e.*, 'open' from unnest($4::uuid[], $5::varchar[], $6::varchar[], $7::varchar[], $8::varchar[],
        $9::varchar[], $10::bytea[], $11::integer[]) as e(id, key, code, reason, message, field, payload, attempts)
"""


async def keep(
    connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, run_id: UUID, letters: Sequence[Letter]
) -> None:
    """Open a dead letter per refused record; an older open one of the same record is superseded."""
    if not letters:
        return
    earlier = await connection.fetch(SUPERSEDE, tenant_id, sync_id, [letter.key for letter in letters])
    attempts = {row["key"]: row["attempts"] for row in earlier}
    columns = list(map(list, zip(*letters, strict=True)))
    columns.append([attempts.get(letter.key, 0) + 1 for letter in letters])
    await connection.execute(KEEP, tenant_id, sync_id, run_id, *columns)


async def heal(connection: asyncpg.Connection, tenant_id: UUID, sync_id: UUID, keys: Sequence[str]) -> None:
    """Records that went through after all."""
    await connection.execute(
        "update dead_letter set state = 'resolved', updated_at = clock_timestamp()"
        " where tenant_id = $1 and sync_id = $2 and state = 'open' and key = any($3)",
        tenant_id,
        sync_id,
        keys,
    )
