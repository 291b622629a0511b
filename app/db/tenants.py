"""Tenants and their API keys (keyed hash only)."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.db.base import Row, instant


class Tenant(SQLModel, table=True):
    """One customer of ours. `data_key` is wrapped by the master key `data_key_id`; without it nothing can be opened."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    slug: str = Field(unique=True)
    name: str
    time_zone: str
    data_key: bytes = Field(sa_type=LargeBinary)
    data_key_id: str
    created_at: datetime = instant(default_now=True)
    updated_at: datetime = instant(default_now=True)


class ApiKey(Row, table=True):
    """`key_id` is the public part of the key, unique over all tenants; `secret_hash` is keyed by the tenant."""

    __tablename__ = "api_key"
    __table_args__ = (UniqueConstraint("key_id"),)

    tenant_id: UUID = Field(primary_key=True, sa_column_args=[ForeignKey("tenant.id", ondelete="CASCADE")])
    name: str
    role: str  # admin | operator | viewer
    key_id: str
    secret_hash: bytes = Field(sa_type=LargeBinary)
    expires_at: datetime | None = instant(nullable=True)
    last_used_at: datetime | None = instant(nullable=True)
    revoked_at: datetime | None = instant(nullable=True)
