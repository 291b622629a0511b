"""Which operating-system account the servers run under: PostgreSQL refuses to run as root."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.embedded.errors import EmbeddedServerError

PREFERRED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The account servers run under. `drops_rights` when that is not the account of this process."""

    name: str
    uid: int
    gid: int
    drops_rights: bool

    def subprocess_arguments(self) -> dict[str, Any]:
        """Arguments for `subprocess` that switch to this account; empty when it is ours already."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.drops_rights else {}

    def run(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program to its end under this account, output captured as text."""
        try:
            return subprocess.run(  # noqa: S603  # the programs are found by app.embedded.binaries, no shell
                list(argv),
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                **self.subprocess_arguments(),
                **options,
            )
        except PermissionError as error:
            raise EmbeddedServerError(
                f"Cannot run {argv[0]} as the account {self.name!r} ({error.strerror}). "
                "Start as an ordinary user, or set MLC_DATABASE_URL and MLC_REDIS_URL to use servers of your own."
            ) from error

    def can_search(self, folder: Path) -> bool:
        """Whether this account may pass through `folder` and everything above it.

        Asked of the system rather than computed from modes, so that access lists count too.
        """
        if not self.drops_rights:
            return os.access(folder, os.X_OK)
        return self.run(["/bin/sh", "-c", 'test -d "$1" && test -x "$1"', "sh", str(folder)]).returncode == 0

    def can_execute(self, program: Path) -> bool:
        """Whether this account may run `program`."""
        if not self.drops_rights:
            return os.access(program, os.X_OK)
        return self.run(["/bin/sh", "-c", 'test -f "$1" && test -x "$1"', "sh", str(program)]).returncode == 0

    def make_private(self, folder: Path) -> None:
        """Create `folder` (its parent exists) so that only this account can enter it."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self.own(folder)

    def own(self, path: Path) -> None:
        """Give `path` to this account."""
        if self.drops_rights:
            os.chown(path, self.uid, self.gid)


def serving_account() -> Account:
    """Our own account, or, when we are root, `postgres` if it exists and `nobody` otherwise.

    Raises:
        EmbeddedServerError: we are root and neither account exists.
    """
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), drops_rights=False)
    for name in PREFERRED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid:
            return Account(name, entry.pw_uid, entry.pw_gid, drops_rights=True)
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, and this machine has neither an account 'postgres' nor 'nobody'. "
        "Start as an ordinary user, or set MLC_DATABASE_URL and MLC_REDIS_URL to use servers of your own."
    )
