"""Idempotency keys: the first answer to a POST, for 24 hours."""

import hashlib
from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from app.db.base import instant

BODY = "idempotency_key.body"
"""The vault field under which a kept answer is sealed; its row is row_of()."""


def row_of(scope: str, key: str) -> bytes:
    """What a kept answer is bound to."""
    return hashlib.sha256(f"{scope}\x00{key}".encode()).digest()


class IdempotencyKey(SQLModel, table=True):
    """`tenant_id` is the zero UUID for operator calls outside a tenant; `body` is sealed."""

    __tablename__ = "idempotency_key"

    tenant_id: UUID = Field(primary_key=True)
    scope: str = Field(primary_key=True)  # caller, method and path
    key: str = Field(primary_key=True)
    request_hash: bytes = Field(sa_type=LargeBinary)
    state: str = "running"  # running | done
    locked_until: datetime | None = instant(nullable=True)
    status: int | None = None
    content_type: str | None = None
    location: str | None = None
    body: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = instant(default_now=True)
