"""The audit trail: append-only, hash-chained per tenant, without personal data."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlmodel import Field, SQLModel

from app.db.base import document, instant


class AuditHead(SQLModel, table=True):
    """End of a tenant's chain; locked by whoever appends."""

    __tablename__ = "audit_head"

    tenant_id: UUID = Field(primary_key=True)
    seq: int = Field(default=0, sa_type=BigInteger)
    hash: bytes = Field(sa_type=LargeBinary)


class AuditEvent(SQLModel, table=True):
    """One thing that happened. `subject` is the keyed digest of an address; `page` points into ChangePage.

    hash = SHA-256(previous hash | canonical bytes of this row): see chain() below.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_code", "tenant_id", "code", "seq"),
        Index("ix_audit_event_run", "tenant_id", "run_id", "seq"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    tenant_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(primary_key=True, sa_type=instant().sa_type)
    actor: str  # "run", "key:<id>", "operator", "system"
    action: str  # noun.past_tense
    object_id: UUID | None = None
    sync_id: UUID | None = None
    run_id: UUID | None = None
    page: int | None = None
    code: str | None = None
    subject: bytes | None = Field(default=None, sa_type=LargeBinary)
    reason: str | None = None
    detail: dict[str, Any] | None = document(nullable=True)
    hash: bytes = Field(sa_type=LargeBinary)
