"""The product as its operator runs it: embedded servers, API and workers as processes, kept alive, hurt on purpose."""

import asyncio
import concurrent.futures
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from app.cli.supervising import RunningSystem, running_system
from app.embedded.process import GuardedProcess, Order

T = TypeVar("T")

ENVIRONMENT = {
    "MLC_EGRESS_ALLOW": "127.0.0.0/8",
    "MLC_EGRESS_ALLOW_HTTP": "true",
    "MLC_LOG_FORMAT": "json",
    "MLC_RATE_LIMIT_PER_MINUTE": "1000000",
    "MLC_LEASE_SECONDS": "3",
    "MLC_HEARTBEAT_SECONDS": "0.5",
    "MLC_SWEEP_SECONDS": "0.25",
    "MLC_SETTLE_SECONDS": "2",
    "MLC_RETRY_BASE_SECONDS": "0.005",
    "MLC_RETRY_BUDGET_SECONDS": "3",
    "MLC_PUT_OFF_SECONDS": "0.05",
}
"""Times a test can wait for; everything else is as in production."""
LEASE_SECONDS, SWEEP_SECONDS = 3.0, 0.25
START_SECONDS = 180.0


class Worker:
    """One worker process, started again whenever it ends unless it is held down."""

    def __init__(self, name: str, system: RunningSystem) -> None:
        self._order = Order(
            argv=[sys.executable, "-P", "-m", "workers"],
            stop_signal=signal.SIGTERM,
            folder=Path.cwd(),
            log=system.data_dir / f"{name}.log",
            environment={**os.environ, **system.env},
            grace_seconds=20,
        )
        self._log = system.data_dir / f"{name}.log"
        self._process = GuardedProcess(self._order)
        self.held = False

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> None:
        """Wait until it works for the first time."""
        while "worker.started" not in (self._log.read_text(errors="replace") if self._log.exists() else ""):
            if self._process.ended():
                raise AssertionError(f"a worker ended during its start:\n{self._process.last_words()}")
            await asyncio.sleep(0.1)

    async def keep(self) -> None:
        """For as long as this runs, start it again when it has ended."""
        while True:
            await asyncio.sleep(0.05)
            if self._process.ended() and not self.held:
                await self._process.stop()
                self._process = GuardedProcess(self._order)

    async def stop(self) -> None:
        await self._process.stop()


class Plant:
    """One system for all tests of a session. It lives in a thread, since pytest's event loops live for one test."""

    def __init__(self, data_dir: Path, *, workers: int = 2) -> None:
        self._data_dir = data_dir
        self._count = workers
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._live(),))
        self.system: RunningSystem
        self.workers: list[Worker] = []

    @contextlib.contextmanager
    def running(self) -> Iterator["Plant"]:
        self._thread.start()
        try:
            self._ready.result(START_SECONDS)
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()
            self._loop.close()

    async def _live(self) -> None:
        try:
            async with running_system(
                self._data_dir, port=0, workers=0, extra_env=ENVIRONMENT, logs_to_files=True
            ) as self.system:
                self.workers = [Worker(f"worker-{n}", self.system) for n in range(1, self._count + 1)]
                await asyncio.gather(*(worker.ready() for worker in self.workers))
                keepers = [asyncio.create_task(worker.keep()) for worker in self.workers]
                self._ready.set_result(None)
                try:
                    await self._over.wait()
                finally:
                    for keeper in keepers:
                        keeper.cancel()
                    await asyncio.gather(*keepers, return_exceptions=True)
                    await asyncio.gather(*(worker.stop() for worker in self.workers))
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    async def done(self, work: Coroutine[Any, Any, T]) -> T:
        """The answer of something that runs where the system lives."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Look into the database, past every row policy."""
        connection = await asyncpg.connect(self.system.env["MLC_DATABASE_URL"])
        try:
            found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return found
        finally:
            await connection.close()

    async def holder(self, run_id: str) -> Worker | None:
        """The worker that carries a run at present."""
        row = (await self.rows("select owner from sync_run where id = $1 and state = 'running'", run_id))[0:1]
        pid = int(row[0]["owner"].rpartition(":")[2]) if row and row[0]["owner"] else 0
        return next((worker for worker in self.workers if worker.pid == pid), None)

    def logs(self) -> str:
        """What API and workers have written, for a failing test."""
        return "\n".join(path.read_text(errors="replace")[-4000:] for path in sorted(self._data_dir.glob("*.log")))
