"""Connections as they travel: what each system and kind wants, what may be seen of it afterwards."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    StringConstraints,
    Tag,
    model_validator,
)

from app.api.schemas.base import NO_CONTROL, Answer, Name, Request, Secret, said
from app.connectors.sage_x3.rest.paths import parse_path
from app.connectors.sage_x3.rest.settings import Rows, is_template
from app.domain.errors import NeedsTenant


def _visible(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isprintable():
        raise ValueError("Must not hold control characters.")
    return secret


VisibleSecret = Annotated[Secret, AfterValidator(_visible)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$"), NO_CONTROL]
Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^https?://[^\s\x00-\x20\x7f@\\#]+$"),
    Field(examples=["https://x3.acme.test:8124/xtrem/api"]),
    said("Must be an address that begins with https:// (or http://), without a user, blanks or a #."),
]
HeaderName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$"),
    said("Must be the name of a header: 1 to 100 letters, digits and hyphens."),
]
HeaderValue = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000, pattern=r"^[\x20-\x7e]+$"),
    said("Must be visible ASCII characters."),
]
FieldName = Annotated[
    str,
    StringConstraints(max_length=120, pattern=r"^[a-z][a-zA-Z0-9_.]*$"),
    said("Must be the name of a field, such as default_address.city; GET /v1/streams lists them."),
]
Path = Text


def _columns(path: str) -> str:
    try:
        parse_path(path)
    except NeedsTenant as error:
        raise ValueError(error.message) from None
    return path


def _template(where: str) -> str:
    if not is_template(where):
        raise ValueError("Must hold {since} or {date}, or be empty where changes are not to be looked for.")
    return where


X3Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$"),
    said("Must be a name in X3: up to 64 letters, digits and _, a letter first."),
]
HostName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$"),
    said("Must be the name of a host, such as x3.acme.test."),
]


class StreamRest(Request):
    """Where REST api1 has one kind of rows; everything has a default. `delta_where` is a template such as
    `UPDDATTIM ge @{since}@`; `details_per_row` true fetches each record by itself, null only where the list shows too
    little."""

    class_: X3Name | None = Field(default=None, alias="class")
    representation: X3Name | None = None
    paths: dict[FieldName, Annotated[Path, AfterValidator(_columns)]] = Field(default_factory=dict, max_length=200)
    delta_where: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_template)] | None = None
    details_per_row: bool | None = None


StreamName = Literal["customers", "suppliers", "invoices"]


class SageX3Settings(Request):
    """How an X3 is talked to. `fields` gives paths that differ from ours and custom fields (`custom.<name>`)."""

    endpoint: Text | None = None
    folder: Text | None = None
    customer_url: Url | None = None
    oauth_scope: Text | None = None
    jwt_audience: Annotated[str, StringConstraints(max_length=2000)] | None = None
    jwt_lifetime_seconds: int = Field(default=300, ge=1, le=86_400)
    jwt_iat_skew_seconds: int = Field(default=30, ge=0, le=3600)
    tls_ca_pem: Annotated[str, StringConstraints(max_length=65_536)] | None = None
    tls_verify: bool = True
    generation: Literal["auto", "x3", "xtremX3"] = "auto"
    page_size: int = Field(default=500, ge=1, le=10_000)
    request_timeout_seconds: float = Field(default=60, ge=1, le=600)
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=65_536, le=256 * 1024 * 1024)
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, max_length=20)
    max_concurrency: int = Field(default=2, ge=1, le=16)
    delta_overlap_seconds: int = Field(default=1020, ge=0, le=14 * 86400)
    filter_dialect: Literal["json", "relaxed"] = "json"
    fields: dict[StreamName, Annotated[dict[FieldName, Path], Field(max_length=200)]] = Field(default_factory=dict)
    rest: dict[Rows, StreamRest] = Field(default_factory=dict)
    link_hosts: list[HostName] = Field(default_factory=list, max_length=20)


class MailchimpSettings(Request):
    """Other addresses than Mailchimp's own, for tests and proxies; and from how many waiting updates of members, or
    orders, on they go as a batch of operations (null never), which Mailchimp works off slowly but beside everything
    else."""

    base_url: Url | None = None
    oauth_base_url: Url | None = None
    batch_operations_from: int | None = Field(default=1000, ge=10, le=100_000)
    batch_orders_from: int | None = Field(default=None, ge=10, le=5000)


class ClientCredential(Request):
    """An application registered at Sage or Mailchimp, with tokens if they are already at hand."""

    client_id: Text
    client_secret: VisibleSecret
    access_token: VisibleSecret | None = None
    refresh_token: VisibleSecret | None = None


class JwtCredential(Request):
    """A connected application of an on-premise X3; `subject` is the X3 user it acts for."""

    client_id: Text
    client_secret: VisibleSecret
    subject: Text | None = None


class BasicCredential(Request):
    username: Annotated[
        str,
        StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f:]*$"),
        said("Must not hold a colon or control characters."),
    ]
    password: VisibleSecret


class ApiKeyCredential(Request):
    api_key: VisibleSecret


class MailchimpOAuthCredential(Request):
    """A registered application to sign in with, or an access token that is already at hand."""

    client_id: Text | None = None
    client_secret: VisibleSecret | None = None
    access_token: VisibleSecret | None = None

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if self.access_token is None and (self.client_id is None or self.client_secret is None):
            raise ValueError("Must have client_id and client_secret to sign in with, or an access_token.")
        return self


class _Create(Request):
    name: Name


class SageX3OAuthCreate(_Create):
    system: Literal["sage_x3"]
    kind: Literal["graphql_oauth"]
    url: Url
    settings: SageX3Settings = Field(default_factory=SageX3Settings)
    credential: ClientCredential


class SageX3JwtCreate(_Create):
    system: Literal["sage_x3"]
    kind: Literal["graphql_jwt"]
    url: Url
    settings: SageX3Settings = Field(default_factory=SageX3Settings)
    credential: JwtCredential


class SageX3BasicCreate(_Create):
    system: Literal["sage_x3"]
    kind: Literal["graphql_basic", "rest_basic"]
    url: Url
    settings: SageX3Settings = Field(default_factory=SageX3Settings)
    credential: BasicCredential


class MailchimpKeyCreate(_Create):
    system: Literal["mailchimp"]
    kind: Literal["api_key"]
    url: None = None
    settings: MailchimpSettings = Field(default_factory=MailchimpSettings)
    credential: ApiKeyCredential


class MailchimpOAuthCreate(_Create):
    system: Literal["mailchimp"]
    kind: Literal["oauth"]
    url: None = None
    settings: MailchimpSettings = Field(default_factory=MailchimpSettings)
    credential: MailchimpOAuthCredential


KINDS: dict[tuple[str, str], tuple[type[_Create], type[Request], type[Request]]] = {
    ("sage_x3", "graphql_oauth"): (SageX3OAuthCreate, SageX3Settings, ClientCredential),
    ("sage_x3", "graphql_jwt"): (SageX3JwtCreate, SageX3Settings, JwtCredential),
    ("sage_x3", "graphql_basic"): (SageX3BasicCreate, SageX3Settings, BasicCredential),
    ("sage_x3", "rest_basic"): (SageX3BasicCreate, SageX3Settings, BasicCredential),
    ("mailchimp", "api_key"): (MailchimpKeyCreate, MailchimpSettings, ApiKeyCredential),
    ("mailchimp", "oauth"): (MailchimpOAuthCreate, MailchimpSettings, MailchimpOAuthCredential),
}


def _model_of(value: Any) -> str | None:
    """The tag of the model for a body's system and kind; tags are left out of error pointers."""
    if not isinstance(value, dict):
        return None
    system, kind = value.get("system"), value.get("kind")
    known = KINDS.get((system, kind)) if isinstance(system, str) and isinstance(kind, str) else None
    return f"({known[0].__name__})" if known else None


ConnectionCreate = Annotated[
    Annotated[SageX3JwtCreate, Tag("(SageX3JwtCreate)")]
    | Annotated[SageX3OAuthCreate, Tag("(SageX3OAuthCreate)")]
    | Annotated[SageX3BasicCreate, Tag("(SageX3BasicCreate)")]
    | Annotated[MailchimpKeyCreate, Tag("(MailchimpKeyCreate)")]
    | Annotated[MailchimpOAuthCreate, Tag("(MailchimpOAuthCreate)")],
    Discriminator(
        _model_of,
        custom_error_type="connection_kind",
        custom_error_message="system and kind must be one of " + ", ".join(" ".join(pair) for pair in KINDS),
    ),
]
AnyConnectionCreate = (
    SageX3JwtCreate | SageX3OAuthCreate | SageX3BasicCreate | MailchimpKeyCreate | MailchimpOAuthCreate
)


class ConnectionUpdate(Request):
    """What is to change. `settings` are merged name by name, null gives the default back. When the address changes,
    the credential must come with it: a secret never goes to a place it was not given for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "X3 test", "settings": {"page_size": 200, "max_concurrency": 1}}]}
    )

    name: Name | None = None
    url: Url | None = None
    settings: dict[str, Any] | None = None
    credential: dict[str, Any] | None = None


class ConnectionPublic(Answer):
    """A connection without its secret. `facts` is what verification learnt."""

    id: UUID
    name: str
    system: Literal["sage_x3", "mailchimp"]
    kind: str
    url: str | None
    settings: dict[str, Any]
    state: Literal["unverified", "ok", "needs_authorization", "needs_attention"]
    state_reason: str | None
    facts: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class CheckPublic(Answer):
    name: str
    ok: bool
    detail: str


class VerificationPublic(Answer):
    """`ok: false` comes with a sentence somebody can act on."""

    ok: bool
    checks: list[CheckPublic]
    facts: dict[str, Any]


class AudiencePublic(Answer):
    id: str
    name: str
    double_optin: bool
    member_count: int
    unsubscribe_count: int
    cleaned_count: int


class MergeFieldPublic(Answer):
    tag: str
    name: str
    type: str
    required: bool
    choices: list[str]


class StorePublic(Answer):
    id: str
    name: str
    audience_id: str
    currency_code: str
    is_syncing: bool


def plain(model: BaseModel) -> dict[str, Any]:
    """A model as plain values for storage, secrets in clear: seal what comes out of it."""
    return {name: _plain(value) for name, value in model if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return value
