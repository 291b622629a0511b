"""What the benchmark makes of runs of invoices: their share of the limit, and whether they did what they should."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.plan import Contest
from bench.running import Result

REPEATED = 0.01  # calls whose answer never came, or whose worker was stopped, are made again
FEW = 10  # audit events that tell of a run, not of its documents


def shares(contest: Contest, runs: Sequence[dict[str, Any]], connections: int) -> tuple[float, float]:
    """Calls that changed the store as a share of what the connections permit: from the call that starts the run to its
    end, and from the first call to the last answer."""
    most = connections / (contest.latency.call / 1000)
    whole = median(_puts(run) / run["wall_seconds"] for run in runs)
    steady = median(_puts(run) / max(_seconds(run), 0.001) for run in runs)
    return float(whole / most), float(steady / most)


def _repeated(store: dict[str, Any], orders: int) -> float:
    objects = orders + int(store["customers"]) + int(store["products"])
    return int(store["puts"]) / objects - 1


def _puts(run: dict[str, Any]) -> int:
    return int(run["mailchimp"]["store"]["puts"])


def _seconds(run: dict[str, Any]) -> float:
    return float(run["mailchimp"]["last_at"] - run["mailchimp"]["first_at"])


def wanted(result: Result) -> dict[str, tuple[Any, Any]]:
    """(what is, what should be) of a run: a fast one that did the wrong thing must not count."""
    orders, steps, store = result.contest.records, result.printed["steps"], result.mailchimp["store"]
    first = steps["first"]
    found: dict[str, tuple[Any, Any]] = {
        "orders in the store": (store["orders"], orders),
        "revenue in the store": (store["revenue"], result.x3["revenue"]),
        "customers opted in": (store["opted_in"], 0),
        "orders sent before their customer or products": (store["dangling"], 0),
        "calls above one per object, more than a hundredth": (_repeated(store, orders) > REPEATED, False),
        "ledger rows": (first["stored"]["ledger"], orders),
        "audit rows of orders": (first["stored"]["audit_members"], orders),
        "dead letters": (first["stored"]["dead_letters"], 0),
    }
    for name, step in steps.items():
        found[f"state of run {name}"] = (step["state"], "succeeded")
    if "full" in steps:
        again = steps["full"]
        found["writes of run full"] = (_puts(again) - _puts(first), 0)
        found["audit rows per order of run full"] = (again["stored"]["audit"] - first["stored"]["audit"] > FEW, False)
    return found
