"""Results for people (Markdown) and for programs (JSON)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench import webhooks
from bench.figures import Figure
from bench.gates import Gate
from bench.plan import Mode
from bench.running import Result

_PARTS = {
    "cpu": "No latency: what each costs",
    "memory": "Memory",
    "limit": "Realistic latency: share of what 8 connections permit",
    "flat": "The same with 1.5 s for a batch of any size",
    "orders": "Orders with lines: a call each, after those for their customers and products",
}
_HEAD = (
    "| contender | records | records/s | share | steady | CPU µs/record | ours is | PostgreSQL µs/record | peak MB |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def markdown(
    mode: Mode, rows: Sequence[Figure], gates: Sequence[Gate], faults: Sequence[str], more: dict[str, Any]
) -> str:
    """Everything, ready to be pasted into an issue."""
    lines = [f"# Benchmark, {mode.name}", ""]
    for part, title in _PARTS.items():
        some = [row for row in rows if row.part == part]
        if some:
            ours = next((row for row in some if row.name == "ours"), None)
            lines += [f"## {title}", "", _HEAD, *(_row(row, ours) for row in some), ""]
    if "webhooks" in more:
        lines.append(webhooks.table(more["webhooks"]))
    costs = more["transform"]["microseconds"]
    steps = ", ".join(f"{name} {spent:.1f}" for name, spent in costs.items())
    lines += [f"From bytes to hashed members, µs of CPU per record: {steps}.", ""]
    lines += ["## Gates", "", "| | is | bound | |", "| --- | ---: | ---: | --- |", *map(_gate, gates), ""]
    lines += [*(f"* WRONG: {fault}" for fault in faults), ""] if faults else []
    loads = max((row.foreign_cores for row in rows), default=0.0)
    lines.append(f"Others used at most {loads:.2f} cores meanwhile; above 0.25 take wall times with a grain of salt.")
    return "\n".join(lines)


def _row(row: Figure, ours: Figure | None) -> str:
    is_baseline = ours is not None and not row.name.startswith("ours")
    better = ""
    if is_baseline and ours is not None:
        better = f"{ours.per_second / row.per_second:.1f}x faster, 1/{row.cpu_per_record / ours.cpu_per_record:.2f} CPU"
    calls = f" ({row.call_cpu_per_record:.1f} in calls)" if row.call_cpu_per_record else ""
    cells = [
        row.name,
        f"{row.records:,}",
        f"{row.per_second:,.0f}",
        _percent(row.share),
        _percent(row.steady_share),
        f"{row.cpu_per_record:,.1f}{calls}",
        better,
        "" if row.postgres_per_record is None else f"{row.postgres_per_record:,.1f}",
        f"{row.peak_mb:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _gate(gate: Gate) -> str:
    relation = ">=" if gate.at_least else "<="
    verdict = "ok" if gate.holds else "**FAILED**" if gate.required else "not met"
    return f"| {gate.name} | {gate.value:.3g} | {relation} {gate.bound:g} | {verdict} |"


def save(
    path: Path,
    mode: Mode,
    rows: Sequence[Figure],
    gates: Sequence[Gate],
    faults: Sequence[str],
    results: Sequence[Result],
    more: dict[str, Any],
) -> None:
    """Figures and gates with everything they come from."""
    document = {
        "mode": mode.name,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "figures": rows,
        "gates": [{**msgspec.structs.asdict(gate), "holds": gate.holds} for gate in gates],
        "faults": faults,
        "results": results,
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document)))
