"""What must hold, as ratios within one run: no figure depends on how fast the machine is, but for the memory."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bench.figures import Figure
from bench.plan import Mode

CPU_SHARE = 0.5  # of the official client's batch script
POSTGRES_SHARE = 1.0  # of the same; a plan that walks whole tables costs ten times as much
RESCAN_SHARE = 1.0  # of a first load, for reading everything once more
PEAK_MB = 150.0
GROWTH = 1.10
TRANSFORM_SHARE = 0.5  # of the standard library's


class Gate(msgspec.Struct):
    """A figure, what it must not pass, and which way is good."""

    name: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def gates(mode: Mode, rows: Sequence[Figure], transform: dict[str, Any]) -> list[Gate]:
    """Every gate for which there is a figure."""
    found: list[Gate] = []
    for row in _named(rows, "ours"):
        if row.share is not None and row.part == "limit":
            found.append(Gate("share of Mailchimp's limit, end to end", row.share, mode.share_wanted, at_least=True))
    official, ours = _one(rows, "cpu", "official-batch"), _one(rows, "cpu", "ours")
    if official is not None and ours is not None:
        found.append(Gate("CPU, official batch script = 1", ours.cpu_per_record / official.cpu_per_record, CPU_SHARE))
        postgres = (ours.postgres_per_record or 0.0) / official.cpu_per_record
        found.append(Gate("PostgreSQL's CPU, official batch script = 1", postgres, POSTGRES_SHARE))
    again = _one(rows, "cpu", "ours, all read again, nothing changed")
    if again is not None and ours is not None:
        found.append(Gate("CPU of reading all again, first load = 1", again.cpu_per_record / ours.cpu_per_record, 1.0))
    sizes = sorted(_named(rows, "ours"), key=lambda row: row.records)
    sizes = [row for row in sizes if row.part in ("cpu", "memory")]
    if sizes:
        found.append(Gate("worker's peak memory, MB", max(row.peak_mb for row in sizes), PEAK_MB))
    if len({row.records for row in sizes}) > 1:
        found.append(Gate("peak memory, smallest load = 1", sizes[-1].peak_mb / sizes[0].peak_mb, GROWTH))
    costs = transform["microseconds"]
    found.append(Gate("CPU from bytes to hashes, plain json = 1", costs["ours"] / costs["plain"], TRANSFORM_SHARE))
    return found


def _named(rows: Sequence[Figure], name: str) -> list[Figure]:
    return [row for row in rows if row.name == name]


def _one(rows: Sequence[Figure], part: str, name: str) -> Figure | None:
    return next((row for row in rows if row.part == part and row.name == name), None)
