"""What was about to be sent, written before it is sent."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, text
from sqlmodel import Field

from app.db.base import Row, instant


class Batch(Row, table=True):
    """`members` are the 16-byte member hashes in flight, joined. A row stays `sending` until every page it carries
    is remembered; after a crash its members are of unknown outcome until the settle time has passed."""

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "run_id"], ["sync_run.tenant_id", "sync_run.id"], ondelete="CASCADE"),
        Index("ix_batch_sending", "tenant_id", "audience_id", postgresql_where=text("state = 'sending'")),
    )

    run_id: UUID
    audience_id: UUID
    kind: str  # insert | update
    state: str = "sending"  # sending | done
    members: bytes = Field(sa_type=LargeBinary)
    sent_at: datetime = instant(default_now=True)
    done_at: datetime | None = instant(nullable=True)
