"""Mappings as they travel. Their inside is read by app/domain/parsing.py, which knows streams and transforms."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, WithJsonSchema

from app.api.schemas.base import IS_LIST_ID, LIST_ID, NO_CONTROL, Answer, Id, Name, Request

StreamName = Literal["customers", "suppliers", "invoices"]

_CONDITION = {
    "type": "object",
    "description": "A condition on a source field, or `all`, `any`, `not` over conditions.",
    "examples": [{"field": "country", "not_in": ["FR"]}],
}
EmailRule = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": ["object", "null"],
            "description": "Where addresses are looked for, in order of preference; omit it for the stream's default.",
            "properties": {
                "sources": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
                "mode": {"enum": ["per_party", "per_contact"], "default": "per_party"},
            },
            "additionalProperties": False,
        }
    ),
]
FieldRules = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": ["array", "null"],
            "description": "One rule per merge field; omit them for the stream's defaults.",
            "maxItems": 80,
            "items": {
                "type": "object",
                "required": ["target"],
                "properties": {
                    "target": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,9}$"},
                    "source": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                    "constant": {"type": ["string", "number"]},
                    "transforms": {"type": "array", "items": {"type": ["string", "object"]}},
                    "when_blank": {"enum": ["clear", "keep", "fill"]},
                },
                "additionalProperties": False,
            },
        }
    ),
]
TagRules = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": ["array", "null"],
            "maxItems": 50,
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "maxLength": 100}, "when": _CONDITION},
                "additionalProperties": False,
            },
        }
    ),
]
Language = Annotated[
    Any, WithJsonSchema({"type": ["string", "null"], "description": "The source field of the member's language."})
]

_EXAMPLE: dict[str, JsonValue] = {
    "name": "customers",
    "stream": "customers",
    "email": {"sources": ["default_address.emails", "default_contact.email"], "mode": "per_party"},
    "fields": [
        {"target": "COMPANY", "source": "name", "transforms": ["trim", {"name": "truncate", "length": 80}]},
        {"target": "KIND", "constant": "customer"},
    ],
    "tags": [{"name": "x3-customer"}, {"name": "x3-export", "when": {"field": "country", "not_in": ["FR"]}}],
    "language": "language",
}


class MappingCreate(Request):
    """A tenant's rules from X3 fields to a member. For `invoices` they say where the billed customer's address is found
    and what a store's customer holds: sources are fields of `customers`, targets COMPANY, FNAME, LNAME, ADDRESS1,
    ADDRESS2, CITY, PROVINCE, POSTCODE and COUNTRY; no tags, no language."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    stream: StreamName
    email: EmailRule = None
    fields: FieldRules = None
    tags: TagRules = None
    language: Language = None

    def definition(self) -> dict[str, Any]:
        """As app/domain/parsing.py reads it: what was left out is not there, so that defaults apply."""
        given = self.model_fields_set - {"name"}
        return {
            name: getattr(self, name) for name in ("stream", "email", "fields", "tags", "language") if name in given
        }


class MappingPublic(Answer):
    """A mapping with its defaults filled in."""

    id: UUID
    version: int
    name: str
    stream: str
    email: dict[str, Any]
    fields: list[dict[str, Any]]
    tags: list[dict[str, Any]]
    language: str | None
    created_at: datetime


Code = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$"), NO_CONTROL]


class PreviewRules(Request):
    """Rules to try that are not stored: as in a mapping, what is left out gets the stream's defaults."""

    email: EmailRule = None
    fields: FieldRules = None
    tags: TagRules = None
    language: Language = None


class PreviewRequest(Request):
    """Which records to look at: the given codes, or the first of the stream. With `definition`, these rules are tried
    in the place of the mapping's newest version."""

    connection_id: Id
    audience_connection_id: Id | None = None
    audience_id: Annotated[str, StringConstraints(pattern=LIST_ID), IS_LIST_ID] | None = None
    codes: Annotated[list[Code], Field(min_length=1, max_length=50)] | None = None
    limit: int = Field(default=10, ge=1, le=50)
    definition: PreviewRules | None = None


class PreviewWarning(Answer):
    target: str
    message: str


class PreviewItem(Answer):
    """`decision`: would_create, would_update, unchanged, skipped:<reason>; would_write when there is nothing to compare
    with. `member` is null when the record becomes none; an invoice becomes an `order` instead, null for all others."""

    code: str
    source: dict[str, Any]
    member: dict[str, Any] | None
    order: dict[str, Any] | None
    warnings: list[PreviewWarning]
    decision: str


class PreviewPublic(Answer):
    items: list[PreviewItem]
    warnings: list[str]


class FieldPublic(Answer):
    name: str
    type: str
    description: str
    scope: str


class StreamPublic(Answer):
    """`makes_members` is false for streams that become orders of a store."""

    name: str
    description: str
    makes_members: bool
    fields: list[FieldPublic]


class StreamsPublic(Answer):
    """Everything a mapping may name."""

    items: list[StreamPublic]
    transforms: list[dict[str, Any]]
    next_cursor: None
