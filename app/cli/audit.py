"""`ml-connector audit …`: the audit trail and its chain."""

from typing import Annotated
from uuid import UUID

import typer

from app.cli.client import DEFAULT_URL, AsJson, Client, Cursor, Key, Limit, Url
from app.cli.output import FAILED, console, fail, show, show_json
from app.cli.whose import Tenant, tenant_path

app = typer.Typer(no_args_is_help=True, help="A tenant's audit trail.")
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
def verify(tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Check the chain: any edit, removal, reordering or cut tail shows. Ends with 1 when it is broken."""
    client = Client(url, key)
    verdict = client.get(f"{tenant_path(client, tenant)}/audit/verify")
    if as_json:
        show_json(verdict)
        raise typer.Exit(0 if verdict["ok"] else FAILED)
    if not verdict["ok"]:
        fail(f"The chain is broken at event {verdict['first_broken']} of {verdict['events']}.")
    console.print(f"The chain of {verdict['events']} events is whole; its head is {verdict['head']}.", highlight=False)
