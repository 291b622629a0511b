"""What processes cost, as /proc tells it."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """Of the whole machine and of us (this process and every child that has ended), in CPU seconds."""

    machine: float
    ours: float


def usage() -> Usage:
    """For measuring what others do meanwhile; ours counts only what has ended and was waited for."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    mine = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Usage((user + nice + system + irq + softirq) / _TICKS, sum(used.ru_utime + used.ru_stime for used in mine))


def cpu_seconds(pid: int) -> float:
    """User and system time of one process, with that of its ended children."""
    return sum(map(int, _stat(pid)[11:15])) / _TICKS


def cpu_seconds_of_tree(pid: int) -> float:
    """Of a process and everything below it."""
    return sum(cpu_seconds(each) for each in tree(pid))


def tree(pid: int) -> list[int]:
    """A process and everything below it, as far as it still runs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:
                continue
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += parents.get(each, [])
    return found


def peak_megabytes(pid: int) -> float:
    """The most memory a process ever had resident."""
    return _status(pid, "VmHWM")


def megabytes(pid: int) -> float:
    """The memory a process has resident now."""
    return _status(pid, "VmRSS")


def _status(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat behind the name: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
