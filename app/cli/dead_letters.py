"""`ml-connector dead-letters …`: records that could not be carried."""

from typing import Annotated
from uuid import UUID

import typer

from app.cli.client import DEFAULT_URL, AsJson, Client, Cursor, Key, Limit, Url
from app.cli.output import USAGE, fail, show
from app.cli.runs import Wait, finish
from app.cli.whose import OfSync, Tenant, sync_id, tenant_path

app = typer.Typer(no_args_is_help=True, help="Records that could not be carried.")
COLUMNS = ("id", "code", "reason", "message", "field", "state", "attempts", "created_at")


@app.command("list")
def list_dead_letters(
    tenant: Tenant = None,
    sync: OfSync = None,
    reason: Annotated[str | None, typer.Option(help="For this reason only.")] = None,
    state: Annotated[str | None, typer.Option(help="open, resolved, superseded or dismissed")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Dead letters, newest first."""
    client = Client(url, key)
    at = tenant_path(client, tenant)
    of = sync_id(client, at, sync) if sync else None
    page = client.get(f"{at}/dead-letters", sync_id=of, reason=reason, state=state, limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=COLUMNS)


@app.command()
def replay(
    dead_letter_id: Annotated[UUID | None, typer.Argument(help="One; or give --sync for many.")] = None,
    tenant: Tenant = None,
    sync: Annotated[str | None, typer.Option(help="All open ones of this sync; its name or id.")] = None,
    reason: Annotated[str | None, typer.Option(help="With --sync: for this reason only.")] = None,
    since: Annotated[str | None, typer.Option(help="With --sync: made since this instant.")] = None,
    wait: Wait = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Give them a second chance: their records are read anew from X3."""
    if (dead_letter_id is None) == (sync is None) or (dead_letter_id and (reason or since)):
        fail("Give either the id of a dead letter, or --sync with --reason and --since as needed.", code=USAGE)
    client = Client(url, key)
    at = tenant_path(client, tenant)
    if sync is None:
        run = client.post(f"{at}/dead-letters/{dead_letter_id}/replay")
    else:
        which = {"sync_id": sync_id(client, at, sync), "reason": reason, "since": since}
        run = client.post(f"{at}/dead-letters/replay", {name: value for name, value in which.items() if value})
    finish(client, at, run, wait=wait, as_json=as_json)


@app.command()
def dismiss(
    dead_letter_id: UUID, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """Do not try it again until its record changes in X3."""
    client = Client(url, key)
    letter = client.post(f"{tenant_path(client, tenant)}/dead-letters/{dead_letter_id}/dismiss")
    show(letter, as_json=as_json, columns=COLUMNS)
