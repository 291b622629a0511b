"""`ml-connector keys …`: the master keyring and what is wrapped by it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from app.cli.kept import new_master_key
from app.cli.output import console, fail

app = typer.Typer(no_args_is_help=True, help="Master keys.")


@app.command()
def new() -> None:
    """Print a fresh key for MLC_MASTER_KEYS.

    To change keys without stopping: put the new one last and restart every process; then move it to the front and
    restart them again; then `keys rotate`; then drop the old one.
    """
    print(new_master_key())  # noqa: T201  # for a pipe


@app.command()
def rotate(
    data_dir: Annotated[
        Path | None, typer.Option(help="Of an `up` that is stopped: makes a new master key there and re-wraps.")
    ] = None,
) -> None:
    """Wrap every tenant's data key again, under the first key of MLC_MASTER_KEYS. API and workers may be running."""
    from app.cli.rotating import rotate_given, rotate_kept  # they bring the whole database layer along
    from app.connections.vault import CannotOpen, UnknownKey
    from app.embedded import EmbeddedServerError

    try:
        wrapped = asyncio.run(rotate_kept(data_dir) if data_dir else rotate_given())
    except (UnknownKey, CannotOpen, EmbeddedServerError, ValueError) as error:
        fail(str(error))
    console.print(f"{wrapped} data keys were wrapped again; all are under the active master key now.")
