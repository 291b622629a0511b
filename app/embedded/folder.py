"""The folder the servers keep their data in: found, locked, and reachable for their account."""

import fcntl
import hashlib
import os
import time
from pathlib import Path

from app.embedded.accounts import Account
from app.embedded.errors import EmbeddedServerError
from app.embedded.private_files import kept_secret

SYSTEM_STATE = Path("/var/lib/ml-connector")
POINTER = "servers-are-in"


class StateFolder:
    """A locked folder. `path` holds the servers' data, `private` what only the launcher may read.

    Both are the folder that was asked for, unless root asked for one below a folder
    closed to the servers' account (a home, say): then the data go to a folder of their
    own below /var/lib, and a file in the asked-for folder says where.
    """

    def __init__(self, asked: Path, account: Account, *, system_state: Path = SYSTEM_STATE) -> None:
        self.private = asked.resolve()
        self._create(self.private)
        self.path = self._servers_folder(account, system_state)
        self._lock: int | None = None

    @property
    def lock_descriptor(self) -> int:
        """The open lock file, handed down to the servers."""
        if self._lock is None:
            raise RuntimeError("the folder is not locked")
        return self._lock

    def lock(self, *, wait_seconds: float) -> None:
        """Take the folder for this process and the servers it starts.

        A launcher that was killed leaves servers that need a moment to shut down;
        the lock is theirs until the last one is gone.

        Raises:
            EmbeddedServerError: somebody else holds it after `wait_seconds`.
        """
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
                    os.close(descriptor)
                    raise EmbeddedServerError(
                        f"{self.path} is in use by {holder}. Stop that one first, or choose another --data-dir."
                    ) from None
                time.sleep(0.05)
            else:
                break
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} or servers it started\n".encode(), 0)
        self._lock = descriptor

    def unlock(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secret(self, name: str) -> str:
        """A random secret kept in a file only the launcher can read; made at first use."""
        return kept_secret(self.private / name)

    def _servers_folder(self, account: Account, system_state: Path) -> Path:
        pointer = self.private / POINTER
        if pointer.exists():
            elsewhere = Path(pointer.read_text(encoding="utf-8").strip())
        elif account.can_search(self.private):
            return self.private
        else:
            mark = hashlib.sha256(str(self.private).encode()).hexdigest()[:12]
            elsewhere = system_state / f"{self.private.parent.name or 'root'}-{mark}"
        try:
            self._create(elsewhere)
        except OSError as error:
            raise EmbeddedServerError(self._unreachable(account, elsewhere)) from error
        if not account.can_search(elsewhere):
            raise EmbeddedServerError(self._unreachable(account, elsewhere))
        pointer.write_text(f"{elsewhere}\n", encoding="utf-8")
        return elsewhere

    def _unreachable(self, account: Account, elsewhere: Path) -> str:
        return (
            f"The servers run as the account {account.name!r}, which can reach neither {self.private} nor {elsewhere}. "
            "Choose a --data-dir all of whose parent folders that account may enter; nothing was opened up for it."
        )

    @staticmethod
    def _create(folder: Path) -> None:
        """Create what is missing: others may pass through (their folders are closed themselves) but not look."""
        for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
            missing.mkdir(mode=0o711, exist_ok=True)
