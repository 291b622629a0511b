"""`api`, `worker`, `migrate`: the production processes. `up`: all of them on one machine."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.configuration import database_url, read_settings
from app.cli.kept import OPERATOR_KEY_FILE, Given
from app.cli.output import console, fail
from app.cli.stopping import until_signalled

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")]
DataDir = Annotated[Path, typer.Option(help="Where data and generated keys are kept.")]
DEFAULT_DATA_DIR = Path(".ml-connector")


def api(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    grace_seconds: Annotated[int, typer.Option(help="How long open requests may take after SIGTERM.")] = 10,
) -> None:
    """Serve the API and the console. Needs MLC_DATABASE_URL, MLC_REDIS_URL, MLC_OPERATOR_KEY, MLC_MASTER_KEYS."""
    import uvicorn

    read_settings()  # a sentence now rather than a traceback from the server
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        access_log=False,  # the application writes one line per request itself
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=grace_seconds,
    )


def worker() -> None:
    """Carry runs. Needs the same settings as the API."""
    read_settings()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers"])  # noqa: S606  # signals reach it directly


def migrate() -> None:
    """Bring the database to the newest schema; does nothing when it is there. Needs only MLC_DATABASE_URL."""
    from app.db.migrating import upgrade

    upgrade(database_url())
    console.print("The schema is current.")


def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    workers: Annotated[int, typer.Option(min=1, max=16, help="How many worker processes.")] = 1,
) -> None:
    """Run everything on this machine until Ctrl-C; the data are kept for the next time.

    Brings a PostgreSQL and a Valkey of its own unless MLC_DATABASE_URL and MLC_REDIS_URL are set, and makes the
    operator key and master key that are missing (mode 0600 in the data directory).
    """
    from app.cli.supervising import SystemNotRunning
    from app.embedded import EmbeddedServerError
    from app.telemetry import set_up_logging

    set_up_logging(Given().log_format or ("console" if sys.stderr.isatty() else "json"))
    try:
        asyncio.run(until_signalled(_up(data_dir, host, port, workers)))
    except (SystemNotRunning, EmbeddedServerError) as error:
        fail(str(error))


async def _up(data_dir: Path, host: str, port: int, workers: int) -> None:
    from app.cli.supervising import running_system

    async with running_system(data_dir, host=host, port=port, workers=workers) as system:
        key = system.data_dir / OPERATOR_KEY_FILE
        where = f"is in {key}" if key.exists() and not Given().operator_key else "is MLC_OPERATOR_KEY"
        console.print(f"ml-connector answers at {system.api_url}", highlight=False, soft_wrap=True)
        console.print(f"The console is at {system.api_url}/console/", highlight=False, soft_wrap=True)
        console.print(f"The operator key {where}", highlight=False, soft_wrap=True)
        console.print("Ctrl-C stops it; the data are kept.", highlight=False)
        await system.wait()
