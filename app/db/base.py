"""Key naming, id and timestamp columns that every table shares."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import DateTime, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention


def now() -> datetime:
    """This instant, UTC-aware."""
    return datetime.now(UTC)


def instant(*, default_now: bool = False, nullable: bool = False) -> Any:
    """A timestamptz column."""
    if default_now:
        return Field(
            default_factory=now,
            sa_type=DateTime(timezone=True),
            sa_column_kwargs={"server_default": func.now()},
            nullable=False,
        )
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=nullable)


def document(*, nullable: bool = False) -> Any:
    """A jsonb column holding an object."""
    return Field(default=None, sa_type=JSONB, nullable=True) if nullable else Field(default_factory=dict, sa_type=JSONB)


class Row(SQLModel):
    """A row of one tenant, with an id of its own."""

    tenant_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    created_at: datetime = instant(default_now=True)


def models_loaded() -> None:
    """Import every table so that the metadata is whole."""
    from app.db import (  # noqa: F401  # imported for their side effect on the metadata
        alert_channels,
        alert_deliveries,
        alerts,
        audiences,
        audit,
        batches,
        changes,
        connections,
        consent,
        dead_letters,
        erasures,
        idempotency,
        mappings,
        oauth_states,
        orders,
        reconciling,
        records,
        runs,
        stores,
        suppression,
        syncs,
        tenants,
        webhooks,
    )
