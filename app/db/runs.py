"""Runs: one execution of a sync, with lease, fence, position and counts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.db.base import Row, document, instant

ACTIVE = ("running", "halted")
FINISHED = ("succeeded", "partially_failed", "failed", "cancelled")


def count() -> Any:
    return Field(default=0, sa_type=BigInteger)


class SyncRun(Row, table=True):
    """`fence` rises with every claim; whoever holds an older one may write nothing.

    `position` is the engine's own resume state; `start_mark` and `lower_bound` are written once.
    """

    __tablename__ = "sync_run"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "sync_id"], ["sync.tenant_id", "sync.id"], ondelete="CASCADE"),
        Index(
            "uq_sync_run_active",
            "tenant_id",
            "sync_id",
            unique=True,
            postgresql_where=text("state in ('running', 'halted')"),
        ),
        Index("uq_sync_run_queued", "tenant_id", "sync_id", unique=True, postgresql_where=text("state = 'queued'")),
        Index("ix_sync_run_newest", "tenant_id", "sync_id", "queued_at"),
        Index("ix_sync_run_open", "state", postgresql_where=text("state in ('queued', 'running')")),
    )

    sync_id: UUID
    mode: str  # delta | full | reconcile | replay
    dry_run: bool = False
    trigger: str  # schedule | api | console | replay
    codes: list[str] | None = Field(default=None, sa_type=JSONB, nullable=True)
    mapping_id: UUID
    mapping_version: int
    state: str = "queued"
    reason: str | None = None
    reason_code: str | None = None

    fence: int = count()
    owner: str | None = None
    lease_until: datetime | None = instant(nullable=True)
    not_before: datetime | None = instant(nullable=True)  # put off until then
    attempt: int = 1
    stalls: int = 0  # claims in a row without progress
    cancel_requested: bool = False
    approved: bool = False  # the brake was released by a person

    start_mark: datetime | None = instant(nullable=True)
    lower_bound: datetime | None = instant(nullable=True)
    position: dict[str, Any] | None = document(nullable=True)

    n_read: int = count()
    n_created: int = count()
    n_updated: int = count()
    n_unchanged: int = count()
    n_skipped: int = count()
    n_rejected: int = count()
    skipped_by_reason: dict[str, Any] = document()
    pages: int = 0
    expected_records: int | None = Field(default=None, sa_type=BigInteger, nullable=True)
    warnings: list[str] = Field(default_factory=list, sa_type=JSONB)

    watermark_before: datetime | None = instant(nullable=True)
    watermark_after: datetime | None = instant(nullable=True)
    queued_at: datetime = instant(default_now=True)
    started_at: datetime | None = instant(nullable=True)
    finished_at: datetime | None = instant(nullable=True)
    updated_at: datetime = instant(default_now=True)
