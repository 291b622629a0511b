"""Webhooks of the report: measured beside the contests, since what counts is how long single answers take."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from bench import processes
from bench.gates import Gate
from bench.running import QUIET_CORES, printed_by

ANSWER_MS = 100.0  # p99
SHOWN = {
    "quiet": "nothing else runs",
    "busy": "two processes count in circles",
    "killed": "API, worker, PostgreSQL and API again are killed",
}
_HEAD = (
    "| webhooks | sent | answered | lost | p50 ms | p99 ms | slowest ms | CPU ms per event |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
)


def measured(seconds: float, *, patience: int = 1) -> dict[str, Any]:
    """What the contender printed, and how many cores others used meanwhile; made again, at most `patience` times, when
    that was more than a quarter of one.

    Raises:
        Failed: the contender ended with an error.
    """
    found = _once(seconds)
    for _ in range(patience):
        if found["foreign_cores"] <= QUIET_CORES:
            break
        time.sleep(5)
        found = min(found, _once(seconds), key=lambda each: float(each["foreign_cores"]))
    return found


def _once(seconds: float) -> dict[str, Any]:
    began, before = time.monotonic(), processes.usage()
    found = printed_by([sys.executable, "-m", "bench.contenders.webhooks", "--seconds", str(seconds)])
    after, took = processes.usage(), time.monotonic() - began
    foreign = (after.machine - before.machine) - (after.ours - before.ours)
    return {**found, "foreign_cores": round(max(foreign, 0.0) / took, 2)}


def gates(found: dict[str, Any]) -> list[Gate]:
    """A time depends on the machine, and on what others do there: the one is required only when nobody does much."""
    is_quiet = found["foreign_cores"] <= QUIET_CORES
    made = [Gate("webhooks answered and lost", sum(found[name]["lost"] for name in SHOWN if name in found), 0)]
    for name in ("quiet", "busy"):
        if name in found:
            p99, required = found[name]["p99_ms"] or float("inf"), is_quiet and name == "quiet"
            made.append(Gate(f"webhooks answered, p99 ms, {SHOWN[name]}", p99, ANSWER_MS, required=required))
    return made


def faults(found: dict[str, Any]) -> list[str]:
    """Whatever should not have been."""
    wrong = []
    for name in ("quiet", "busy"):
        if name in found and found[name]["answered"] != found[name]["sent"]:
            wrong.append(f"webhooks, {name}: {found[name]['others']} instead of answers")
    if "killed" in found and not found["killed"]["others"]:
        wrong.append("webhooks, killed: nobody noticed")
    return wrong


def table(found: dict[str, Any]) -> str:
    """A section of the report."""
    rows = [_row(SHOWN[name], found[name]) for name in SHOWN if name in found]
    title = f"## Webhooks, {found['rate']:.0f} a second, each due whatever became of those before"
    return "\n".join([title, "", _HEAD, *rows, ""])


def _row(name: str, phase: dict[str, Any]) -> str:
    costs = ", ".join(f"{part} {spent:.2f}" for part, spent in phase["cpu_ms_per_event"].items())
    numbers = [f"{phase[key]:,}" for key in ("sent", "answered", "lost")]
    times: Sequence[Any] = [phase[key] for key in ("p50_ms", "p99_ms", "max_ms")]
    return "| " + " | ".join([name, *numbers, *map(str, times), costs]) + " |"
