"""The ledger: what was last decided and written, per sync and X3 code."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, SmallInteger, text
from sqlmodel import Field, SQLModel

from app.db.base import instant

FLAGGED_INACTIVE = 1  # the inactive policy has been applied and not reversed
ARCHIVED_BY_US = 2
CREATED_BY_US = 4  # the member did not exist before we made it
STATUS_UNSUBSCRIBED_BY_US = 8


class Record(SQLModel, table=True):
    """`key` is the X3 code, or code/contact. `member_hash` is the member it stands for (MD5 bytes of its address);
    `fingerprint` the content Mailchimp last acknowledged (or refused, when `state` is rejected).

    `email` is sealed by the tenant's key. `reason` says why a record is skipped or rejected.
    """

    __table_args__ = (
        Index("ix_record_member_hash", "tenant_id", "member_hash"),
        Index("ix_record_id", "tenant_id", "id"),
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
