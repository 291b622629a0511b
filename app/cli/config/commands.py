"""`ml-connector config …`: a tenant's configuration as one file."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

import typer

from app.cli.client import DEFAULT_URL, AsJson, Client, Key, Url
from app.cli.output import FAILED, USAGE, console, errors, fail, show_json
from app.cli.whose import Tenant, Yes, tenant_path

if TYPE_CHECKING:
    from app.cli.config.applying import Applying
    from app.cli.config.faults import Faulty
    from app.cli.config.planning import Change
    from app.cli.config.present import Present
    from app.cli.config.wanted import Wanted

app = typer.Typer(no_args_is_help=True, help="Connections, mappings and syncs of a tenant as one YAML file.")
File = Annotated[Path, typer.Argument(help="The file; - reads it from standard input.")]
MOST_FAULTS = 50


class Compared(NamedTuple):
    """A file beside the tenant it is for."""

    client: Client
    tenant: str
    wanted: "Wanted"
    present: "Present"
    changes: "Sequence[Change]"


@app.command()
def export(tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Write what the tenant has to standard output, without any secret."""
    from app.cli.config.exporting import exported, exported_content  # it brings the schemas of the API along

    client = Client(url, key)
    present = _present(client, tenant_path(client, tenant))
    if as_json:
        show_json(exported_content(present))
    else:
        sys.stdout.write(exported(present))


@app.command()
def diff(file: File, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Say field by field what `apply` would change. Ends with 0 when all is the same, 1 when not, 2 on an error."""
    from app.cli.config.showing import as_data, show_changes

    changes = _compare(Client(url, key, failure=USAGE), tenant, file).changes
    if as_json:
        show_json(as_data(changes))
    elif changes:
        show_changes(changes, prune=False)
    else:
        console.print("The tenant is as the file says.", highlight=False)
    if changes:
        raise typer.Exit(FAILED)


@app.command()
def apply(
    file: File,
    tenant: Tenant = None,
    yes: Yes = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete what the file does not have, too.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make the tenant as the file says: show what differs, ask, and do it."""
    from app.cli.config import applying as doing
    from app.cli.config import faults
    from app.cli.config.showing import as_data, show_changes

    compared = _compare(Client(url, key), tenant, file)
    due = [change for change in compared.changes if prune or change.kind != "delete"]
    applying = doing.Applying(compared.client, compared.tenant, compared.wanted, compared.present, os.environ)
    try:
        applying.prepare(due)
    except faults.Faulty as error:
        _refuse(file, error)
    if as_json:
        show_json(as_data(due))
    else:
        show_changes(compared.changes, prune=prune)
    if not due:
        errors.print("Nothing to do.", highlight=False)
        return
    if not yes:
        _ask(file, len(due))
    _apply(applying, due)


def _ask(file: Path, count: int) -> None:
    if str(file) == "-":
        fail("The file came from standard input, so nobody can be asked: give --yes.", code=USAGE)
    if not typer.confirm(f"Make these changes ({count})?", err=True):
        fail("Nothing was done.")


def _apply(applying: "Applying", due: "Sequence[Change]") -> None:
    from app.cli.config.applying import Stopped, described

    for done, change in enumerate(due):
        try:
            warnings = applying.apply(change)
        except Stopped as error:
            fail(f"{error}\n{done} of {len(due)} changes were made; applying the file again goes on from there.")
        for warning in warnings:
            errors.print(f"{described(change)}: {warning}", style="yellow", markup=False, highlight=False)
    errors.print(f"Changes made: {len(due)}.", highlight=False)


def _compare(client: Client, tenant: str | None, file: Path) -> Compared:
    from app.cli.config import faults
    from app.cli.config.planning import plan
    from app.cli.config.reading import read_yaml
    from app.cli.config.wanted import read_wanted

    try:
        document = read_yaml(_content(file))
        path = tenant_path(client, tenant)
        present = _present(client, path)
        wanted = read_wanted(document, present)
    except faults.Faulty as error:
        _refuse(file, error)
    return Compared(client, path, wanted, present, plan(wanted, present))


def _content(file: Path) -> bytes:
    from app.cli.config.reading import MOST_BYTES

    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", code=USAGE)


def _present(client: Client, tenant: str) -> "Present":
    from app.cli.config.present import Ambiguous, read_present

    try:
        return read_present(client, tenant)
    except Ambiguous as error:
        fail(str(error), code=USAGE)


def _refuse(file: Path, error: "Faulty") -> NoReturn:
    lines = [f"{file}:{fault.line}: {fault.sentence}" for fault in error.faults]
    more = [f"… and {len(lines) - MOST_FAULTS} more."] if len(lines) > MOST_FAULTS else []
    fail("\n".join(lines[:MOST_FAULTS] + more), code=USAGE)
