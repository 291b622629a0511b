"""`ml-connector audit …`: the audit trail, its chain, and what can be taken away of it."""

import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from app.cli.client import DEFAULT_URL, AsJson, Client, Cursor, Key, Limit, Url
from app.cli.output import FAILED, USAGE, console, fail, show, show_json
from app.cli.saving import whole
from app.cli.verifying import verify_file
from app.cli.whose import Tenant, tenant_path

app = typer.Typer(no_args_is_help=True, help="A tenant's audit trail.")
PublicKeyFile = Annotated[
    Path | None,
    typer.Option(help="A file with the key that `audit key` shows; without it, the API is asked.", show_default=False),
]
COLUMNS = ("seq", "at", "actor", "action", "code", "reason", "object_id", "run_id")


@app.command("list")
def list_events(
    tenant: Tenant = None,
    run: Annotated[UUID | None, typer.Option(help="Of this run only.")] = None,
    code: Annotated[str | None, typer.Option(help="Of this X3 record only.")] = None,
    action: Annotated[str | None, typer.Option(help="Such as sync.changed.")] = None,
    since: Annotated[str | None, typer.Option(help="An instant such as 2026-01-31T08:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="An instant; it does not count in.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Events, newest first."""
    client = Client(url, key)
    query = {"run_id": str(run) if run else None, "code": code, "action": action, "since": since, "until": until}
    page = client.get(f"{tenant_path(client, tenant)}/audit", **query, limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=COLUMNS)


@app.command()
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(help="An export, to be checked offline; without it, the trail in the API."),
    ] = None,
    public_key: PublicKeyFile = None,
    against: Annotated[
        Path | None, typer.Option(help="An older export or digest, kept elsewhere: what it knew must still be there.")
    ] = None,
    tenant: Tenant = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Check the chain: any edit, removal, reordering or cut tail shows. Ends with 1 when it is broken."""
    if file is not None:
        verify_file(file, public_key, against, lambda: _key_of(Client(url, key), tenant), as_json=as_json)
        return
    if public_key or against:
        fail("--public-key and --against are for a file: give one.", code=USAGE)
    client = Client(url, key)
    verdict = client.get(f"{tenant_path(client, tenant)}/audit/verify")
    if as_json:
        show_json(verdict)
        raise typer.Exit(0 if verdict["ok"] else FAILED)
    if not verdict["ok"]:
        fail(f"The chain is broken at event {verdict['first_broken']} of {verdict['events']}.")
    console.print(f"The chain of {verdict['events']} events is whole; its head is {verdict['head']}.", highlight=False)


@app.command()
def export(
    output: Annotated[
        Path | None, typer.Option(help="A new file; without it, standard output.", show_default=False)
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Only events behind this number: go on from an older export.")] = 0,
    tenant: Tenant = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """The whole trail, an event a line, signed in its last line."""
    client = Client(url, key)
    path = f"{tenant_path(client, tenant)}/audit/export"
    if output is None:
        client.save(sys.stdout.buffer, path, after=after, signed="true")
        return
    if output.exists():
        fail(f"{output} is there already; an export overwrites nothing.", code=USAGE)
    with whole(output) as file:
        client.save(file, path, after=after, signed="true")
    if as_json:
        show_json({"file": str(output), "bytes": output.stat().st_size})
    else:
        console.print(f"Exported to {output}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def digest(tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Where the trail ends now, signed: a few lines to keep elsewhere, every day."""
    client = Client(url, key)
    show_json(client.get(f"{tenant_path(client, tenant)}/audit/digest"))


@app.command("key")
def show_key(tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """The public key that checks exports, as PEM."""
    client = Client(url, key)
    found = client.get(f"{tenant_path(client, tenant)}/audit/key")
    if as_json:
        show_json(found)
    else:
        typer.echo(found["public_key"], nl=False)


def _key_of(client: Client, tenant: str | None) -> str:
    return str(client.get(f"{tenant_path(client, tenant)}/audit/key")["public_key"])
