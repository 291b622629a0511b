"""Runs and what they decided, as they travel."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.base import Answer, Request
from app.api.schemas.mappings import Code

Mode = Literal["delta", "full", "reconcile", "replay"]
REASONS = ("no_email", "mailing_prohibited", "opted_out", "duplicate_email", "filtered", "forgotten")


class RunCreate(Request):
    """`delta` since the watermark, `full` everything, `reconcile` both sides compared, `replay` the open dead letters.
    With `codes` only these records. A dry run decides and writes nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mode": "delta"}]})

    mode: Mode
    dry_run: bool = False
    codes: Annotated[list[Code], Field(min_length=1, max_length=10_000)] | None = None


class Counts(Answer):
    """In a finished run: read = created + updated + unchanged + skipped + rejected."""

    read: int
    created: int
    updated: int
    unchanged: int
    skipped: int
    rejected: int


class Progress(Answer):
    pages: int
    expected_records: int | None
    records_per_second: float | None
    eta_seconds: int | None


class RunPublic(Answer):
    """`drift` says of a reconcile run how many members were missing_in_mailchimp or changed_in_mailchimp, how many are
    an orphan (the sync's tag, but no record), and how many records X3 no longer names (x3_absent_once, x3_deleted).

    `reason` says of a failed or halted run who must act, and of one that waits until `next_try_at` what for.
    `skipped_by_reason` always has the six keys no_email, mailing_prohibited, opted_out, duplicate_email, filtered and
    forgotten, and others as they occur."""

    id: UUID
    sync_id: UUID
    mode: Mode
    dry_run: bool
    trigger: Literal["schedule", "api", "console", "replay"]
    codes: list[str] | None
    mapping_version: int
    state: Literal["queued", "running", "halted", "succeeded", "partially_failed", "failed", "cancelled"]
    counts: Counts
    skipped_by_reason: dict[str, int]
    drift: dict[str, int] | None
    progress: Progress
    warnings: list[str]
    watermark_before: datetime | None
    watermark_after: datetime | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    next_try_at: datetime | None
    reason: str | None
    reason_code: str | None


class RunStarted(RunPublic):
    """`coalesced` is true when a run that was queued already takes this one's place."""

    coalesced: bool


class FieldChange(Answer):
    """`before` is null when we had never written the field: we know what we sent, not what was there."""

    before: Any
    after: Any


class ChangePublic(Answer):
    """What a run decided for one record (dry runs: would do)."""

    code: str
    key: str
    email: str | None
    decision: str
    fields: dict[str, FieldChange]
    reason: str | None
    warnings: list[list[str]]


class PacePoint(Answer):
    """The stretch of time that begins at `at`."""

    at: datetime
    records: int


class PacePublic(Answer):
    """Stretches of `bucket_seconds`; those in which nothing was decided are left out."""

    bucket_seconds: int
    items: list[PacePoint]
