"""Copies of server programs for an account that cannot reach where they are installed.

Opening up the folders above them would open a home directory; a copy (about 31 MB, 0.1 s) does not.
"""

import hashlib
import shutil
import stat
from pathlib import Path

from app.embedded.accounts import Account
from app.embedded.binaries import PostgresBinaries
from app.embedded.errors import EmbeddedServerError

# Whole-machine prefixes hold far more than PostgreSQL, and everybody can reach them anyway.
SHARED_PREFIXES = (Path("/"), Path("/usr"), Path("/usr/local"), Path("/opt"))


def reachable_postgres(binaries: PostgresBinaries, account: Account, programs: Path) -> PostgresBinaries:
    """`binaries` if the account can run them, else a copy below `programs`.

    The libraries an installer put beside the package (`<package>.libs`) keep their
    place relative to the programs, which look for libpq along that path.
    """
    if account.can_execute(binaries.postgres) and account.can_execute(binaries.initdb):
        return binaries
    prefix = binaries.folder.parent
    if prefix in SHARED_PREFIXES:
        raise EmbeddedServerError(f"The account {account.name!r} cannot run {binaries.postgres}.")
    copy = programs / f"postgres-{binaries.major}-{_mark(binaries.postgres)}"
    if not copy.exists():
        unfinished = copy.with_name(copy.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        package = prefix.parent
        _copy_tree(prefix, unfinished / package.name / prefix.name)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            _copy_tree(libraries, unfinished / libraries.name)
        _open_to_all(unfinished)
        for program in (unfinished / package.name / prefix.name / binaries.folder.name).iterdir():
            program.chmod(0o755)
        unfinished.rename(copy)
    return PostgresBinaries(copy / prefix.parent.name / prefix.name / binaries.folder.name, binaries.major)


def reachable_valkey(program: Path, account: Account, programs: Path) -> Path:
    """`program` if the account can run it, else a copy below `programs`."""
    if account.can_execute(program):
        return program
    copy = programs / f"{program.name}-{_mark(program)}"
    if not copy.exists():
        programs.mkdir(mode=0o755, parents=True, exist_ok=True)
        unfinished = copy.with_name(copy.name + ".new")
        shutil.copyfile(program, unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(copy)
    return copy


def _mark(program: Path) -> str:
    """Tells one installed version from the next."""
    found = program.stat()
    return hashlib.sha256(f"{program}:{found.st_size}:{found.st_mtime_ns}".encode()).hexdigest()[:12]


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a", "doc", "man"))


def _open_to_all(copy: Path) -> None:
    """Let every account read our copy; what lies above it is left as it is."""
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            extra = 0o055 if path.is_dir() else 0o044
            path.chmod(stat.S_IMODE(path.stat().st_mode) | extra)
