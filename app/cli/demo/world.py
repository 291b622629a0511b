"""The demo's world: both stand-ins, and the whole product with servers of its own, in a folder of its own."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from app.cli.demo.broken import StoryBroken
from app.cli.demo.calling import Api
from app.cli.demo.counting import Mailchimp, SageX3
from app.cli.demo.ending import Ending
from app.cli.output import FAILED
from app.cli.supervising import RunningSystem, running_system
from app.embedded.folder import POINTER
from app.embedded.process import GuardedProcess, Order

START_SECONDS = 60.0
KEPT_SETTINGS = ("MLC_POSTGRES_BIN", "MLC_VALKEY_BIN")
LOOPBACK = {"MLC_EGRESS_ALLOW": "127.0.0.0/8", "MLC_EGRESS_ALLOW_HTTP": "true", "MLC_LOG_FORMAT": "json"}
"""The stand-ins are on this machine, without TLS: what no real system would be allowed."""


class World(NamedTuple):
    """Everything that runs. `vendors` holds addresses and credentials as `python -m sandbox` prints them."""

    system: RunningSystem
    api: Api
    x3: SageX3
    mailchimp: Mailchimp
    vendors: dict[str, dict[str, Any]]


@contextlib.contextmanager
def own_folder(ending: Ending, *, keep: bool) -> Iterator[Path]:
    """A temporary folder that becomes the current one, so that no `.env` and no MLC_ variable of the caller's counts.

    The servers' account may pass through it, not look into it. Removed at the end unless `keep`; of a demo that
    failed the logs stay.
    """
    for name in [name for name in os.environ if name.startswith("MLC_") and name not in KEPT_SETTINGS]:
        del os.environ[name]
    folder = Path(tempfile.mkdtemp(prefix="ml-connector-demo-"))
    folder.chmod(0o711)
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    except Exception:
        ending.code = FAILED
        raise
    finally:
        os.chdir(before)
        if not keep:
            _remove(folder, but_logs=ending.failed)


def _remove(folder: Path, *, but_logs: bool) -> None:
    """The folder, and what lies elsewhere because the servers' account could not reach it."""
    for pointer in folder.glob(f"*/{POINTER}"):
        shutil.rmtree(pointer.read_text(encoding="utf-8").strip(), ignore_errors=True)
    if but_logs:
        for log in folder.glob("data/*.log"):
            log.rename(folder / log.name)
    shutil.rmtree(folder / "data" if but_logs else folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def new_world(folder: Path, *, customers: int, suppliers: int, invoices: int) -> AsyncIterator[World]:
    """Start everything, stop everything.

    Raises:
        StoryBroken: the stand-ins did not start. SystemNotRunning, EmbeddedServerError: the product did not.
    """
    sizes = {"customers": customers, "suppliers": suppliers, "invoices": invoices}
    async with contextlib.AsyncExitStack() as stack:
        sandbox = GuardedProcess(_sandbox(folder, sizes))
        stack.push_async_callback(lambda: asyncio.shield(sandbox.stop()))
        data_dir = folder / "data"
        system = await stack.enter_async_context(
            running_system(data_dir, port=0, extra_env=LOOPBACK, logs_to_files=True)
        )
        vendors = await _addresses(sandbox, folder / "sandbox.log")
        world = World(
            system,
            Api(system.api_url, system.operator_key),
            SageX3(vendors["x3"]["url"]),
            Mailchimp(vendors["mailchimp"]["url"]),
            vendors,
        )
        for client in (world.api, world.x3, world.mailchimp):
            stack.push_async_callback(client.close)
        yield world


def _sandbox(folder: Path, sizes: dict[str, int]) -> Order:
    return Order(
        argv=[sys.executable, "-P", "-m", "sandbox", *(f"--{name}={size}" for name, size in sizes.items())],
        stop_signal=signal.SIGTERM,
        folder=folder,
        log=folder / "sandbox.log",
        environment=dict(os.environ),
        grace_seconds=10,
    )


async def _addresses(sandbox: GuardedProcess, log: Path) -> dict[str, dict[str, Any]]:
    """The line the stand-ins print when they answer."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and not sandbox.ended():
        if (found := _line_with_addresses(log)) is not None:
            return found
        await asyncio.sleep(0.05)
    raise StoryBroken(f"The stand-ins for Sage X3 and Mailchimp did not start:\n{sandbox.last_words()}")


def _line_with_addresses(log: Path) -> dict[str, dict[str, Any]] | None:
    for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            found: dict[str, dict[str, Any]] = json.loads(line)
            return found
    return None
