"""Mappings, versioned: the newest version counts, runs remember the one they used."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint
from sqlmodel import Field, SQLModel

from app.db.base import Row, document, instant


class Mapping(Row, table=True):
    tenant_id: UUID = Field(primary_key=True, sa_column_args=[ForeignKey("tenant.id", ondelete="CASCADE")])
    name: str
    stream: str
    version: int = 1
    updated_at: datetime = instant(default_now=True)


class MappingVersion(SQLModel, table=True):
    """`definition` is the mapping as given, defaults filled in: email, fields, tags, language."""

    __tablename__ = "mapping_version"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "mapping_id"], ["mapping.tenant_id", "mapping.id"], ondelete="CASCADE"),
    )

    tenant_id: UUID = Field(primary_key=True)
    mapping_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    name: str
    definition: dict[str, Any] = document()
    created_at: datetime = instant(default_now=True)
