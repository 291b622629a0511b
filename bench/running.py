"""Runs one contest: fresh stand-ins, a fresh contender, and an eye on what else the machine does meanwhile."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench import processes
from bench.plan import Contest, Latency

ROOT = Path(__file__).resolve().parent.parent
QUIET_CORES = 0.25


class Failed(Exception):
    """A contender ended without a result."""


class Result(msgspec.Struct):
    """What a contender printed, what the stand-ins saw, and how many cores others used meanwhile."""

    contest: Contest
    printed: dict[str, Any]
    mailchimp: dict[str, Any]
    x3: dict[str, Any]
    foreign_cores: float


class StandIn:
    """A stand-in as a process of its own."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, cwd=ROOT, env=environment(), text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{module} did not start")
        self.url: str = json.loads(line)["url"]

    def seen(self) -> dict[str, Any]:
        """Its statistics."""
        with urllib.request.urlopen(f"{self.url}/stats", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@contextlib.contextmanager
def stand_ins(customers: int, latency: Latency, invoices: int = 0) -> Iterator[tuple[StandIn, StandIn]]:
    """X3 with so many customers and invoices, and an empty Mailchimp."""
    x3_arguments = {"--records": customers, "--invoices": invoices, "--page-ms": latency.page}
    x3 = StandIn("bench.x3", *(part for name, value in x3_arguments.items() for part in (name, str(value))))
    try:
        times = {"--batch-ms": latency.batch, "--member-ms": latency.member, "--call-ms": latency.call}
        mailchimp = StandIn("bench.mailchimp", *(part for name, ms in times.items() for part in (name, str(ms))))
        try:
            yield x3, mailchimp
        finally:
            mailchimp.stop()
    finally:
        x3.stop()


def run(contest: Contest, *, patience: int = 1) -> Result:
    """The contest's result; made again, at most `patience` times, when others used more than a quarter of a core.

    Raises:
        Failed: the contender ended with an error.
    """
    result = _once(contest)
    for _ in range(patience):
        if result.foreign_cores <= QUIET_CORES:
            break
        time.sleep(5)
        again = _once(contest)
        result = min(result, again, key=lambda each: each.foreign_cores)
    return result


def _once(contest: Contest) -> Result:
    began, before = time.monotonic(), processes.usage()
    invoices = contest.records if contest.contender == "orders" else 0
    with stand_ins(contest.customers, contest.latency, invoices) as (x3, mailchimp):
        printed = _contend(contest, x3.url, mailchimp.url)
        seen = mailchimp.seen(), x3.seen()
    after, seconds = processes.usage(), time.monotonic() - began
    foreign = (after.machine - before.machine) - (after.ours - before.ours)
    return Result(contest, printed, *seen, round(max(foreign, 0.0) / seconds, 2))


def _contend(contest: Contest, x3_url: str, mailchimp_url: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", f"bench.contenders.{contest.contender}", "--x3", x3_url, "--mailchimp", mailchimp_url]
    argv += ["--records", str(contest.records)]
    if contest.is_ours:
        argv += ["--steps", *contest.steps, "--changes", str(max(contest.records // 100, 1))]
    return printed_by(argv)


def printed_by(argv: list[str]) -> dict[str, Any]:
    """The JSON on the last line a program prints. Raises Failed, with its last words."""
    ended = subprocess.run(argv, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    lines = ended.stdout.strip().splitlines()
    if ended.returncode != 0 or not lines:
        raise Failed(f"{' '.join(argv[1:4])} ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def environment() -> dict[str, str]:
    """Ours without any setting of the product, so that every measurement runs with the same ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLC_")}
    path = os.pathsep.join(part for part in (str(ROOT), kept.get("PYTHONPATH")) if part)
    return {**kept, "PYTHONPATH": path}
