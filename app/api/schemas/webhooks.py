"""Webhooks and the events they brought, as they travel."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from app.api.schemas.base import IS_LIST_ID, LIST_ID, Answer, Request

AudienceId = Annotated[str, StringConstraints(pattern=LIST_ID), IS_LIST_ID]
Kind = Literal["audience", "batch", "transactional"]
GRACE_SECONDS = 7 * 24 * 3600
MOST_GRACE_SECONDS = 30 * 24 * 3600


class WebhookCreate(Request):
    """`audience`: events of one audience. `batch`: finished batches of the account. Both are registered at Mailchimp
    at once. `transactional`: Mandrill; enter the answered address there, then its key here."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"audience_id": "a6b5da1054"}]})

    kind: Kind = "audience"
    audience_id: AudienceId | None = None


class WebhookRotate(Request):
    """How long the path before stays alive; at least what Mailchimp goes on trying, 75 minutes, is wise."""

    grace_seconds: Annotated[int, Field(ge=0, le=MOST_GRACE_SECONDS)] = GRACE_SECONDS


class WebhookUpdate(Request):
    """The key that Mandrill shows for the webhook, with which it signs."""

    signing_key: Annotated[SecretStr, Field(min_length=8, max_length=256)]


class WebhookPathPublic(Answer):
    """A path of a webhook, without its secret; the one that does not expire is current."""

    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    signed: bool


class WebhookPublic(Answer):
    """A webhook without its address, which is shown once. `audience_id` is null but for the kind audience."""

    id: UUID
    connection_id: UUID
    kind: Kind
    audience_id: str | None
    state: Literal["registering", "ok", "needs_attention"]
    state_reason: str | None
    paths: list[WebhookPathPublic]
    checked_at: datetime | None
    created_at: datetime
    updated_at: datetime


class WebhookCreated(WebhookPublic):
    """`url` holds a secret and is shown this once."""

    url: str


class WebhookEventPublic(Answer):
    """A received event. `data` is what it says, null once retention or an erasure dropped it; `deliveries` counts
    repeats too. outcome: see the documentation of webhooks; null while `state` is received."""

    id: UUID
    webhook_id: UUID
    kind: Kind
    type: str
    audience_id: str | None
    email: str | None
    former_email: str | None
    fired_at: datetime | None
    received_at: datetime
    signed: bool
    deliveries: int
    state: Literal["received", "processed", "failed"]
    outcome: str | None
    processed_at: datetime | None
    data: dict[str, Any] | None
