#!/usr/bin/env python3
"""Everything a developer does, from a fresh clone on: `python3 dev.py help`.

Standard library only. Makes `.venv`, installs into it what constraints.txt pins
(again only when that file or pyproject.toml changed), and hands over.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PROGRAMS = VENV / "bin"
PYTHON = PROGRAMS / "python"
STAMP = VENV / ".installed"
OLDEST = (3, 11)
GIGABYTES_A_PROCESS, MOST_PROCESSES = 1.5, 16  # of the tests, each with a whole product of its own
COMPILE = ["pip", "compile", "--universal", "--python-version", "3.11", "--no-header", "--quiet"]
EXTRAS = ["embedded", "dev", "otel"]
LOCKS = {
    "requirements.lock": ["--generate-hashes", "--extra", "otel"],  # for the image: what the product needs to run
    "constraints.txt": ["--no-annotate", "--all-extras"],  # for developers and CI
}


def main() -> int:
    """Set up, then run the command that was asked for."""
    command, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("help", [])
    if command in ("help", "-h", "--help") or command not in COMMANDS:
        return show_help(unknown=None if command in ("help", "-h", "--help") else command)
    leave_old_python()
    set_up()
    return COMMANDS[command](arguments)


# Setting up


def leave_old_python() -> None:
    """Start again with a newer Python when this one is too old and the machine has one."""
    if sys.platform == "win32":
        sys.exit("Windows has no Valkey wheel: run this in WSL, or use containers.")
    if sys.version_info >= OLDEST:
        return
    for name in ("python3.13", "python3.12", "python3.11"):
        if newer := shutil.which(name):
            os.execv(newer, [newer, str(Path(__file__).resolve()), *sys.argv[1:]])
    sys.exit(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}.")


def set_up() -> None:
    """Make the environment current; quick when it is already."""
    import fcntl  # not on Windows, which never comes here

    here = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(here, fcntl.LOCK_EX)  # two terminals starting at once take turns
    try:
        if not runs(PYTHON):
            make_environment()
        wanted = fingerprint()
        if not STAMP.exists() or STAMP.read_text(encoding="ascii") != wanted:
            install()
            STAMP.write_text(wanted, encoding="ascii")
    finally:
        os.close(here)


def runs(python: Path) -> bool:
    """Whether an interpreter is there and works: it may have been moved or upgraded away."""
    try:
        return subprocess.run([python, "-c", ""], cwd=ROOT, capture_output=True).returncode == 0
    except OSError:
        return False


def make_environment() -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        sys.exit(
            "This Python cannot make virtual environments (ensurepip is missing).\n"
            f"On Debian and Ubuntu: apt-get install {package}"
        )
    say("making .venv")
    result = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    if result.returncode != 0:
        sys.exit(f"Making {VENV} failed; the lines above say why.")


def fingerprint() -> str:
    """Changes whenever something else would be installed."""
    version = subprocess.run([PYTHON, "-VV"], capture_output=True, check=True).stdout
    parts = [
        version,
        str(ROOT).encode(),
        *((ROOT / name).read_bytes() for name in ("constraints.txt", "pyproject.toml")),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def install() -> None:
    """With uv (seconds), or with pip alone (half a minute) where uv does not work."""
    started = time.monotonic()
    say("installing what constraints.txt pins")
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    what = ["-c", "constraints.txt", "-e", f".[{','.join(EXTRAS)}]"]
    has_uv = (PROGRAMS / "uv").exists() or run([*pip, "install", "-c", "constraints.txt", "uv"], quiet=True) == 0
    with_uv = [str(PROGRAMS / "uv"), "pip", "install", "--quiet", "--python", str(PYTHON), *what]
    if not (has_uv and run(with_uv, quiet=True) == 0) and run([*pip, "install", *what]) != 0:
        sys.exit("Installing failed; the lines above say why.")
    say(f"installed in {time.monotonic() - started:.0f} s")


def run(argv: list[str], *, quiet: bool = False) -> int:
    """Run a program in the checkout. `quiet`: a failure has a way round, so its output would only worry."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(argv, cwd=ROOT, env=environment(), stdout=output, stderr=output).returncode


def environment() -> dict[str, str]:
    """Ours; uv trusts the certificates pip trusts, and has a cache where no home can be written.

    Compiled modules are kept whatever the shell wants: the tests start hundreds of processes, and compiling takes each
    of them longer than everything else until it is up.
    """
    ours = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    ours.pop("PYTHONDONTWRITEBYTECODE", None)
    ours.setdefault("UV_SYSTEM_CERTS", "1")
    home = os.environ.get("HOME", "")
    if "UV_CACHE_DIR" not in ours and "XDG_CACHE_HOME" not in ours and not (home and os.access(home, os.W_OK)):
        ours["UV_CACHE_DIR"] = str(VENV / ".uv-cache")
    if ours.pop("PYTHONDONTWRITEBYTECODE", ""):  # then into .venv: else each of hundreds of processes compiles all anew
        ours.setdefault("PYTHONPYCACHEPREFIX", str(VENV / "bytecode"))
    return ours


def say(sentence: str) -> None:
    print(f"dev.py: {sentence}", file=sys.stderr, flush=True)


# Commands


def hand_over(*argv: str) -> Callable[[list[str]], int]:
    """A command that becomes a program of the environment, so that signals reach it directly."""

    def become(arguments: list[str]) -> int:
        program = str(PROGRAMS / argv[0])
        os.execve(program, [program, *argv[1:], *arguments], environment())

    return become


def test(arguments: list[str]) -> int:
    """All tests, in several processes; with arguments, whatever they say."""
    chosen = arguments or ["-n", str(processes()), "--dist", "worksteal"]
    return hand_over("python", "-m", "pytest")(chosen)


def processes() -> int:
    """How many the tests run in: two a core, since many wait, but no more than fit into memory with their servers."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return max(1, min(2 * cores, int(gigabytes / GIGABYTES_A_PROCESS), MOST_PROCESSES))


def check(arguments: list[str]) -> int:
    """Everything CI looks at besides the tests. Goes on after a failure, to show them all."""
    python = str(PYTHON)
    steps: dict[str, Callable[[], int]] = {
        "format": lambda: run([python, "-m", "ruff", "format", "--check", "--quiet", "."]),
        "lint": lambda: run([python, "-m", "ruff", "check", "--quiet", "."]),
        "types": lambda: run([python, "-m", "mypy", "--no-error-summary"]),
        "imports": lambda: run([str(PROGRAMS / "lint-imports"), "--no-logo"]),
        "openapi.json": lambda: run([str(PROGRAMS / "ml-connector"), "openapi", "--check"]),
        "locks": check_locks,
    }
    chosen = arguments or list(steps)
    if unknown := set(chosen) - set(steps):
        sys.exit(f"No such check: {', '.join(sorted(unknown))}. There are: {', '.join(steps)}.")
    failed = []
    for name in chosen:
        started = time.monotonic()
        good = steps[name]() == 0
        print(f"{'ok    ' if good else 'FAILED'} {name} ({time.monotonic() - started:.1f} s)", flush=True)
        failed += [] if good else [name]
    return 1 if failed else 0


def install_more(arguments: list[str]) -> int:
    """The usual is installed already; with arguments, these extras too, until the next change of the locks."""
    if not arguments:
        return 0
    what = ["-c", "constraints.txt", "-e", f".[{','.join([*EXTRAS, *arguments])}]"]
    with_uv = [str(PROGRAMS / "uv"), "pip", "install", "--quiet", "--python", str(PYTHON), *what]
    return run(with_uv) and run([str(PYTHON), "-m", "pip", "install", *what])


def docs(arguments: list[str]) -> int:
    """The pages of docs/ as a site in build/docs; a link that leads nowhere is a failure."""
    mkdocs = PROGRAMS / "mkdocs"
    if not mkdocs.exists() and install_more(["docs"]) != 0:
        return 1
    os.environ["NO_MKDOCS_2_WARNING"] = "1"  # what its makers think of the next version
    status = run([str(mkdocs), *(arguments or ["build", "--strict", "--quiet"])])
    if status == 0 and not arguments:
        say("the site is in build/docs; with search: python3 -m http.server --directory build/docs")
    return status


def lock(arguments: list[str]) -> int:
    """Write both locks; `--upgrade` takes the newest versions, else those in the files are kept."""
    for name, options in LOCKS.items():
        if run([str(PROGRAMS / "uv"), *COMPILE, *options, *arguments, "pyproject.toml", "-o", name]) != 0:
            return 1
    return 0


def check_locks() -> int:
    """Both locks are what pyproject.toml asks for, and neither names a host."""
    status = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, options in LOCKS.items():
            again = Path(folder) / name
            if not (ROOT / name).exists():
                print(f"{name} is missing: python3 dev.py lock")
                return 1
            shutil.copy(ROOT / name, again)  # its versions are kept as long as they fit
            if run([str(PROGRAMS / "uv"), *COMPILE, *options, "pyproject.toml", "-o", str(again)]) != 0:
                return 1
            text = (ROOT / name).read_text(encoding="utf-8")
            if again.read_text(encoding="utf-8") != text:
                print(f"{name} does not fit pyproject.toml any more: python3 dev.py lock")
                status = 1
            if "://" in text:
                print(f"{name} names a host, which belongs to one machine's settings only")
                status = 1
    return status


def show_help(unknown: str | None) -> int:
    if unknown:
        print(f"No such command: {unknown}\n", file=sys.stderr)
    print(HELP, file=sys.stderr if unknown else sys.stdout)
    return 2 if unknown else 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": hand_over("ml-connector", "demo"),
    "up": hand_over("ml-connector", "up"),
    "test": test,
    "check": check,
    "bench": hand_over("python", "-m", "bench"),
    "openapi": hand_over("ml-connector", "openapi"),
    "docs": docs,
    "lock": lock,
    "install": install_more,
}

HELP = """\
python3 dev.py <command> [arguments]

  demo       the whole product on this machine, with stand-ins for Sage X3 and Mailchimp; --keep leaves it running
  up         API, worker and console, with a PostgreSQL and a Valkey of its own unless their addresses are set
  test       all tests, two processes a core; with arguments, those of pytest: python3 dev.py test tests/unit -k tags
  check      format, lint, types, imports, openapi.json, locks: exactly what CI runs. Or only those named
  bench      the benchmark, printed as ratios
  openapi    write openapi.json
  docs       the documentation as a site in build/docs; with arguments, those of mkdocs: python3 dev.py docs serve
  lock       write requirements.lock and constraints.txt; --upgrade takes newer versions
  install    only make .venv current; `install chart` adds what looks at Dockerfile and chart

Everything is installed into .venv, from what constraints.txt pins; again only when that changes."""


if __name__ == "__main__":
    sys.exit(main())
