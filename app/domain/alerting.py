"""What is worth telling people, whom it is told, and when it is over: decisions only."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Kind = Literal[
    "run.failed", "run.halted", "run.rejections", "sync.needs_attention", "sync.stale", "credential.expiring"
]
KINDS: tuple[Kind, ...] = (
    "run.failed",
    "run.halted",
    "run.rejections",
    "sync.needs_attention",
    "sync.stale",
    "credential.expiring",
)
Phase = Literal["opened", "resolved"]
LEAST_READ = 10
"""Fewer records than these say nothing about a share."""
MOST_CREDENTIAL_DAYS = 14


class Thresholds(msgspec.Struct, frozen=True):
    """From where on a channel wants to know. `freshness_minutes` goes before `freshness_factor`, which multiplies the
    longest time the schedule leaves between two runs."""

    rejected_percent: float = 5.0
    freshness_factor: float = 3.0
    freshness_minutes: int | None = None
    credential_days: int = 5


class Measures(msgspec.Struct, frozen=True):
    """What thresholds are held against. `period_seconds` is None for manual syncs."""

    read: int = 0
    rejected: int = 0
    stale_seconds: float = 0
    period_seconds: float | None = None
    left_seconds: float | None = None  # of a credential; None: it is lost already


class Finding(msgspec.Struct, frozen=True):
    """Something that is so just now. `syncs` are those it concerns; `name` is the sync's or connection's."""

    kind: Kind
    subject_id: UUID
    name: str
    sentence: str
    syncs: frozenset[UUID] = frozenset()
    sync_id: UUID | None = None
    connection_id: UUID | None = None
    run_id: UUID | None = None
    measures: Measures = Measures()


class Watcher(msgspec.Struct, frozen=True):
    """An enabled channel; `syncs` None means all."""

    id: UUID
    kinds: frozenset[str]
    thresholds: Thresholds
    syncs: frozenset[UUID] | None = None

    def wants(self, finding: Finding) -> bool:
        return finding.kind in self.kinds and (self.syncs is None or not self.syncs.isdisjoint(finding.syncs))


class Told(msgspec.Struct, frozen=True):
    """The last message of an alert to one channel; phase None when nothing of it ever left."""

    seq: int
    phase: str | None


class Standing(msgspec.Struct, frozen=True):
    """An open alert."""

    id: UUID
    kind: Kind
    subject_id: UUID
    name: str
    sentence: str
    opened_at: datetime
    sync_id: UUID | None = None
    connection_id: UUID | None = None
    run_id: UUID | None = None
    told: Mapping[UUID, Told] = msgspec.field(default_factory=dict)


class Open(msgspec.Struct, frozen=True):
    finding: Finding
    tell: tuple[UUID, ...]


class Renew(msgspec.Struct, frozen=True):
    """Another sentence or run, the same alert: nobody is told."""

    alert: Standing
    finding: Finding


class Tell(msgspec.Struct, frozen=True):
    """A channel does not know yet: it is new, or the alert crossed its own threshold."""

    alert: Standing
    finding: Finding
    channel_id: UUID
    phase: Phase


class Resolve(msgspec.Struct, frozen=True):
    alert: Standing
    tell: tuple[UUID, ...]


Step = Open | Renew | Tell | Resolve


def exceeds(finding: Finding, limits: Thresholds) -> bool:
    """Whether somebody with these thresholds wants to know."""
    found = finding.measures
    if finding.kind == "run.rejections":
        return found.read >= LEAST_READ and found.rejected * 100 > limits.rejected_percent * found.read
    if finding.kind == "sync.stale":
        if limits.freshness_minutes is not None:
            return found.stale_seconds > limits.freshness_minutes * 60
        return found.period_seconds is not None and found.stale_seconds > limits.freshness_factor * found.period_seconds
    if finding.kind == "credential.expiring" and found.left_seconds is not None:
        return found.left_seconds < limits.credential_days * 86_400
    return True


def decide(findings: Iterable[Finding], alerts: Sequence[Standing], watchers: Sequence[Watcher]) -> list[Step]:
    """What has to happen so that alerts and channels say what is so. Nothing when they do: asking twice tells nobody
    twice. Without any channel for it, an alert follows the default thresholds."""
    true = {(each.kind, each.subject_id): each for each in findings if _is_alert(each, watchers)}
    known = {(alert.kind, alert.subject_id) for alert in alerts}
    steps: list[Step] = []
    for alert in alerts:
        finding = true.get((alert.kind, alert.subject_id))
        steps += [_ended(alert, watchers)] if finding is None else _still(alert, finding, watchers)
    for key, finding in true.items():
        if key not in known:
            steps.append(Open(finding, tuple(w.id for w in watchers if _hears(w, finding))))
    return steps


def _hears(watcher: Watcher, finding: Finding) -> bool:
    return watcher.wants(finding) and exceeds(finding, watcher.thresholds)


def _is_alert(finding: Finding, watchers: Sequence[Watcher]) -> bool:
    limits = [watcher.thresholds for watcher in watchers if watcher.wants(finding)] or [Thresholds()]
    return any(exceeds(finding, each) for each in limits)


def _ended(alert: Standing, watchers: Sequence[Watcher]) -> Resolve:
    """Told to whoever was told that it began."""
    return Resolve(alert, tuple(w.id for w in watchers if _believes(alert, w)))


def _still(alert: Standing, finding: Finding, watchers: Sequence[Watcher]) -> list[Step]:
    steps: list[Step] = []
    if (alert.sentence, alert.run_id) != (finding.sentence, finding.run_id):
        steps.append(Renew(alert, finding))
    for watcher in watchers:
        if not watcher.wants(finding):
            continue
        high = exceeds(finding, watcher.thresholds)
        if high != _believes(alert, watcher):
            steps.append(Tell(alert, finding, watcher.id, "opened" if high else "resolved"))
    return steps


def _believes(alert: Standing, watcher: Watcher) -> bool:
    told = alert.told.get(watcher.id)
    return told is not None and told.phase == "opened"
