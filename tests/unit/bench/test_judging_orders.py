"""What the benchmark makes of runs of invoices."""

from typing import Any

import pytest

from bench.figures import faults, figures
from bench.gates import gates
from bench.plan import BRISK, Contest, default, quick
from bench.running import Result
from tests.unit.bench.test_judging import TRANSFORM, a_result, a_step

STORE = {"orders": 1000, "revenue": "123.45", "customers": 200, "products": 20, "puts": 1220, "opted_in": 0,
         "dangling": 0}  # fmt: skip


def a_run(**given: Any) -> dict[str, Any]:
    seen = {"requests": {}, "first_at": 100.0, "last_at": 116.0, "store": STORE}
    return a_step(wall_seconds=20.0, mailchimp=seen, **given)


def carried(contest: Contest, *, store: dict[str, Any] | None = None, **steps: dict[str, Any]) -> Result:
    made = a_result(contest, {"steps": steps}, distinct=0, largest_batch=0, store={**STORE, **(store or {})})
    made.x3["revenue"] = "123.45"
    return made


FIRST = Contest("orders", "orders", 1000)
AGAIN = Contest("orders", "orders", 1000, steps=("first", "full"))


def test_a_share_counts_every_call_that_changed_the_store() -> None:
    (found,) = figures([carried(Contest("orders", "orders", 1000, BRISK), first=a_run())])

    assert found.name == "orders"
    assert found.share == pytest.approx(1220 / 20 / 80)
    assert found.steady_share == pytest.approx(1220 / 16 / 80)


def test_orders_that_came_as_they_should_have_no_faults() -> None:
    again = a_run(stored={"ledger": 1000, "audit": 1011, "audit_members": 1000, "dead_letters": 0})

    assert faults(carried(AGAIN, first=a_run(), full=again)) == []


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ({"orders": 999}, "orders in the store"),
        ({"revenue": "123.44"}, "revenue"),
        ({"opted_in": 1}, "opted in"),
        ({"dangling": 1}, "before their customer"),
        ({"puts": 1240}, "calls above one per object"),
    ],
)
def test_a_store_that_is_not_what_x3_says_is_a_fault(store: dict[str, Any], says: str) -> None:
    found = faults(carried(FIRST, store=store, first=a_run()))

    assert len(found) == 1
    assert says in found[0]


def test_a_second_run_that_writes_is_a_fault() -> None:
    again = a_run()
    again["mailchimp"] = {**again["mailchimp"], "store": {**STORE, "puts": 1221}}

    assert any("writes of run full" in fault for fault in faults(carried(AGAIN, first=a_run(), full=again)))


def test_memory_may_grow_by_a_tenth_between_the_smallest_and_the_largest_load() -> None:
    def verdict(peak_mb: float) -> bool:
        large = carried(Contest("orders", "orders", 5000), first=a_run(peak_mb=peak_mb, counts={"read": 5000}))
        found = gates(quick(), figures([carried(FIRST, first=a_run(peak_mb=110.0)), large]), TRANSFORM)
        return next(gate.holds for gate in found if gate.name.startswith("peak memory of"))

    assert verdict(120.0)
    assert not verdict(122.0)


def test_both_modes_measure_share_and_cost_and_the_default_a_hundred_thousand() -> None:
    for mode in (quick(), default()):
        latencies = {bool(c.latency.call) for c in mode.contests if c.part == "orders"}
        assert latencies == {True, False}
    assert max(c.records for c in default().contests if c.part == "orders") == 100_000
