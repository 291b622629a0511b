"""From results to figures: medians over the rounds, per record, and whether every run did what it should."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import msgspec

from bench import orders
from bench.plan import Contest
from bench.running import Result

CONNECTIONS = 8  # MLC_MAILCHIMP_CONNECTIONS, the product's default
THEIR_CONNECTIONS = 10  # what Mailchimp allows, and the threaded baseline uses
BATCH = 500
FEW = 10  # audit events that tell of a run, not of its records


class Figure(msgspec.Struct):
    """One row of the report. CPU and memory are of the contender's process (the product's worker)."""

    part: str
    name: str
    records: int
    per_second: float
    cpu_per_record: float  # microseconds
    postgres_per_record: float | None
    peak_mb: float
    share: float | None  # of what the allowed connections permit, end to end
    steady_share: float | None  # the same from the first batch to the last answer
    call_cpu_per_record: float | None
    foreign_cores: float


def figures(results: Sequence[Result]) -> list[Figure]:
    """One figure per contest, in order of first appearance; rounds of one contest become their median."""
    by_contest: dict[Contest, list[Result]] = {}
    for result in results:
        by_contest.setdefault(result.contest, []).append(result)
    found = []
    for contest, rounds in by_contest.items():
        if contest.is_ours:
            found += [_of_step(contest, step, rounds) for step in contest.steps]
        else:
            found.append(_of_baseline(contest, rounds))
    return found


def _of_baseline(contest: Contest, rounds: Sequence[Result]) -> Figure:
    printed = [result.printed for result in rounds]
    calls = _median(each["call_cpu_seconds"] for each in printed)
    rate = contest.records / _median(each["wall_seconds"] for each in printed)
    return Figure(
        contest.part,
        contest.contender.replace("_", "-"),
        contest.records,
        rate,
        _micro(_median(each["cpu_seconds"] for each in printed), contest.records),
        None,
        _median(each["peak_mb"] for each in printed),
        rate / limit(contest, CONNECTIONS) if contest.latency.batch_of(1) else None,
        None,
        _micro(calls, contest.records) if calls else None,
        max(result.foreign_cores for result in rounds),
    )


def _of_step(contest: Contest, step: str, rounds: Sequence[Result]) -> Figure:
    runs = [result.printed["steps"][step] for result in rounds]
    records = max(runs[0]["counts"]["read"], 1) if step != "delta" else contest.records
    seconds = _median(run["wall_seconds"] for run in runs)
    rate = records / seconds
    is_limited = step == "first" and contest.latency.batch_of(1) > 0
    shares: tuple[float | None, float | None] = (None, None)
    if is_limited and contest.contender == "orders":
        shares = orders.shares(contest, runs, CONNECTIONS)
    elif is_limited:
        most = limit(contest, CONNECTIONS)
        shares = rate / most, _median(_steady(run) for run in runs) / most
    return Figure(
        contest.part,
        contest.contender if step == "first" else f"{contest.contender}, {STEPS[step]}",
        records,
        rate,
        _micro(_median(run["cpu_seconds"]["worker"] for run in runs), records),
        _micro(_median(run["cpu_seconds"]["postgres"] for run in runs), records),
        _median(run["peak_mb"] for run in runs),
        *shares,
        None,
        max(result.foreign_cores for result in rounds),
    )


STEPS = {"delta": "nothing changed", "full": "all read again, nothing changed", "changed": "1 % changed"}


def limit(contest: Contest, connections: int) -> float:
    """Records per second that so many connections permit with full batches."""
    return connections * BATCH / (contest.latency.batch_of(BATCH) / 1000)


def _steady(run: dict[str, Any]) -> float:
    seen = run["mailchimp"]
    return float(seen["members"] / max(seen["last_at"] - seen["first_at"], 0.001))


def _median(values: Iterable[float]) -> float:
    return float(median(values))


def _micro(seconds: float, records: int) -> float:
    return seconds / records * 1e6


def faults(result: Result) -> list[str]:
    """Whatever a run did that it should not; a fast run that did the wrong thing must not count."""
    contest, seen = result.contest, result.mailchimp
    wanted: dict[str, tuple[Any, Any]] = {
        "members in Mailchimp": (seen["distinct"], 0 if contest.contender == "orders" else contest.records),
        "calls refused with 429": (seen["throttled"], 0),
        "calls nobody expected": (len(seen["unexpected"]) + len(result.x3["unexpected"]), 0),
    }
    if contest.contender == "ours":
        wanted |= _of_ours(result)
    elif contest.contender == "orders":
        wanted |= orders.wanted(result)
    found = [f"{name}: {is_} instead of {should}" for name, (is_, should) in wanted.items() if is_ != should]
    if seen["largest_batch"] > BATCH:
        found.append(f"a batch of {seen['largest_batch']}")
    allowed = CONNECTIONS if contest.is_ours else THEIR_CONNECTIONS
    if seen["most_in_flight"] > allowed:
        found.append(f"{seen['most_in_flight']} calls in flight, allowed are {allowed}")
    return [f"{contest.part}, {contest.contender}, {contest.records} records: {fault}" for fault in found]


def _of_ours(result: Result) -> dict[str, tuple[Any, Any]]:
    records, steps = result.contest.records, result.printed["steps"]
    first = steps["first"]
    wanted: dict[str, tuple[Any, Any]] = {
        "members sent by the first load": (first["mailchimp"]["members"], records),
        "ledger rows": (first["stored"]["ledger"], records),
        "audit rows of members": (first["stored"]["audit_members"], records),
        "dead letters": (first["stored"]["dead_letters"], 0),
    }
    for name, step in steps.items():
        wanted[f"state of run {name}"] = (step["state"], "succeeded")
    for name in ("delta", "full"):
        if name in steps:
            wanted[f"writes of run {name}"] = (writes(steps[name]) - writes(first), 0)
            wanted[f"audit rows per record of run {name}"] = (audit_rows(steps, name) > FEW, False)
    if "changed" in steps:
        changed = max(records // 100, 1)
        wanted["updates of run changed"] = (writes(steps["changed"]) - writes(first), changed)
        wanted["updates counted by run changed"] = (steps["changed"]["counts"]["updated"], changed)
    return wanted


def writes(step: dict[str, Any]) -> int:
    """Calls so far that change members."""
    requests: dict[str, int] = step["mailchimp"]["requests"]
    return sum(count for what, count in requests.items() if not what.startswith("GET ") and "merge-fields" not in what)


def audit_rows(steps: dict[str, Any], name: str) -> int:
    """Audit events that a step added."""
    names = list(steps)
    before = steps[names[names.index(name) - 1]]
    return int(steps[name]["stored"]["audit"] - before["stored"]["audit"])
