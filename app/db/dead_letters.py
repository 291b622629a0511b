"""Dead letters: records that could not be carried, with their reason, until they heal or are dismissed."""

from datetime import datetime
from uuid import UUID

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
