"""The command line: one file per noun."""

from typing import Annotated

import typer

from app import __version__
from app.cli import (
    audit,
    connections,
    dead_letters,
    doctor,
    keys,
    mappings,
    openapi,
    processes,
    records,
    runs,
    sandbox,
    syncs,
    tenants,
)
from app.cli.client import close_clients
from app.cli.config import commands as config
from app.cli.demo.command import demo

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals may hold keys and addresses
    help="Keeps a Mailchimp audience true to a Sage X3.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ml-connector {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """What every command takes."""
    context.call_on_close(close_clients)


app.command()(demo)
app.command()(processes.up)
app.command()(processes.api)
app.command()(processes.worker)
app.command()(processes.migrate)
app.command()(doctor.doctor)
app.command()(openapi.openapi)
app.command(context_settings=sandbox.PASS_ON)(sandbox.sandbox)
app.add_typer(keys.app, name="keys")
app.add_typer(tenants.app, name="tenants")
app.add_typer(connections.app, name="connections")
app.add_typer(mappings.app, name="mappings")
app.add_typer(syncs.app, name="syncs")
app.add_typer(runs.app, name="runs")
app.add_typer(records.app, name="records")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(audit.app, name="audit")
app.add_typer(config.app, name="config")

if __name__ == "__main__":
    app(prog_name="ml-connector")
