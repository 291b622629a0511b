"""Both servers together: started, watched, stopped."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from app.embedded.accounts import serving_account
from app.embedded.folder import SYSTEM_STATE, StateFolder
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.valkey import EmbeddedValkey

WATCH_SECONDS = 0.5
LOCK_SECONDS = 10.0

log = structlog.get_logger()


class EmbeddedServers:
    """A PostgreSQL and a Valkey below one data folder.

    A URL that is given is passed through, and nothing is started for it.
    `durable=False` is for tests: quicker, and worthless after a crash.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        database_url: str | None = None,
        redis_url: str | None = None,
        durable: bool = True,
        system_state: Path = SYSTEM_STATE,
    ) -> None:
        self._given_database_url = database_url
        self._given_redis_url = redis_url
        self.postgres: EmbeddedPostgres | None = None
        self.valkey: EmbeddedValkey | None = None
        self._folder: StateFolder | None = None
        if not (database_url and redis_url):
            account = serving_account()
            self._folder = StateFolder(data_dir, account, system_state=system_state)
            if not database_url:
                self.postgres = EmbeddedPostgres(self._folder, account, durable=durable)
            if not redis_url:
                self.valkey = EmbeddedValkey(self._folder, account, durable=durable)

    @property
    def database_url(self) -> str:
        """postgresql:// address, password included."""
        return self.postgres.url() if self.postgres else self._given_database_url or ""

    @property
    def redis_url(self) -> str:
        """redis:// address, password included."""
        return self.valkey.url() if self.valkey else self._given_redis_url or ""

    async def start(self) -> None:
        """Lock the folder and start what was not given; nothing is left running on failure."""
        if self._folder is None:
            return
        await asyncio.to_thread(self._folder.lock, wait_seconds=LOCK_SECONDS)
        try:
            for server in self._started():
                await server.start()
                log.info("embedded_server.started", server=type(server).__name__, pid=server.pid)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop both cleanly. Repeating this does nothing."""
        for server in reversed(self._started()):
            await server.stop()
        if self._folder is not None:
            self._folder.unlock()

    async def watch(self) -> None:
        """For as long as this runs: start a server again, on its port and data, when it has died."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for server in self._started():
                if server.ended():
                    log.warning("embedded_server.died", server=type(server).__name__)
                    await server.stop()  # a killed guard leaves its server behind
                    await server.start()

    def _started(self) -> list[EmbeddedPostgres | EmbeddedValkey]:
        return [server for server in (self.postgres, self.valkey) if server is not None]


@contextlib.asynccontextmanager
async def embedded_servers(
    data_dir: Path, *, database_url: str | None = None, redis_url: str | None = None, durable: bool = True
) -> AsyncIterator[EmbeddedServers]:
    """Real servers for as long as the block runs; data below `data_dir` are kept.

    Raises:
        EmbeddedServerError: one cannot be started; the message is a sentence for the operator.
    """
    servers = EmbeddedServers(data_dir, database_url=database_url, redis_url=redis_url, durable=durable)
    await servers.start()
    try:
        yield servers
    finally:
        await asyncio.shield(servers.stop())
