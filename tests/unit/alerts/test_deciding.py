"""Who is told what: once per change, by each channel's own thresholds, whatever was missed before."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from app.domain.alerting import (
    KINDS,
    Finding,
    Measures,
    Open,
    Renew,
    Resolve,
    Standing,
    Tell,
    Thresholds,
    Told,
    Watcher,
    decide,
    exceeds,
)

SYNC, OTHER = uuid4(), uuid4()
DAY = 86_400


def a_finding(kind: str = "run.failed", **given: Any) -> Finding:
    values: dict[str, Any] = {"subject_id": SYNC, "name": "customers", "sentence": "It failed.", "sync_id": SYNC}
    return Finding(kind=kind, **{**values, "syncs": frozenset({SYNC}), **given})  # type: ignore[arg-type]  # a Kind


def a_watcher(*kinds: str, thresholds: Thresholds | None = None, syncs: set[UUID] | None = None) -> Watcher:
    scope = None if syncs is None else frozenset(syncs)
    return Watcher(uuid4(), frozenset(kinds or KINDS), thresholds or Thresholds(), scope)


def opened(finding: Finding, **told: Told) -> Standing:
    known = {UUID(hex=channel): each for channel, each in told.items()}
    return Standing(
        uuid4(),
        finding.kind,
        finding.subject_id,
        finding.name,
        finding.sentence,
        datetime(2026, 1, 1, tzinfo=UTC),
        finding.sync_id,
        finding.connection_id,
        finding.run_id,
        known,
    )


def told(watcher: Watcher, phase: str | None = "opened", seq: int = 1) -> dict[str, Told]:
    return {watcher.id.hex: Told(seq, phase)}


def test_what_is_new_is_opened_and_told_to_those_who_want_it() -> None:
    finding, wants, other = a_finding(), a_watcher("run.failed"), a_watcher("sync.stale")

    assert decide([finding], [], [wants, other]) == [Open(finding, (wants.id,))]


def test_what_is_known_and_told_is_left_alone() -> None:
    finding, watcher = a_finding(), a_watcher()

    assert decide([finding], [opened(finding, **told(watcher))], [watcher]) == []


def test_without_channels_alerts_are_kept_all_the_same() -> None:
    assert decide([a_finding()], [], []) == [Open(a_finding(), ())]


def test_the_end_is_told_to_whoever_was_told_of_the_beginning() -> None:
    finding, knows, newer, heard_the_end = a_finding(), a_watcher(), a_watcher(), a_watcher()
    alert = opened(finding, **told(knows), **told(heard_the_end, "resolved", 2))

    assert decide([], [alert], [knows, newer, heard_the_end]) == [Resolve(alert, (knows.id,))]


def test_another_run_with_the_same_trouble_is_noted_and_told_to_nobody() -> None:
    watcher, again = a_watcher(), a_finding(run_id=uuid4(), sentence="It failed otherwise.")
    alert = opened(a_finding(), **told(watcher))

    assert decide([again], [alert], [watcher]) == [Renew(alert, again)]


@pytest.mark.parametrize("phase", [None, "absent"])
def test_a_channel_that_is_new_or_was_switched_on_again_catches_up(phase: str | None) -> None:
    finding, watcher = a_finding(), a_watcher()
    alert = opened(finding, **({} if phase == "absent" else told(watcher, None, 3)))

    assert decide([finding], [alert], [watcher]) == [Tell(alert, finding, watcher.id, "opened")]


def test_a_channel_of_other_syncs_hears_nothing() -> None:
    finding = a_finding()

    assert decide([finding], [], [a_watcher(syncs={OTHER})]) == [Open(finding, ())]


def test_each_channel_has_its_own_threshold() -> None:
    keen, patient = (a_watcher(thresholds=Thresholds(rejected_percent=share)) for share in (1, 50))
    few = a_finding("run.rejections", measures=Measures(read=100, rejected=2))
    most = msgspec.structs.replace(few, measures=Measures(read=100, rejected=60))

    assert decide([few], [], [keen, patient]) == [Open(few, (keen.id,))]
    assert decide([few], [], [patient]) == []
    alert = opened(few, **told(keen))
    assert decide([most], [alert], [keen, patient]) == [Tell(alert, most, patient.id, "opened")]
    alert = opened(few, **told(keen), **told(patient))
    assert decide([few], [alert], [keen, patient]) == [Tell(alert, few, patient.id, "resolved")]


def test_different_kinds_about_one_sync_are_different_alerts() -> None:
    kinds = ("run.failed", "sync.needs_attention")
    found = [a_finding(kind) for kind in kinds]

    assert [step.finding.kind for step in decide(found, [], []) if isinstance(step, Open)] == list(kinds)


def rejections(read: int, rejected: int) -> Finding:
    return a_finding("run.rejections", measures=Measures(read=read, rejected=rejected))


def late(seconds: float, period: float | None) -> Finding:
    return a_finding("sync.stale", measures=Measures(stale_seconds=seconds, period_seconds=period))


def ending(days: float | None) -> Finding:
    left = None if days is None else days * DAY
    return a_finding("credential.expiring", measures=Measures(left_seconds=left))


@pytest.mark.parametrize(
    ("finding", "limits", "expected"),
    [
        (rejections(100, 6), Thresholds(), True),
        (rejections(100, 5), Thresholds(), False),  # above, not at
        (rejections(9, 9), Thresholds(), False),  # fewer than ten say nothing
        (rejections(10, 1), Thresholds(), True),
        (rejections(1000, 1), Thresholds(rejected_percent=0), True),
        (late(2700, 900), Thresholds(), False),
        (late(2701, 900), Thresholds(), True),
        (late(10 * DAY, None), Thresholds(), False),  # nobody promised anything
        (late(3601, None), Thresholds(freshness_minutes=60), True),
        (late(2701, 900), Thresholds(freshness_minutes=60), False),
        (ending(4.9), Thresholds(), True),
        (ending(5.1), Thresholds(), False),
        (ending(5.1), Thresholds(credential_days=7), True),
        (ending(None), Thresholds(credential_days=1), True),  # lost already
        (a_finding("run.halted"), Thresholds(), True),
    ],
)
def test_thresholds(finding: Finding, limits: Thresholds, *, expected: bool) -> None:
    assert exceeds(finding, limits) is expected
