"""The erasable side of the audit trail: the values each page of a run decided, sealed and compressed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from app.db.base import instant


class ChangePage(SQLModel, table=True):
    """`body` is the sealed, deflated JSON list of what was decided per record (see sync/ledger.py)."""

    __tablename__ = "change_page"

    tenant_id: UUID = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)
    page: int = Field(primary_key=True)
    sync_id: UUID
    entries: int
    body: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = instant(default_now=True)
