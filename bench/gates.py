"""What must hold, as ratios within one run: no figure depends on how fast the machine is, but for the memory."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bench.figures import Figure
from bench.plan import Mode

CPU_SHARE = 0.5  # of the official client's batch script
PEAK_MB = 150.0
GROWTH = 1.10
POSTGRES_SHARE = 1.0  # of the same script; a plan that walks whole tables costs ten times as much
RESCAN_SHARE = 1.0  # of a first load
TRANSFORM_SHARE = 1.0  # of the standard library's


class Gate(msgspec.Struct):
    """A figure, what it must not pass, and which way is good. What is not `required` is shown only."""

    name: str
    value: float
    bound: float
    at_least: bool = False
    required: bool = True

    @property
    def holds(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def gates(mode: Mode, rows: Sequence[Figure], transform: dict[str, Any]) -> list[Gate]:
    """Every gate for which there is a figure."""
    return [*_shares(mode, rows), *_cpu(rows), *_memory(rows), *_orders(mode, rows), *_others(rows, transform)]


def _shares(mode: Mode, rows: Sequence[Figure]) -> list[Gate]:
    return [
        Gate(f"share of Mailchimp's limit, {NAMES[row.part]}", row.share, mode.share_wanted, True, row.part == "limit")
        for row in _named(rows, "ours")
        if row.share is not None
    ]


NAMES = {"limit": "end to end", "flat": "every batch 1.5 s"}


def _cpu(rows: Sequence[Figure]) -> list[Gate]:
    official, ours = _one(rows, "cpu", "official-batch"), _one(rows, "cpu", "ours")
    if official is None or ours is None:
        return []
    found = [Gate("CPU, official batch script = 1", ours.cpu_per_record / official.cpu_per_record, CPU_SHARE)]
    postgres = (ours.postgres_per_record or 0.0) / official.cpu_per_record
    return [*found, Gate("PostgreSQL's CPU, official batch script = 1", postgres, POSTGRES_SHARE, required=False)]


def _memory(rows: Sequence[Figure]) -> list[Gate]:
    """Of first loads without latency, the smallest against the largest."""
    loads = [row for row in _named(rows, "ours") if row.part in ("cpu", "memory")]
    if not loads:
        return []
    found = [Gate("worker's peak memory, MB", max(row.peak_mb for row in _named(rows, "ours")), PEAK_MB)]
    small, large = min(loads, key=lambda row: row.records), max(loads, key=lambda row: row.records)
    if small.records < large.records:
        found.append(Gate("peak memory, smallest load = 1", large.peak_mb / small.peak_mb, GROWTH))
    return found


def _orders(mode: Mode, rows: Sequence[Figure]) -> list[Gate]:
    """The share of what the connections permit, and memory between the smallest and the largest load."""
    found = []
    made = _named(rows, "orders")
    for row in made:
        if row.share is not None:
            name = f"share of Mailchimp's limit, {row.records:,} orders"
            found.append(Gate(name, row.share, mode.orders_share_wanted, True))
    loads = sorted((row for row in made if row.share is None), key=lambda row: row.records)
    if len(loads) > 1:
        growth = loads[-1].peak_mb / loads[0].peak_mb
        name = f"peak memory of {loads[-1].records:,} orders, of {loads[0].records:,} = 1"
        found.append(Gate(name, growth, GROWTH))
    return found


def _others(rows: Sequence[Figure], transform: dict[str, Any]) -> list[Gate]:
    found = []
    again, ours = _one(rows, "cpu", "ours, all read again, nothing changed"), _one(rows, "cpu", "ours")
    if again is not None and ours is not None:
        share = again.cpu_per_record / ours.cpu_per_record
        found.append(Gate("CPU of reading all again, first load = 1", share, RESCAN_SHARE, required=False))
    costs = transform["microseconds"]
    share = costs["ours"] / costs["plain"]
    return [*found, Gate("CPU from bytes to hashes, plain json = 1", share, TRANSFORM_SHARE, required=False)]


def _named(rows: Sequence[Figure], name: str) -> list[Figure]:
    return [row for row in rows if row.name == name]


def _one(rows: Sequence[Figure], part: str, name: str) -> Figure | None:
    return next((row for row in rows if row.part == part and row.name == name), None)
