"""A run's row, and what it changed, as the world sees them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.api.schemas.runs import REASONS, Counts, FieldChange, Progress, RunPublic
from app.db.base import now
from app.db.runs import SyncRun
from app.sync.changes import FieldChange as Changed

_COPIED = (
    "id",
    "sync_id",
    "mode",
    "dry_run",
    "trigger",
    "codes",
    "mapping_version",
    "state",
    "drift",
    "warnings",
    "watermark_before",
    "watermark_after",
    "queued_at",
    "started_at",
    "finished_at",
    "attempt",
    "reason",
    "reason_code",
)
_COUNTED = ("read", "created", "updated", "unchanged", "skipped", "rejected")


def present(run: SyncRun) -> RunPublic:
    return RunPublic(
        **{name: getattr(run, name) for name in _COPIED},
        counts=Counts(**{name: getattr(run, f"n_{name}") for name in _COUNTED}),
        skipped_by_reason={**dict.fromkeys(REASONS, 0), **_whole_numbers(run.skipped_by_reason)},
        progress=_progress(run, now()),
        next_try_at=run.not_before if run.state in ("queued", "running") else None,
    )


def _whole_numbers(counts: dict[str, Any]) -> dict[str, int]:
    return {reason: int(count) for reason, count in counts.items()}


def _progress(run: SyncRun, at: datetime) -> Progress:
    """The rate is the average since the start; there is no telling when a waiting run will end."""
    seconds = ((run.finished_at or at) - run.started_at).total_seconds() if run.started_at else 0.0
    rate = run.n_read / seconds if seconds > 0 and run.n_read else None
    left = max(0, run.expected_records - run.n_read) if run.expected_records is not None else None
    eta = round(left / rate) if run.state == "running" and rate and left is not None else None
    return Progress(
        pages=run.pages,
        expected_records=run.expected_records,
        records_per_second=None if rate is None else round(rate, 1),
        eta_seconds=eta,
    )


def present_fields(fields: Mapping[str, Changed]) -> dict[str, FieldChange]:
    return {name: FieldChange(before=change.before, after=change.after) for name, change in fields.items()}
