"""Alerts and their messages, as they travel."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from app.api.schemas.base import Answer
from app.domain.alerting import Kind


class AlertDeliveryPublic(Answer):
    """A message to one channel. `message_id` is its `webhook-id` and the name in its Message-ID; messages that were
    told by a digest share the digest's."""

    message_id: str
    channel_id: UUID
    channel_name: str
    phase: Literal["opened", "resolved"]
    state: Literal["pending", "delivered", "failed", "dropped"]
    in_digest: bool
    attempts: int
    next_try_at: datetime | None
    last_status: int | None
    last_sentence: str | None
    created_at: datetime
    delivered_at: datetime | None


class AlertPublic(Answer):
    """Something that needs, or needed, a person. `name` is the sync's or connection's; `run_id` the run that showed
    it last."""

    id: UUID
    kind: Kind
    state: Literal["open", "resolved"]
    name: str
    sentence: str
    sync_id: UUID | None
    connection_id: UUID | None
    run_id: UUID | None
    opened_at: datetime
    resolved_at: datetime | None
    deliveries: list[AlertDeliveryPublic]
