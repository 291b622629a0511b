"""Tenants and their API keys as they travel."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.base import Answer, Instant, Name, Request, TimeZone, said

Slug = Annotated[
    str,
    Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$", max_length=63, examples=["acme"]),
    said("Must be 1 to 63 small letters, digits and hyphens, no hyphen at either end."),
]
RoleName = Literal["admin", "operator", "viewer"]


class TenantCreate(Request):
    """A new customer of ours."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"slug": "acme", "name": "Acme Industries", "time_zone": "Europe/Paris"}]}
    )

    slug: Slug
    name: Name
    time_zone: TimeZone


class TenantUpdate(Request):
    """What is to change; schedules follow a new time zone at once."""

    slug: Slug | None = None
    name: Name | None = None
    time_zone: TimeZone | None = None


class TenantPublic(Answer):
    id: UUID
    slug: str
    name: str
    time_zone: str
    created_at: datetime
    updated_at: datetime


class CallerPublic(Answer):
    """Who a key is. `tenant_id` and `key_id` are null for the operator key, which sees every tenant."""

    kind: Literal["operator", "key"]
    role: RoleName
    tenant_id: UUID | None
    key_id: UUID | None


class ApiKeyCreate(Request):
    """A new key. `admin` may do everything in its tenant, `operator` run, replay and read, `viewer` read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Night job", "role": "operator"}]})

    name: Name
    role: RoleName
    expires_at: Instant | None = None


class ApiKeyPublic(Answer):
    """`prefix` is the part of the key that may be shown: enough to recognise it."""

    id: UUID
    name: str
    role: RoleName
    prefix: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class ApiKeyCreated(ApiKeyPublic):
    """`key` is shown this once."""

    key: str
