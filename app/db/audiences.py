"""The audience mirror: who Mailchimp knows, and with which status."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.db.base import Row, instant


class Audience(Row, table=True):
    """`pulled_through`: every change Mailchimp recorded before this instant is in the mirror; null = never pulled."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "list_id"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connection.tenant_id", "connection.id"], ondelete="CASCADE"
        ),
    )

    connection_id: UUID
    list_id: str
    pulled_through: datetime | None = instant(nullable=True)
    pulled_whole_at: datetime | None = instant(nullable=True)


class AudienceMember(SQLModel, table=True):
    """One member of one audience. status: subscribed, pending, transactional, unsubscribed, cleaned, archived,
    or forgotten (permanently deleted: can never come back by API)."""

    __tablename__ = "audience_member"
    __table_args__ = ({"postgresql_partition_by": "HASH (tenant_id)"},)

    tenant_id: UUID = Field(primary_key=True)
    audience_id: UUID = Field(primary_key=True)
    member_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    status: str
    last_changed: datetime | None = instant(nullable=True)
