"""What the benchmark makes of deliveries: gates, faults, a table."""

from typing import Any

import pytest

from bench.contenders.webhooks import share
from bench.webhooks import faults, gates, table


def a_phase(**given: Any) -> dict[str, Any]:
    times = {"p50_ms": 4.0, "p99_ms": 20.0, "max_ms": 50.0}
    counts = {"sent": 100, "answered": 100, "others": {}, "lost": 0}
    return {**counts, **times, "cpu_ms_per_event": {"api": 1.0}, **given}


def found(foreign_cores: float = 0.1, **phases: dict[str, Any]) -> dict[str, Any]:
    killed = a_phase(answered=60, others={"ConnectionRefusedError": 40}, cpu_ms_per_event={})
    return {"rate": 200, "foreign_cores": foreign_cores, "quiet": a_phase(), "killed": killed, **phases}


def failed(what: dict[str, Any]) -> list[str]:
    return [gate.name for gate in gates(what) if gate.required and not gate.holds]


def test_quick_answers_and_nothing_lost_hold() -> None:
    assert failed(found()) == []
    assert faults(found()) == []


def test_what_was_answered_and_is_not_there_fails_wherever_it_was() -> None:
    assert failed(found(killed=a_phase(lost=1, others={"x": 1}))) == ["webhooks answered and lost"]


@pytest.mark.parametrize(("foreign_cores", "is_required"), [(0.1, True), (1.5, False)])
def test_slow_answers_fail_unless_others_use_the_machine(foreign_cores: float, is_required: bool) -> None:
    slow = found(foreign_cores, quiet=a_phase(p99_ms=130.0), busy=a_phase(p99_ms=130.0))

    assert failed(slow) == (["webhooks answered, p99 ms, nothing else runs"] if is_required else [])
    assert len([gate for gate in gates(slow) if not gate.holds]) == 2


def test_no_answer_at_all_is_no_quick_one() -> None:
    assert failed(found(quiet=a_phase(answered=0, p99_ms=None))) == ["webhooks answered, p99 ms, nothing else runs"]


def test_unanswered_deliveries_and_kills_that_nobody_noticed_are_faults() -> None:
    assert len(faults(found(quiet=a_phase(answered=99, others={"500": 1})))) == 1
    assert len(faults(found(killed=a_phase()))) == 1


def test_the_table_names_every_phase() -> None:
    told = table(found(busy=a_phase(p99_ms=77.7)))

    assert "| 77.7 |" in told
    assert told.count("\n| ") == 5


def test_shares_of_times() -> None:
    times = [float(n) for n in range(1, 101)]

    assert [share(times, part) for part in (0.5, 0.99, 1.0)] == [51.0, 100.0, 100.0]
    assert share([], 0.5) is None
