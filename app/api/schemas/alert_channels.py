"""Alert channels as they travel: who is told of what, and where."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Discriminator, Field, JsonValue, StringConstraints, model_validator

from app.alerts.relays import ADDRESS, Security
from app.api.schemas.base import IS_EMAIL, Answer, Id, Name, Request
from app.api.schemas.connections import HostName, Text, Url, VisibleSecret
from app.api.schemas.webhooks import MOST_GRACE_SECONDS
from app.domain.alerting import KINDS, MOST_CREDENTIAL_DAYS, Kind

Events = Annotated[list[Kind], Field(min_length=1, max_length=len(KINDS), json_schema_extra={"uniqueItems": True})]
MailAddress = Annotated[
    str,
    StringConstraints(max_length=254, pattern=ADDRESS),
    Field(examples=["ops@acme.test"]),
    IS_EMAIL,
]
Recipients = Annotated[list[MailAddress], Field(min_length=1, max_length=20)]
SyncIds = Annotated[list[Id], Field(min_length=1, max_length=200)]
CaPem = Annotated[str, StringConstraints(max_length=65_536)]
_DAY = 24 * 3600


class ThresholdsModel(Request):
    """From where on the channel wants to know. `freshness_factor` times the longest time a schedule leaves between two
    runs, or `freshness_minutes`, which also works for manual syncs. Quiet hours do not count."""

    rejected_percent: float = Field(default=5.0, ge=0, le=100)
    freshness_factor: float = Field(default=3.0, ge=1, le=100)
    freshness_minutes: int | None = Field(default=None, ge=1, le=525_600)
    credential_days: int = Field(default=5, ge=1, le=MOST_CREDENTIAL_DAYS)


class SmtpModel(Request):
    """A mail server of one's own. `tls` speaks TLS from the first byte (port 465), `starttls` begins it (587) and never
    goes on without. Without a `password` the one that is stored stays, if host, port and user do."""

    host: HostName
    port: int | None = Field(default=None, ge=1, le=65_535)
    security: Security = "tls"
    username: Text | None = None
    password: VisibleSecret | None = None
    from_address: MailAddress


class _Channel(Request):
    name: Name
    events: Events = Field(default=list(KINDS), validate_default=False)
    thresholds: ThresholdsModel = Field(default_factory=ThresholdsModel)
    sync_ids: SyncIds | None = None
    tls_ca_pem: CaPem | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _names_events_once(self) -> Self:
        if len(set(self.events)) != len(self.events):
            raise ValueError("events must name each kind once.")
        return self


_WEBHOOK: dict[str, JsonValue] = {"kind": "webhook", "name": "On call", "url": "https://ops.acme.test/hooks/mlc"}
_EMAIL: dict[str, JsonValue] = {
    "kind": "email",
    "name": "CRM team",
    "recipients": ["crm@acme.test"],
    "events": ["sync.needs_attention", "credential.expiring"],
}


class WebhookChannelCreate(_Channel):
    """A signed POST to `url` for each change (standardwebhooks.com). `sync_ids` null: of every sync."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WEBHOOK]})

    kind: Literal["webhook"]
    url: Url


class EmailChannelCreate(_Channel):
    """A mail for each change, by the tenant's own server or, without `smtp`, by the operator's."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EMAIL]})

    kind: Literal["email"]
    recipients: Recipients
    smtp: SmtpModel | None = None


AlertChannelCreate = Annotated[WebhookChannelCreate | EmailChannelCreate, Discriminator("kind")]


class AlertChannelUpdate(Request):
    """What is to change; each property is replaced whole. A channel keeps its kind."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"thresholds": {"rejected_percent": 1}}]})

    name: Name | None = None
    url: Url | None = None
    recipients: Recipients | None = None
    smtp: SmtpModel | None = None
    events: Events | None = None
    thresholds: ThresholdsModel | None = None
    sync_ids: SyncIds | None = None
    tls_ca_pem: CaPem | None = None
    enabled: bool | None = None


class AlertChannelRotate(Request):
    """How long the secret before goes on signing beside the new one."""

    grace_seconds: Annotated[int, Field(ge=0, le=MOST_GRACE_SECONDS)] = _DAY


class ThresholdsPublic(Answer):
    rejected_percent: float
    freshness_factor: float
    freshness_minutes: int | None
    credential_days: int


class SmtpPublic(Answer):
    """Without its password."""

    host: str
    port: int
    security: Security
    username: str | None
    from_address: str


class AlertChannelPublic(Answer):
    """A channel without its secrets. `state` is how the last message went; `gone`: the receiver wants no more."""

    id: UUID
    name: str
    kind: Literal["webhook", "email"]
    url: str | None
    recipients: list[str] | None
    smtp: SmtpPublic | None
    tls_ca_pem: str | None
    events: list[Kind]
    thresholds: ThresholdsPublic
    sync_ids: list[UUID] | None
    enabled: bool
    state: Literal["untried", "ok", "failing", "gone"]
    state_reason: str | None
    created_at: datetime
    updated_at: datetime


class AlertChannelCreated(AlertChannelPublic):
    """`secret` is what a webhook's signatures are made with (`whsec_…`, null for e-mail); it is shown this once."""

    secret: str | None


class AlertTestPublic(Answer):
    """How the test message went; `status` is HTTP's or SMTP's, when there was an answer."""

    ok: bool
    status: int | None
    sentence: str
