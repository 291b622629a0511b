"""The product itself: API, worker, PostgreSQL and Valkey as `ml-connector up` runs them, driven over REST.

    python -m bench.contenders.ours --x3 URL --mailchimp URL --records 20000 --steps first delta full changed

Every step is a run of one sync; the worker's CPU is what it used from the call that starts the run until the run's end.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import asyncpg
import httpx

from app.cli.supervising import RunningSystem, running_system
from app.db.engine import APP_ROLE
from bench import processes
from bench.mailchimp import API_KEY, LIST_ID

POLL_SECONDS = 0.2
ENTER = "select set_config('role', $1, true), set_config('mlc.tenant', $2, true)"  # as every transaction of the product
FINISHED = ("succeeded", "partially_failed", "failed", "cancelled", "halted")
MODES = {"first": "delta", "delta": "delta", "full": "full", "changed": "delta"}


class Driver:
    """One tenant with one sync, and what its runs cost."""

    terms: ClassVar[dict[str, Any]] = {
        "stream": "customers",
        "target": {"audience_id": LIST_ID},
        "inactive": {"action": "tag", "tag": "x3-inactive"},
    }
    """What its sync is about."""
    carried = "member"
    """What its audit events are about."""

    def __init__(self, system: RunningSystem, http: httpx.AsyncClient, given: argparse.Namespace) -> None:
        self._system = system
        self._http = http
        self._given = given
        self._tenant = ""
        self._sync = ""

    async def furnish(self) -> None:
        """Make everything a sync needs, and verify both connections."""
        given = self._given
        made = await self._call("/v1/tenants", {"slug": "bench", "name": "Bench", "time_zone": "Europe/Paris"})
        self._tenant = f"/v1/tenants/{made['id']}"
        x3 = {
            "name": "X3", "system": "sage_x3", "kind": "graphql_jwt", "url": f"{given.x3}/xtrem/api",
            "settings": {"endpoint": "SEED", "page_size": given.page_size, "max_concurrency": given.readers},
            "credential": {"client_id": "bench", "client_secret": "bench-secret-of-the-application", "subject": "adc"},
        }  # fmt: skip
        mailchimp = {
            "name": "Mailchimp", "system": "mailchimp", "kind": "api_key",
            "settings": {"base_url": f"{given.mailchimp}/3.0"}, "credential": {"api_key": API_KEY},
        }  # fmt: skip
        ids = []
        for connection in (x3, mailchimp):
            made = await self._call(f"{self._tenant}/connections", connection)
            ids.append(made["id"])
            checked = await self._call(f"{self._tenant}/connections/{made['id']}/verify")
            if not checked["ok"]:
                raise SystemExit(f"verification failed: {checked['checks']}")
        stream = self.terms["stream"]
        mapping = await self._call(f"{self._tenant}/mappings", {"name": stream, "stream": stream})
        sync = {
            "name": stream, "source_connection_id": ids[0], "target_connection_id": ids[1], "mapping_id": mapping["id"],
            "new_member_status": "transactional", "schedule": {"kind": "manual"}, **self.terms,
        }  # fmt: skip
        self._sync = (await self._call(f"{self._tenant}/syncs", sync))["id"]

    async def step(self, name: str) -> dict[str, Any]:
        """One run, and everything about it."""
        if name == "changed":
            await self._http.post(f"{self._given.x3}/change", params={"count": self._given.changes})
        before, began = self._costs(), time.time()
        run = await self._run(MODES[name])
        costs = {part: spent - before[part] for part, spent in self._costs().items()}
        wall = _instant(run["finished_at"]) - _instant(run["queued_at"])
        worker = self._system.processes["worker-1"].pid
        return {
            "state": run["state"], "reason": run["reason"], "counts": run["counts"], "wall_seconds": round(wall, 3),
            "began_at": began, "queued_at": _instant(run["queued_at"]), "finished_at": _instant(run["finished_at"]),
            "cpu_seconds": {part: round(spent, 3) for part, spent in costs.items()},
            "peak_mb": round(processes.peak_megabytes(worker), 1), "rss_mb": round(processes.megabytes(worker), 1),
            "stored": await self._stored(), "mailchimp": _stats(self._given.mailchimp), "x3": _stats(self._given.x3),
        }  # fmt: skip

    async def _run(self, mode: str) -> dict[str, Any]:
        run: dict[str, Any] = await self._call(f"{self._tenant}/syncs/{self._sync}/runs", {"mode": mode})
        while run["state"] not in FINISHED:
            await asyncio.sleep(POLL_SECONDS)
            run = (await self._http.get(f"{self._tenant}/runs/{run['id']}")).raise_for_status().json()
        return run

    def _costs(self) -> dict[str, float]:
        """CPU seconds of each part of the product so far."""
        parts = {name: processes.cpu_seconds(kept.pid) for name, kept in self._system.processes.items()}
        postgres = int((self._system.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        return {"worker": parts["worker-1"], "api": parts["api"], "postgres": processes.cpu_seconds_of_tree(postgres)}

    async def _stored(self) -> dict[str, int]:
        """What the database holds: the books of the run, not its word for it."""
        connection = await asyncpg.connect(self._system.env["MLC_DATABASE_URL"].replace("+asyncpg", "", 1))
        try:
            async with connection.transaction():
                await connection.execute(ENTER, APP_ROLE, self._tenant.rpartition("/")[2])
                counts = {
                    "ledger": "select count(*) from record where state = 'synced'",
                    "audit": "select count(*) from audit_event",
                    "audit_members": "select count(*) from audit_event where action like '" + self.carried + ".%'",
                    "dead_letters": "select count(*) from dead_letter",
                }
                return {name: await connection.fetchval(query) for name, query in counts.items()}
        finally:
            await connection.close()

    async def _call(self, path: str, body: Any = None) -> Any:
        answer = await self._http.post(path, json=body)
        if not answer.is_success:
            raise SystemExit(f"{path} answered {answer.status_code}: {answer.text}")
        return answer.json()


@contextlib.contextmanager
def nowhere() -> Iterator[Path]:
    """Work in an empty folder, without any setting of the product: neither the shell's nor an .env of the checkout."""
    for name in [name for name in os.environ if name.startswith("MLC_")]:
        del os.environ[name]
    folder = Path(tempfile.mkdtemp(prefix="mlc-bench-"))
    folder.chmod(0o711)  # the account of the embedded servers must pass through
    os.chdir(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def watched(command: str, pid: int) -> Iterator[None]:
    """Run a profiler over the worker meanwhile, such as `py-spy record -r 500 -d 600 -f raw -o out.txt -p`."""
    if not command:
        yield
        return
    process = subprocess.Popen([*shlex.split(command), str(pid)], stdout=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _stats(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/stats", timeout=30) as answer:
        return json.load(answer)


async def measure(given: argparse.Namespace, data_dir: Path, driver_type: type[Driver]) -> dict[str, Any]:
    """Start everything anew, make the runs, stop everything."""
    env = {
        "MLC_EGRESS_ALLOW": "127.0.0.0/8",
        "MLC_EGRESS_ALLOW_HTTP": "true",
        "MLC_MAILCHIMP_CONNECTIONS": str(given.connections),
        "MLC_LOG_FORMAT": "json",
    }
    result: dict[str, Any] = {"name": "ours", "records": given.records, "steps": {}}
    async with running_system(data_dir, port=0, extra_env=env, logs_to_files=True) as system:
        headers = {"Authorization": f"Bearer {system.operator_key}"}
        async with httpx.AsyncClient(base_url=system.api_url, headers=headers, timeout=120, trust_env=False) as http:
            driver = driver_type(system, http, given)
            await driver.furnish()
            for name in given.steps:
                with watched(given.profiler, system.processes["worker-1"].pid):
                    result["steps"][name] = await driver.step(name)
                given.profiler = ""
    return result


def main(driver_type: type[Driver] = Driver) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--x3", required=True)
    parser.add_argument("--mailchimp", required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--steps", nargs="+", choices=list(MODES), default=["first"])
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--page-size", type=int, default=500)
    parser.add_argument("--profiler", default="", help="command that watches the first run; the worker's pid is added")
    parser.add_argument("--keep", type=Path, help="where to leave the logs")
    given = parser.parse_args()
    with nowhere() as folder:
        try:
            print(json.dumps(asyncio.run(measure(given, folder / "data", driver_type))), flush=True)
        finally:
            if given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                for log in (folder / "data").glob("*.log"):
                    shutil.copy(log, given.keep)


if __name__ == "__main__":
    main()
