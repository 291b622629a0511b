"""What the benchmark makes of results: figures, faults and gates."""

from typing import Any

import pytest

from bench.figures import Figure, faults, figures
from bench.gates import gates
from bench.plan import FLAT, Contest, default, full, quick
from bench.report import markdown
from bench.running import Result

TRANSFORM = {"microseconds": {"ours": 10.0, "plain": 20.0}}


def a_step(**given: Any) -> dict[str, Any]:
    seen = {"requests": {"batch": 2}, "members": 1000, "first_at": 100.0, "last_at": 100.5}
    return {
        "state": "succeeded",
        "counts": {"read": 1000, "updated": 0},
        "wall_seconds": 0.5,
        "cpu_seconds": {"worker": 0.03, "api": 0.0, "postgres": 0.02},
        "peak_mb": 120.0,
        "stored": {"ledger": 1000, "audit": 1009, "audit_members": 1000, "dead_letters": 0},
        "mailchimp": seen,
        **given,
    }


def a_result(contest: Contest, printed: dict[str, Any], **seen: Any) -> Result:
    mailchimp = {"distinct": contest.records, "throttled": 0, "unexpected": [], "largest_batch": 500}
    return Result(contest, printed, {**mailchimp, "most_in_flight": 8, **seen}, {"unexpected": []}, 0.1)


def ours(contest: Contest | None = None, **steps: dict[str, Any]) -> Result:
    contest = contest or Contest("cpu", "ours", 1000, steps=tuple(steps) or ("first",))
    return a_result(contest, {"steps": steps or {"first": a_step()}})


def official(cpu: float = 0.07) -> Result:
    printed = {"wall_seconds": 2.0, "cpu_seconds": cpu, "call_cpu_seconds": 0.04, "peak_mb": 60.0}
    return a_result(Contest("cpu", "official_batch", 1000), printed)


def test_rounds_become_their_median() -> None:
    found = figures([official(0.06), official(0.09), official(0.07)])

    assert [figure.name for figure in found] == ["official-batch"]
    assert found[0].cpu_per_record == pytest.approx(70.0)


def test_shares_compare_with_eight_connections_and_full_batches() -> None:
    contest = Contest("flat", "ours", 1000, FLAT)

    found = figures([ours(contest)])[0]

    assert found.share == pytest.approx(2000 / (8 * 500 / 1.5))


def test_half_the_cpu_of_the_official_script_holds_and_more_does_not() -> None:
    def verdict(cpu: float) -> bool:
        found = gates(quick(), figures([ours(), official(cpu)]), TRANSFORM)
        return next(gate.holds for gate in found if gate.name.startswith("CPU, official"))

    assert verdict(0.07)
    assert not verdict(0.05)


def test_memory_is_compared_between_the_smallest_and_the_largest_load() -> None:
    large = ours(Contest("memory", "ours", 5000), first=a_step(peak_mb=140.0, counts={"read": 5000}))

    found = {gate.name: gate for gate in gates(quick(), figures([ours(), large]), TRANSFORM)}

    assert found["worker's peak memory, MB"].holds
    assert not found["peak memory, smallest load = 1"].holds


def test_a_run_that_did_what_it_should_has_no_faults() -> None:
    again = a_step(stored={"ledger": 1000, "audit": 1011, "audit_members": 1000, "dead_letters": 0})

    assert faults(ours(first=a_step(), delta=again)) == []


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"mailchimp": {**a_step()["mailchimp"], "requests": {"batch": 3}}}, "writes of run delta"),
        ({"stored": {**a_step()["stored"], "audit": 2010}}, "audit rows per record"),
        ({"state": "failed"}, "state of run delta"),
    ],
)
def test_a_second_run_that_is_not_silent_is_a_fault(step: dict[str, Any], says: str) -> None:
    found = faults(ours(first=a_step(), delta=a_step(**step)))

    assert len(found) == 1
    assert says in found[0]


def test_too_many_calls_too_large_batches_and_refusals_are_faults() -> None:
    result = a_result(
        Contest("cpu", "ours", 1000), {"steps": {"first": a_step()}},
        most_in_flight=9, largest_batch=501, throttled=1, distinct=999,
    )  # fmt: skip

    assert len(faults(result)) == 4


def test_the_report_shows_every_figure_and_gate() -> None:
    rows: list[Figure] = figures([ours(), official()])

    text = markdown(quick(), rows, gates(quick(), rows, TRANSFORM), ["something"], {"transform": TRANSFORM})

    assert "| ours | 1,000 |" in text
    assert "| official-batch | 1,000 |" in text
    assert "WRONG: something" in text


def test_every_mode_measures_what_the_gates_need() -> None:
    for mode in (quick(), default(), full()):
        parts = {(contest.part, contest.contender) for contest in mode.contests}
        assert parts >= {("cpu", "ours"), ("cpu", "official_batch"), ("limit", "ours"), ("memory", "ours")}
