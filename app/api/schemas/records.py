"""Records, dead letters and audit events as they travel."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from app.api.schemas.base import IS_REASON, REASON, Answer, Id, Instant, Request
from app.api.schemas.runs import FieldChange

Reason = Annotated[str, StringConstraints(pattern=REASON), IS_REASON]


class RecordPublic(Answer):
    """What the ledger says of one X3 record: carried, or not and why. `key` is the code, or code/contact."""

    id: UUID
    sync_id: UUID
    code: str
    key: str
    email: str | None
    state: Literal["synced", "skipped", "rejected"]
    reason: str | None
    is_active: bool
    tags: list[str]
    mapping_version: int
    run_id: UUID
    changed_at: datetime


class TimelineEvent(Answer):
    """One thing that happened to a record; `fields` are null when nothing was written."""

    at: datetime
    action: str
    actor: str
    run_id: UUID | None
    mapping_version: int | None
    decision: str | None
    email: str | None
    fields: dict[str, FieldChange] | None
    warnings: list[list[str]]
    reason: str | None


class DeadLetterPublic(Answer):
    """A record that could not be carried. `payload` is the member as it would have been sent."""

    id: UUID
    sync_id: UUID
    run_id: UUID
    code: str
    key: str
    reason: str
    message: str
    field: str | None
    payload: dict[str, Any] | None
    state: Literal["open", "resolved", "superseded", "dismissed"]
    attempts: int
    created_at: datetime
    updated_at: datetime


class ReplayRequest(Request):
    """Which open dead letters of a sync get their second chance: all, those of a reason, or those since an instant."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"sync_id": "0b3f7f0c-6a3e-4a55-9c64-0c6f1f0f3c11", "reason": "merge_field"}]}
    )

    sync_id: Id
    reason: Reason | None = None
    since: Instant | None = None


class AuditEventPublic(Answer):
    """`subject` stands for an address without telling it; `hash` chains the event to the one before."""

    seq: int
    at: datetime
    actor: str
    action: str
    object_id: UUID | None
    sync_id: UUID | None
    run_id: UUID | None
    page: int | None
    code: str | None
    subject: str | None
    reason: str | None
    detail: dict[str, Any] | None
    hash: str


class VerdictPublic(Answer):
    """`first_broken` is the first sequence number that does not fit the chain."""

    ok: bool
    events: int
    head: str
    first_broken: int | None


class HealthPublic(Answer):
    status: Literal["ok"]


class ReadinessPublic(Answer):
    """`checks` say of each thing this process needs whether it is there."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str] = Field(examples=[{"postgres": "ok", "redis": "ok", "migrations": "ok"}])


class VersionPublic(Answer):
    name: str
    version: str
