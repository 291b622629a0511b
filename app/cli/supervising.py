"""The whole product under one process: embedded servers, migrations, API, worker. For `up` and `demo`."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import structlog

from app.cli.kept import Given, make_data_dir, master_keys, operator_key, revealed
from app.db.migrating import upgrade
from app.embedded import embedded_servers
from app.embedded.process import GuardedProcess, Order

START_SECONDS = 60.0
GRACE_SECONDS = 45.0
LONGEST_PAUSE_SECONDS = 30.0
POLL_SECONDS = 0.1

log = structlog.get_logger()


class SystemNotRunning(Exception):
    """The system could not be started, or cannot be kept running; the message says why."""


@dataclass(frozen=True)
class RunningSystem:
    """A system that answers. `env` holds every MLC_ variable its processes were started with."""

    data_dir: Path
    api_url: str
    operator_key: str
    env: Mapping[str, str]
    processes: Mapping[str, "Kept"] = field(default_factory=dict)
    failed: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def wait(self) -> None:
        """Return never; raises what made it impossible to keep the system running."""
        await asyncio.shield(self.failed)  # whoever stops waiting must not end it for others


class Kept:
    """A process of ours that is started again, after a growing pause, whenever it ends."""

    def __init__(self, name: str, order: Order) -> None:
        self.name = name
        self._order = order
        self._process = GuardedProcess(order)
        self._started = time.monotonic()
        self._pause_seconds = 0.0

    @property
    def pid(self) -> int:
        """The process id of the present one."""
        return self._process.pid

    def ended(self) -> bool:
        """Whether it has ended without being asked to."""
        return self._process.ended()

    def last_words(self) -> str:
        """The end of its log."""
        return self._process.last_words()

    async def stop(self) -> None:
        """Ask it to finish what it is doing; killed after the grace period."""
        await self._process.stop()

    async def keep(self) -> None:
        """For as long as this runs, start it again when it has ended."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self.ended():
                continue
            lived_seconds = time.monotonic() - self._started
            grown = max(1.0, self._pause_seconds * 2) if lived_seconds < LONGEST_PAUSE_SECONDS else 0.0
            self._pause_seconds = min(grown, LONGEST_PAUSE_SECONDS)
            log.warning("process.ended", process=self.name, pause_seconds=self._pause_seconds)
            await asyncio.sleep(self._pause_seconds)
            await self._process.stop()
            self._process = GuardedProcess(self._order)
            self._started = time.monotonic()


@contextlib.asynccontextmanager
async def running_system(
    data_dir: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int = 1,
    extra_env: Mapping[str, str] | None = None,
    logs_to_files: bool = False,
) -> AsyncIterator[RunningSystem]:
    """Run everything for as long as the block does; stop it in order afterwards.

    `port` 0 picks a free one. `extra_env` (MLC_ variables) goes before what the environment and `.env` say.
    `logs_to_files` keeps what API and worker write in the data directory, out of the terminal. Embedded servers
    and processes that die are started again. Should this process be killed, everything it started ends by itself.

    Raises:
        SystemNotRunning: API or worker ended, or the API did not answer, during the start.
        EmbeddedServerError: a server of our own cannot be started.
    """
    overrides: dict[str, Any] = {name.removeprefix("MLC_").lower(): value for name, value in (extra_env or {}).items()}
    given = Given(**overrides)
    data_dir = make_data_dir(data_dir)
    port = port or _free_port(host)
    _check_port_is_free(host, port)
    api_url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104  # compared, not bound
    async with embedded_servers(
        data_dir, database_url=revealed(given.database_url), redis_url=revealed(given.redis_url)
    ) as servers:
        env = {
            "MLC_PUBLIC_URL": given.public_url or api_url,
            "MLC_LOG_FORMAT": given.log_format or ("console" if sys.stderr.isatty() else "json"),
            **(extra_env or {}),
            "MLC_DATABASE_URL": servers.database_url,
            "MLC_REDIS_URL": servers.redis_url,
            "MLC_OPERATOR_KEY": operator_key(given, data_dir),
            "MLC_MASTER_KEYS": master_keys(given, data_dir),
        }
        await asyncio.to_thread(upgrade, servers.database_url.replace("+asyncpg", "", 1))
        api_argv = ("app.cli.main", "api", "--host", host, "--port", str(port))
        commands = {"api": api_argv} | {f"worker-{n}": ("workers",) for n in range(1, workers + 1)}
        kept: dict[str, Kept] = {}
        tasks: list[asyncio.Task[None]] = []
        try:
            for name, argv in commands.items():
                log_file = data_dir / f"{name}.log" if logs_to_files else None
                kept[name] = Kept(name, _order(argv, env | _metrics(given, list(commands).index(name)), log_file))
            await _answers(api_url, kept)
            system = RunningSystem(data_dir, api_url, env["MLC_OPERATOR_KEY"], env, kept)
            tasks = [asyncio.create_task(process.keep()) for process in kept.values()]
            tasks.append(asyncio.create_task(servers.watch()))
            for task in tasks:
                task.add_done_callback(lambda task: _pass_on(task, system.failed))
            yield system
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.shield(asyncio.gather(*(process.stop() for process in kept.values())))


def _metrics(given: Given, number: int) -> dict[str, str]:
    """Processes of one machine cannot share a port: each takes the one after the last."""
    host, colon, port = (given.metrics_listen or "").rpartition(":")
    return {"MLC_METRICS_LISTEN": f"{host}:{int(port) + number}"} if colon and port.isdecimal() else {}


def _order(argv: tuple[str, ...], env: Mapping[str, str], log_file: Path | None) -> Order:
    return Order(
        argv=[sys.executable, "-P", "-m", *argv],  # -P: no module of the current folder comes before ours
        stop_signal=signal.SIGTERM,
        folder=Path.cwd(),
        log=log_file,
        environment={**os.environ, **env},
        grace_seconds=GRACE_SECONDS,
    )


async def _answers(api_url: str, kept: Mapping[str, Kept]) -> None:
    """Wait until the API is ready."""
    deadline = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline:
            for process in kept.values():
                if process.ended():
                    raise SystemNotRunning(f"{process.name} ended during the start:\n{process.last_words()}")
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{api_url}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(POLL_SECONDS)
    words = "\n".join(process.last_words() for process in kept.values())
    raise SystemNotRunning(f"{api_url}/readyz did not say that it is ready within {START_SECONDS:.0f} s:\n{words}")


def _pass_on(task: "asyncio.Task[None]", failed: "asyncio.Future[None]") -> None:
    if not task.cancelled() and (error := task.exception()) and not failed.done():
        failed.set_exception(error)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _check_port_is_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SystemNotRunning(
                f"Port {port} of {host} cannot be used ({error.strerror}). Choose another with --port."
            ) from error
