"""A launcher as a process of its own, as `up` is one: for tests that kill it or run it as somebody else."""

import json
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[3]
SCRIPT = """
    import asyncio, json, os, sys
    from pathlib import Path

    async def main():
        from app.embedded import embedded_servers
        async with embedded_servers(Path(sys.argv[1])) as servers:
            print(json.dumps({
                "database_url": servers.database_url, "redis_url": servers.redis_url, "uid": os.geteuid(),
                "postgres_pid": servers.postgres.pid, "valkey_pid": servers.valkey.pid,
            }), flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(main())
"""


class Launched:
    """A running launcher and what it said about its servers."""

    def __init__(self, process: "subprocess.Popen[str]", said: dict[str, Any]) -> None:
        self.process = process
        self.database_url: str = said["database_url"]
        self.redis_url: str = said["redis_url"]
        self.uid: int = said["uid"]
        self.postgres_pid: int = said["postgres_pid"]
        self.valkey_pid: int = said["valkey_pid"]


def interpreters() -> list[Path]:
    """This Python, and one of the same version where every account can reach it, if the system has one."""
    shared = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    return [Path(sys.executable), *([Path(shared)] if shared else [])]


@contextmanager
def launcher(
    data_dir: Path, *, interpreter: Path = Path(sys.executable), path: Path = CHECKOUT, **options: Any
) -> Iterator[Launched]:
    """Start the servers from another process; it ends when the block does.

    Raises:
        RuntimeError: they did not start; the message is what the launcher wrote.
    """
    process = subprocess.Popen(
        [str(interpreter), "-c", textwrap.dedent(SCRIPT), str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PYTHONPATH": f"{CHECKOUT}:{sysconfig.get_path('purelib')}:{path}", "PATH": "/usr/bin:/bin"},
        **options,
    )
    try:
        said = ""
        while not said.startswith("{"):  # log lines come before
            said = process.stdout.readline() if process.stdout else ""
            if not said:
                raise RuntimeError(process.stderr.read() if process.stderr else "")
        yield Launched(process, json.loads(said))
    finally:
        process.communicate("", timeout=60)
