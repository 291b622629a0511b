"""Syncs: stream, mapping, target, schedule, watermark."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, text

from app.db.base import Row, document, instant


class Sync(Row, table=True):
    """`watermark` is the start mark of the last completed run; null means the next run reads everything.

    `watermark_mapping_version` is the mapping version that run used: another one makes the next run read everything.
    """

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "source_connection_id"], ["connection.tenant_id", "connection.id"]),
        ForeignKeyConstraint(["tenant_id", "target_connection_id"], ["connection.tenant_id", "connection.id"]),
        ForeignKeyConstraint(["tenant_id", "mapping_id"], ["mapping.tenant_id", "mapping.id"]),
        Index("ix_sync_due", "next_due_at", postgresql_where=text("enabled and state = 'active'")),
    )

    name: str
    stream: str
    source_connection_id: UUID
    target_connection_id: UUID
    mapping_id: UUID
    target: dict[str, Any] = document()  # {audience_id, store_id}
    filter: dict[str, Any] | None = document(nullable=True)
    new_member_status: str
    inactive: dict[str, Any] = document()  # {action, tag?, field?, value?, active_value?}
    schedule: dict[str, Any] = document()
    brake: dict[str, Any] = document()
    reconcile: dict[str, Any] = document()
    enabled: bool = True
    state: str = "active"  # active | paused | needs_attention
    state_reason: str | None = None
    watermark: datetime | None = instant(nullable=True)
    watermark_mapping_version: int | None = None
    watermark_settings: str | None = None  # digest of target, filter, inactive: a change re-reads everything
    last_success_at: datetime | None = instant(nullable=True)
    next_due_at: datetime | None = instant(nullable=True)
    active_since: datetime | None = instant(nullable=True)  # resumed, enabled, rescheduled; null: since it was made
    failures: int = 0  # consecutive put-offs and failures; reset by success
    version: int = 1
    updated_at: datetime = instant(default_now=True)
