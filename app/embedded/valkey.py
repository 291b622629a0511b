"""A real Valkey of our own, started on a free loopback port."""

import asyncio
import signal
import time

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from app.embedded.accounts import Account
from app.embedded.binaries import find_valkey
from app.embedded.copying import reachable_valkey
from app.embedded.errors import EmbeddedServerError
from app.embedded.folder import StateFolder
from app.embedded.postgres import free_port
from app.embedded.process import POLL_SECONDS, GuardedProcess, Order

START_SECONDS = 60.0
ATTEMPTS = 5


class EmbeddedValkey:
    """One server whose data lie below the state folder."""

    def __init__(self, folder: StateFolder, account: Account, *, durable: bool) -> None:
        self._folder = folder
        self._account = account
        self._durable = durable
        self._data = folder.path / "valkey"
        self._password = folder.secret("valkey.password")
        self._process: GuardedProcess | None = None
        self._port = 0

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise RuntimeError("Valkey is not started")
        return self._process.pid

    def url(self, database: int = 0) -> str:
        """Where a numbered database of this server is, with its password."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/{database}"

    async def start(self) -> None:
        """Start the server and return when it answers PING. A restart keeps the port.

        Raises:
            EmbeddedServerError: it does not start; the message ends with its log.
        """
        self._account.make_private(self._data)
        program = await asyncio.to_thread(
            reachable_valkey, find_valkey(), self._account, self._folder.path / "programs"
        )
        for attempt in range(1, ATTEMPTS + 1):
            port = self._port or free_port()
            self._process = GuardedProcess(self._order(str(program), port))
            if await self._ready(self._process, port):
                self._port = port
                return
            last_words = self._process.last_words()
            await self._process.stop()
            if attempt == ATTEMPTS:
                raise EmbeddedServerError(f"Valkey does not start from {self._data}:\n{last_words}")
            await asyncio.sleep(0.3 * attempt)

    async def stop(self) -> None:
        """Shut down; what was queued is on disk."""
        if self._process is not None:
            await self._process.stop()

    def ended(self) -> bool:
        """Whether the server has ended without being asked to."""
        return self._process is not None and self._process.ended()

    def _order(self, program: str, port: int) -> Order:
        return Order(
            argv=[program, "-"],
            account=self._account,
            folder=self._folder.path,
            log=self._folder.private / "valkey.log",
            stop_signal=signal.SIGTERM,
            lock_descriptor=self._folder.lock_descriptor,
            input=self._configuration(port),
        )

    def _configuration(self, port: int) -> str:
        """Given on standard input: neither an argument nor a file holds the password."""
        folder = str(self._data).replace("\\", "\\\\").replace('"', '\\"')
        lines = [
            "bind 127.0.0.1",
            f"port {port}",
            "protected-mode yes",
            "daemonize no",
            f'dir "{folder}"',
            f"requirepass {self._password}",
            "maxmemory-policy noeviction",
            'save ""',
        ]
        lines += ["appendonly yes", "appendfsync everysec"] if self._durable else ["appendonly no"]
        return "\n".join(lines) + "\n"

    async def _ready(self, process: GuardedProcess, port: int) -> bool:
        """Wait for an answer to PING; False when the server ended instead, or is a stranger on our port."""
        deadline = time.monotonic() + START_SECONDS
        client = Redis(host="127.0.0.1", port=port, password=self._password, socket_timeout=5)
        try:
            while not process.ended():
                try:
                    await client.ping()
                except AuthenticationError:
                    return False
                except (OSError, RedisError):  # not listening yet, or still loading its data
                    if time.monotonic() > deadline:
                        return False
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    return True
            return False
        finally:
            await client.aclose()
