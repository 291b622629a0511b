"""Webhooks into the product as `ml-connector up` runs it: API, worker, PostgreSQL (with fsync), Valkey, none favoured.

    python -m bench.contenders.webhooks --phases quiet busy killed --rate 200 --seconds 30

`quiet`: nothing else of ours runs. `busy`: as many processes as the machine has cores count in circles meanwhile, none
of them nice. `killed`: API, worker and PostgreSQL are killed with SIGKILL, in turn, while deliveries come in.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from app.cli.supervising import RunningSystem, running_system
from app.db.engine import APP_ROLE
from bench import processes
from bench.contenders.delivering import address
from bench.contenders.ours import ENTER, nowhere, watched
from bench.running import ROOT, Failed, environment

PHASES = ("quiet", "busy", "killed")
KILLED = ("api", "worker-1", "postgres", "api")
WORKED_OFF_SECONDS = 180.0
CIRCLES = "while True:\n    pass"


class Driver:
    """One tenant with one webhook, and what its deliveries cost."""

    def __init__(self, system: RunningSystem, http: httpx.AsyncClient, given: argparse.Namespace) -> None:
        self._system = system
        self._http = http
        self._given = given
        self._first = 0
        self._hook: list[str] = []
        self._tenant = ""

    async def furnish(self, mailchimp: dict[str, Any]) -> None:
        """A webhook for an audience, registered at the sandbox."""
        made = await self._call("/v1/tenants", {"slug": "bench", "name": "Bench", "time_zone": "UTC"})
        self._tenant = f"/v1/tenants/{made['id']}"
        body = {
            "name": "Mailchimp", "system": "mailchimp", "kind": "api_key",
            "settings": {"base_url": mailchimp["base_url"]}, "credential": {"api_key": mailchimp["api_key"]},
        }  # fmt: skip
        connection, list_id = (await self._call(f"{self._tenant}/connections", body))["id"], mailchimp["lists"][0]
        hook = await self._call(f"{self._tenant}/connections/{connection}/webhooks", {"audience_id": list_id})
        (there,) = (await self._http.get(f"{mailchimp['url']}/_sandbox/webhooks")).json()
        self._hook = ["--url", hook["url"], "--secret", there["secret"], "--list", list_id]

    async def phase(self, name: str) -> dict[str, Any]:
        """One phase, until every event of it has taken effect."""
        given = self._given
        seconds = given.seconds / 2 if name == "busy" else given.seconds
        before, began = self._costs(), time.monotonic()
        api = self._system.processes["api"].pid
        with busy(os.cpu_count() or 1 if name == "busy" else 0, given.nice), watched(given.profiler, api):
            firing = asyncio.create_task(self._fire(seconds))
            if name == "killed":
                await self._kill(seconds / (len(KILLED) + 2))
            seen = await firing
            answered_in = time.monotonic() - began
            stored, left = await self._stored(), await self._unprocessed()
            await self._worked_off()
        spent = {part: cost - before[part] for part, cost in self._costs().items()} if name != "killed" else {}
        times = sorted(seen["milliseconds"])
        return {
            "sent": seen["sent"], "answered": len(seen["answered"]), "others": seen["others"],
            "lost": len(set(seen["answered"]) - stored), "stored": len(stored), "behind": left,
            "p50_ms": share(times, 0.5), "p99_ms": share(times, 0.99), "max_ms": share(times, 1.0),
            "late_p99_ms": share(sorted(seen["late"]), 0.99), "seconds": round(answered_in, 1),
            "worked_off_seconds": round(time.monotonic() - began - answered_in, 1),
            "cpu_ms_per_event": {part: round(cost / seen["sent"] * 1000, 3) for part, cost in spent.items()},
        }  # fmt: skip

    async def _fire(self, seconds: float) -> dict[str, Any]:
        argv = [sys.executable, "-m", "bench.contenders.delivering", *self._hook, "--rate", str(self._given.rate)]
        out = self._system.data_dir / "delivered.json"
        argv += ["--seconds", str(seconds), "--first", str(self._first), "--out", str(out)]
        self._first += int(self._given.rate * seconds)
        process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, env=environment())
        if await process.wait() != 0:
            raise Failed("the sender of deliveries ended early")
        found: dict[str, Any] = json.loads(out.read_bytes())
        return found

    async def _kill(self, pause_seconds: float) -> None:
        for name in KILLED:
            await asyncio.sleep(pause_seconds)
            os.kill(self._postgres() if name == "postgres" else self._system.processes[name].pid, signal.SIGKILL)

    async def _stored(self) -> set[int]:
        """Numbers of the events the product shows, of all phases."""
        found: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            params = {"limit": "200", **({"cursor": cursor} if cursor else {})}
            page = await self._get(f"{self._tenant}/webhook-events", params)
            found.update(event["email"] for event in page["items"])
            cursor = page["next_cursor"]
        return {number for number in range(self._first) if address(number) in found}

    async def _unprocessed(self) -> int:
        return int(await self._query("select count(*) from webhook_event where state = 'received'"))

    async def _worked_off(self) -> None:
        deadline = time.monotonic() + WORKED_OFF_SECONDS
        while await self._unprocessed():
            if time.monotonic() > deadline:
                raise Failed("events wait for ever")
            await asyncio.sleep(0.2)

    async def _query(self, statement: str) -> Any:
        connection = await asyncpg.connect(self._system.env["MLC_DATABASE_URL"].replace("+asyncpg", "", 1))
        try:
            async with connection.transaction():
                await connection.execute(ENTER, APP_ROLE, self._tenant.rpartition("/")[2])
                return await connection.fetchval(statement)
        finally:
            await connection.close()

    def _postgres(self) -> int:
        return int((self._system.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    def _costs(self) -> dict[str, float]:
        """CPU seconds of each part of the product so far."""
        parts = {name: processes.cpu_seconds(kept.pid) for name, kept in self._system.processes.items()}
        return {**parts, "postgres": processes.cpu_seconds_of_tree(self._postgres())}

    async def _get(self, path: str, params: dict[str, str]) -> Any:
        """Patient: the API may have been killed a moment ago."""
        deadline = time.monotonic() + WORKED_OFF_SECONDS
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self._http.get(path, params=params)
                if answer.is_success:
                    return answer.json()
            if time.monotonic() > deadline:
                raise Failed(f"{path} does not answer")
            await asyncio.sleep(0.2)

    async def _call(self, path: str, body: Any) -> Any:
        answer = await self._http.post(path, json=body)
        if not answer.is_success:
            raise Failed(f"{path} answered {answer.status_code}: {answer.text}")
        return answer.json()


def share(times: list[float], part: float) -> float | None:
    """The time within which this part of them ended; `times` in rising order. None of none."""
    return round(times[min(int(len(times) * part), len(times) - 1)], 1) if times else None


@contextlib.contextmanager
def busy(count: int, nice: int) -> Iterator[None]:
    """So many processes that never rest."""
    argv = ["nice", "-n", str(nice), sys.executable, "-c", CIRCLES]
    started = [subprocess.Popen(argv) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


@contextlib.contextmanager
def sandbox() -> Iterator[dict[str, Any]]:
    """Mailchimp's stand-in as a process of its own."""
    argv = [sys.executable, "-m", "sandbox", "--customers", "5", "--suppliers", "1", "--invoices", "1"]
    process = subprocess.Popen(argv, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["mailchimp"]
    finally:
        process.terminate()
        process.wait()


async def measure(given: argparse.Namespace, data_dir: Path) -> dict[str, Any]:
    """Start everything anew, go through the phases, stop everything."""
    env = {"MLC_EGRESS_ALLOW": "127.0.0.0/8", "MLC_EGRESS_ALLOW_HTTP": "true", "MLC_LOG_FORMAT": "json"}
    result: dict[str, Any] = {"name": "webhooks", "rate": given.rate}
    with sandbox() as mailchimp:
        async with running_system(data_dir, port=0, extra_env=env, logs_to_files=True) as system:
            headers = {"Authorization": f"Bearer {system.operator_key}"}
            async with httpx.AsyncClient(base_url=system.api_url, headers=headers, timeout=60, trust_env=False) as http:
                driver = Driver(system, http, given)
                await driver.furnish(mailchimp)
                for name in given.phases:
                    result[name] = await driver.phase(name)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30, help="of a phase; the busy one takes half of it")
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES))
    parser.add_argument("--nice", type=int, default=0, help="of the processes that keep the machine busy")
    parser.add_argument("--profiler", default="", help="command that watches the API; its pid is added")
    given = parser.parse_args()
    with nowhere() as folder:
        print(json.dumps(asyncio.run(measure(given, folder / "data"))), flush=True)


if __name__ == "__main__":
    main()
