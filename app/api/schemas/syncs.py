"""Syncs as they travel. Schedule, filter and inactive policy are read by app/domain."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, WithJsonSchema

from app.api.schemas.base import Answer, Id, Name, Request, said
from app.api.schemas.mappings import StreamName

Schedule = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": ["object", "null"],
            "description": "In the tenant's time zone. `quiet_hours` are when X3 must not be read.",
            "required": ["kind"],
            "properties": {
                "kind": {"enum": ["manual", "interval", "daily", "weekly", "cron"]},
                "minutes": {"type": "integer", "minimum": 1, "maximum": 40320},
                "at": {"type": "string", "examples": ["02:30"]},
                "days": {"type": "array", "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}},
                "expression": {"type": "string", "examples": ["*/15 6-20 * * 1-5"]},
                "quiet_hours": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["from", "to"],
                        "properties": {"from": {"type": "string"}, "to": {"type": "string"}},
                    },
                },
            },
            "additionalProperties": False,
        }
    ),
]
Filter = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": ["object", "null"],
            "description": "Which records are carried: a condition on a source field, or `all`, `any`, `not` of such.",
            "examples": [{"field": "category", "in": ["EXP", "DOM"]}],
        }
    ),
]
Inactive = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": ["object", "null"],
            "description": "What happens to members whose record X3 marks inactive. Nobody is ever re-subscribed. "
            "Without `tag` or `field`: x3-inactive, X3STATUS; for suppliers x3-supplier-inactive, X3SUPSTAT. Syncs "
            "that share an audience should not share a tag or field; a warning says so.",
            "required": ["action"],
            "properties": {
                "action": {"enum": ["none", "tag", "merge_field", "archive", "unsubscribe"]},
                "tag": {"type": "string"},
                "field": {"type": "string"},
                "value": {"type": "string"},
                "active_value": {"type": "string"},
            },
            "additionalProperties": False,
        }
    ),
]
VendorId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,50}$"),
    said("Must be an id at Mailchimp: up to 50 letters, digits, _ and hyphens."),
]


class TargetModel(Request):
    """Where members go; a store in addition takes e-commerce customers (stream customers) or orders (stream invoices,
    which needs it, and a filter that says which companies). Merge fields that the audience lacks are added before a
    run, unless `create_merge_fields` is false: then they are left out, and the run's warnings name them."""

    audience_id: VendorId
    store_id: VendorId | None = None
    create_merge_fields: bool = True


class Brake(Request):
    """A run that would exceed this stops before writing and waits for `approve`."""

    max_new: int | None = Field(default=None, ge=0, le=100_000_000)
    max_inactive_percent: int | None = Field(default=20, ge=0, le=100)


class Reconcile(Request):
    """How often both sides are compared whole (null: only when asked), and which drift is repaired: the others are
    reported only."""

    every_days: int | None = Field(default=7, ge=1, le=365)
    repair: list[Literal["missing_in_mailchimp", "changed_in_mailchimp", "x3_deleted"]] = Field(
        default=["missing_in_mailchimp", "changed_in_mailchimp", "x3_deleted"], max_length=3
    )


_EXAMPLE: dict[str, JsonValue] = {
    "name": "customers to newsletter",
    "stream": "customers",
    "source_connection_id": "0b3f7f0c-6a3e-4a55-9c64-0c6f1f0f3c11",
    "target_connection_id": "3d0b8a0e-52b1-4f0e-8d1b-1d7f0d8f1a22",
    "mapping_id": "9f6a2f64-2b0d-4c8e-a4a8-6f0c2f3b7d33",
    "target": {"audience_id": "a6b5da1054", "store_id": None, "create_merge_fields": True},
    "filter": {"field": "category", "in": ["EXP", "DOM"]},
    "new_member_status": "transactional",
    "inactive": {"action": "tag", "tag": "x3-inactive"},
    "schedule": {"kind": "daily", "at": "02:30"},
    "brake": {"max_new": None, "max_inactive_percent": 20},
    "reconcile": {"every_days": 7},
    "enabled": True,
}


class SyncCreate(Request):
    """A standing instruction: what is read, how it is mapped, where it goes and how often."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    stream: StreamName
    source_connection_id: Id
    target_connection_id: Id
    mapping_id: Id
    target: TargetModel
    filter: Filter = None
    new_member_status: Literal["transactional", "pending", "subscribed", "unsubscribed"] = Field(
        description="Used only for people Mailchimp does not know; nothing ever raises the status of a known member."
    )
    inactive: Inactive = None
    schedule: Schedule = None
    brake: Brake = Field(default_factory=Brake)
    reconcile: Reconcile = Field(default_factory=Reconcile)
    enabled: bool = True


class SyncUpdate(Request):
    """What is to change; each property is replaced whole. Its stream a sync keeps."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"schedule": {"kind": "interval", "minutes": 15}}]})

    name: Name | None = None
    source_connection_id: Id | None = None
    target_connection_id: Id | None = None
    mapping_id: Id | None = None
    target: TargetModel | None = None
    filter: Filter = None
    new_member_status: Literal["transactional", "pending", "subscribed", "unsubscribed"] | None = None
    inactive: Inactive = None
    schedule: Schedule = None
    brake: Brake | None = None
    reconcile: Reconcile | None = None
    enabled: bool | None = None


class SyncPublic(Answer):
    """`freshness_seconds` is the age of the watermark: how far behind X3 the audience may be."""

    id: UUID
    name: str
    stream: str
    source_connection_id: UUID
    target_connection_id: UUID
    mapping_id: UUID
    target: dict[str, Any]
    filter: dict[str, Any] | None
    new_member_status: str
    inactive: dict[str, Any]
    schedule: dict[str, Any]
    brake: dict[str, Any]
    reconcile: dict[str, Any]
    enabled: bool
    state: Literal["active", "paused", "needs_attention"]
    state_reason: str | None
    watermark: datetime | None
    last_success_at: datetime | None
    next_due_at: datetime | None
    freshness_seconds: int | None
    created_at: datetime
    updated_at: datetime


class SyncChecked(SyncPublic):
    """`warnings` say what could not be checked or does not fit well, e.g. merge fields that will be created."""

    warnings: list[str]
