"""A real PostgreSQL of our own: made once, started on a free loopback port."""

import asyncio
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import quote

import asyncpg

from app.embedded.accounts import Account
from app.embedded.binaries import PostgresBinaries, find_postgres
from app.embedded.copying import reachable_postgres
from app.embedded.errors import EmbeddedServerError
from app.embedded.folder import StateFolder
from app.embedded.private_files import write_private
from app.embedded.process import POLL_SECONDS, GuardedProcess, Order, server_environment

ROLE = "ml_connector"
DATABASE = "ml_connector"
START_SECONDS = 120.0
ATTEMPTS = 5
# For tests: nothing survives a crash of the machine, and cloning a database is several times faster.
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")


class EmbeddedPostgres:
    """One cluster below the state folder."""

    def __init__(self, folder: StateFolder, account: Account, *, durable: bool) -> None:
        self._folder = folder
        self._account = account
        self._durable = durable
        self._data = folder.path / "postgres"
        self._password = folder.secret("postgres.password")
        self._process: GuardedProcess | None = None
        self._port = 0

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._process is None:
            raise RuntimeError("PostgreSQL is not started")
        return self._process.pid

    def url(self, database: str = DATABASE) -> str:
        """Where a database of this cluster is, with the owner's password."""
        return f"postgresql://{ROLE}:{quote(self._password)}@127.0.0.1:{self._port}/{database}"

    async def start(self) -> None:
        """Make the cluster if there is none, start it, and return when it answers a query.

        After a crash the server recovers by itself, stale postmaster.pid included. A
        port that was taken in the meantime and children of a killed postmaster that
        have not ended yet are met by trying again. A restart keeps the port.

        Raises:
            EmbeddedServerError: it does not start; the message ends with its log.
        """
        binaries = await asyncio.to_thread(self._prepare)
        for attempt in range(1, ATTEMPTS + 1):
            port = self._port or free_port()
            self._process = GuardedProcess(self._order(binaries, port))
            if await self._ready(self._process, port):
                self._port = port
                break
            last_words = self._process.last_words()
            await self._process.stop()
            if attempt == ATTEMPTS:
                raise EmbeddedServerError(f"PostgreSQL does not start from {self._data}:\n{last_words}")
            await asyncio.sleep(0.3 * attempt)
        await self._make_database()

    async def stop(self) -> None:
        """Fast shutdown: clients are disconnected, everything committed is on disk."""
        if self._process is not None:
            await self._process.stop()

    def ended(self) -> bool:
        """Whether the server has ended without being asked to."""
        return self._process is not None and self._process.ended()

    def _prepare(self) -> PostgresBinaries:
        version_file = self._data / "PG_VERSION"
        wanted = int(version_file.read_text(encoding="ascii")) if version_file.exists() else None
        found = find_postgres(wanted)
        binaries = reachable_postgres(found, self._account, self._folder.path / "programs")
        if wanted is None:
            self._make_cluster(binaries)
        return binaries

    def _make_cluster(self, binaries: PostgresBinaries) -> None:
        """Run initdb beside the final place, so that a half-made cluster is never taken for one."""
        unfinished = self._data.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        self._account.make_private(unfinished)
        password_file = self._folder.path / "initdb.password"
        write_private(password_file, self._password + "\n")
        self._account.own(password_file)
        try:
            made = self._account.run(self._initdb(binaries, unfinished, password_file), env=server_environment())
        finally:
            password_file.unlink(missing_ok=True)
        if made.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise EmbeddedServerError(f"initdb failed:\n{made.stderr.strip() or made.stdout.strip()}")
        unfinished.rename(self._data)

    def _initdb(self, binaries: PostgresBinaries, data: Path, password_file: Path) -> list[str]:
        argv = [str(binaries.initdb), "-D", str(data), "-U", ROLE, "-E", "UTF8"]
        argv += ["--locale=C" if sys.platform == "darwin" else "--locale=C.UTF-8", "--auth=scram-sha-256"]
        argv += [f"--pwfile={password_file}", "--data-checksums", "--no-instructions"]
        return argv if self._durable else [*argv, "--no-sync"]

    def _order(self, binaries: PostgresBinaries, port: int) -> Order:
        settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories="]
        settings += [] if self._durable else NOT_DURABLE
        return Order(
            argv=[str(binaries.postgres), "-D", str(self._data), *(part for s in settings for part in ("-c", s))],
            account=self._account,
            folder=self._data if not self._account.drops_rights else Path("/"),
            log=self._folder.private / "postgres.log",
            stop_signal=signal.SIGINT,
            lock_descriptor=self._folder.lock_descriptor,
        )

    async def _ready(self, process: GuardedProcess, port: int) -> bool:
        """Wait for an answer to `select 1`; False when the server ended instead."""
        deadline = time.monotonic() + START_SECONDS
        while not process.ended():
            try:
                connection = await self._connect("postgres", port)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                if time.monotonic() > deadline:
                    return False
                await asyncio.sleep(POLL_SECONDS)
                continue
            try:
                await connection.fetchval("select 1")
            finally:
                await connection.close()
            return True
        return False

    async def _make_database(self) -> None:
        connection = await self._connect("postgres", self._port)
        try:
            if not await connection.fetchval("select true from pg_database where datname = $1", DATABASE):
                await connection.execute(f'create database "{DATABASE}"')
        finally:
            await connection.close()

    async def _connect(self, database: str, port: int) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="127.0.0.1",
            port=port,
            user=ROLE,
            password=self._password,
            database=database,
            ssl=False,
            timeout=10,
        )


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
