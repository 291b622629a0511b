"""`ml-connector syncs …`: a thin client of the API."""

from typing import Annotated

import typer

from app.cli.client import DEFAULT_URL, AsJson, Client, Cursor, Key, Limit, Url
from app.cli.output import show
from app.cli.whose import Tenant, path_of, tenant_path

app = typer.Typer(no_args_is_help=True, help="A tenant's syncs.")
COLUMNS = ("id", "name", "stream", "state", "state_reason", "last_success_at", "next_due_at", "freshness_seconds")
Named = Annotated[str, typer.Argument(metavar="SYNC", help="Name or id.")]


@app.command("list")
def list_syncs(
    tenant: Tenant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Syncs, newest first, and how far behind X3 each is."""
    client = Client(url, key)
    page = client.get(f"{tenant_path(client, tenant)}/syncs", limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=COLUMNS)


@app.command("show")
def show_sync(
    sync: Named, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """One sync."""
    client = Client(url, key)
    show(client.get(path_of(client, tenant, "syncs", sync)), as_json=as_json, columns=COLUMNS)


@app.command()
def pause(sync: Named, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Start no run of it until it is resumed; one that is under way goes on."""
    _set(Client(url, key), tenant, sync, "pause", as_json)


@app.command()
def resume(
    sync: Named, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """Let it run again, also after it needed attention."""
    _set(Client(url, key), tenant, sync, "resume", as_json)


def _set(client: Client, tenant: str | None, sync: str, action: str, as_json: bool) -> None:
    answer = client.post(f"{path_of(client, tenant, 'syncs', sync)}/{action}")
    show(answer, as_json=as_json, columns=COLUMNS)
