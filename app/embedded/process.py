"""A process under its guard: a server, or one of the product's own."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.embedded import guard
from app.embedded.accounts import Account
from app.embedded.errors import EmbeddedServerError

LOG_KEPT_BYTES = 10_000_000
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Order:
    """What to run and how to end it.

    `stop_signal` asks the server to shut down cleanly; after `grace_seconds` it is killed.
    `input` is written to its standard input, so that secrets appear in no argument list.
    """

    argv: Sequence[str]
    stop_signal: signal.Signals
    folder: Path
    log: Path | None = None  # None: where our own output goes
    account: Account | None = None  # None: ours
    lock_descriptor: int | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: server_environment())
    input: str = ""
    grace_seconds: float = 60.0


class GuardedProcess:
    """One running server; ends with the launcher, whatever happens to the launcher."""

    def __init__(self, order: Order) -> None:
        self._order = order
        log_descriptor = _open_log(order.log)
        try:
            # -I and -S: no site-packages, no surprises from the surroundings, a quick start.
            self._guard = subprocess.Popen(  # noqa: S603  # our own interpreter and our own file
                [sys.executable, "-I", "-S", guard.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_descriptor,
                cwd="/",
                start_new_session=True,  # Ctrl-C in the terminal reaches the launcher only, which stops us in order
                pass_fds=[log_descriptor, *self._locks()],
            )
            self._send(log_descriptor)
        finally:
            os.close(log_descriptor)
        assert self._guard.stdout is not None  # noqa: S101  # it was asked for above
        answer = self._guard.stdout.readline()
        self._guard.stdout.close()
        if not answer.strip():
            self._close_input()
            self._guard.wait()
            raise EmbeddedServerError(f"{order.argv[0]} could not be started:\n{self.last_words()}")
        self.pid = int(answer)

    def ended(self) -> bool:
        """Whether the server, or the guard over it, has ended."""
        return self._guard.poll() is not None

    def last_words(self) -> str:
        """The end of the server's log, for an error message."""
        if self._order.log is None:
            return "(its output is above)"
        try:
            text = self._order.log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-15:])

    async def stop(self) -> None:
        """Shut the server down cleanly and wait until it is gone. Repeating this does nothing."""
        self._close_input()
        await _until(self.ended)
        if self._guard.returncode < 0:  # the guard was killed, so nobody looked after the server
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, self._order.stop_signal)
            await _until(lambda: not is_running(self.pid))

    def _send(self, log_descriptor: int) -> None:
        assert self._guard.stdin is not None  # noqa: S101  # it was asked for
        order = {
            "argv": list(self._order.argv),
            "account": self._order.account.subprocess_arguments() if self._order.account else {},
            "folder": str(self._order.folder),
            "environment": dict(self._order.environment),
            "log_descriptor": log_descriptor,
            "lock_descriptors": self._locks(),
            "stop_signal": int(self._order.stop_signal),
            "input": self._order.input,
            "grace_seconds": self._order.grace_seconds,
        }
        with contextlib.suppress(BrokenPipeError):  # the guard ended at once; its log says why
            self._guard.stdin.write(json.dumps(order).encode() + b"\n")
            self._guard.stdin.flush()

    def _locks(self) -> list[int]:
        return [] if self._order.lock_descriptor is None else [self._order.lock_descriptor]

    def _close_input(self) -> None:
        assert self._guard.stdin is not None  # noqa: S101  # it was asked for
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for another process; there is no event of ours to wait on."""
    while not condition():  # noqa: ASYNC110  # as the docstring says
        await asyncio.sleep(POLL_SECONDS)


def server_environment() -> dict[str, str]:
    """The environment servers get: no PG… or MLC_ variable of ours leaks into them."""
    kept = ("PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {"LC_ALL": "C", "PATH": os.defpath} | {name: os.environ[name] for name in kept if name in os.environ}


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended; one that waits to be reaped does not count."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        return state not in ("Z", "X")
    # Without /proc (macOS): the launcher's only way to meet a zombie is a machine whose init reaps none.
    return True


def _open_log(path: Path | None) -> int:
    if path is None:
        return os.dup(2)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_KEPT_BYTES:
            path.rename(path.with_name(path.name + ".1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
