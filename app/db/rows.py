"""Reading the rows of one tenant: one by id, or a page of a list, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import tuple_
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.db.base import Row

T = TypeVar("T", bound=Row)


async def find(db: AsyncSession, table: type[T], tenant_id: UUID, row_id: UUID, *, lock: bool = False) -> T | None:
    """The row, or None; with `lock` nobody else changes it until this transaction ends."""
    statement = select(table).where(col(table.tenant_id) == tenant_id, col(table.id) == row_id)
    if lock:
        statement = statement.with_for_update()
    return (await db.exec(statement)).one_or_none()


async def newest(
    db: AsyncSession,
    table: type[T],
    tenant_id: UUID,
    *conditions: ColumnElement[bool],
    limit: int,
    before: tuple[datetime, UUID] | None = None,
    by: str = "created_at",
) -> Sequence[T]:
    """At most `limit` rows, newest first by the instant column `by`, then by id; `before` is the last row seen."""
    moment: Any = getattr(table, by)
    statement = select(table).where(col(table.tenant_id) == tenant_id, *conditions)
    if before is not None:
        statement = statement.where(tuple_(moment, col(table.id)) < before)
    statement = statement.order_by(moment.desc(), col(table.id).desc()).limit(limit)
    return (await db.exec(statement)).all()
