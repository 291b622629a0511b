"""`ml-connector connections …`: a tenant's access to its vendors. New ones: `config apply`, the console, or the API."""

from typing import Annotated
from urllib.parse import quote

import typer

from app.cli.client import DEFAULT_URL, AsJson, Client, Cursor, Key, Limit, Url
from app.cli.output import FAILED, show, show_json
from app.cli.whose import Tenant, Yes, delete_named, path_of, tenant_path

app = typer.Typer(no_args_is_help=True, help="A tenant's connections to Sage X3 and Mailchimp.")
COLUMNS = ("id", "name", "system", "kind", "url", "state", "state_reason")
CHECK_COLUMNS = ("name", "ok", "detail")
AUDIENCE_COLUMNS = ("id", "name", "member_count", "unsubscribe_count", "cleaned_count", "double_optin")
FIELD_COLUMNS = ("tag", "name", "type", "required", "choices")
STORE_COLUMNS = ("id", "name", "audience_id", "currency_code", "is_syncing")
Named = Annotated[str, typer.Argument(metavar="CONNECTION", help="Name or id.")]


@app.command("list")
def list_connections(
    tenant: Tenant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Connections, newest first, and how each is doing."""
    client = Client(url, key)
    page = client.get(f"{tenant_path(client, tenant)}/connections", limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=COLUMNS)


@app.command("show")
def show_connection(
    connection: Named, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """One connection, with what its verification learnt; never its secret."""
    client = Client(url, key)
    show(client.get(_path(client, tenant, connection)), as_json=as_json, columns=COLUMNS)


@app.command()
def verify(
    connection: Named, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """Ping the real system. Ends with 1 when a check fails."""
    client = Client(url, key)
    verdict = client.post(f"{_path(client, tenant, connection)}/verify")
    if as_json:
        show_json(verdict)
    else:
        show(verdict["checks"], as_json=False, columns=CHECK_COLUMNS)
    if not verdict["ok"]:
        raise typer.Exit(FAILED)


@app.command()
def authorize(
    connection: Named, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """Begin a sign-in at the vendor: the address to open in a browser, once."""
    client = Client(url, key)
    begun = client.post(f"{_path(client, tenant, connection)}/authorize")
    if as_json:
        show_json(begun)
    else:
        typer.echo(begun["authorize_url"])


@app.command()
def audiences(
    connection: Named,
    tenant: Tenant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """The audiences of a Mailchimp connection."""
    client = Client(url, key)
    page = client.get(f"{_path(client, tenant, connection)}/audiences", limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=AUDIENCE_COLUMNS)


@app.command("merge-fields")
def merge_fields(
    connection: Named,
    audience: Annotated[str, typer.Argument(help="Id of the audience, as `audiences` shows it.")],
    tenant: Tenant = None,
    limit: Limit = 200,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """The merge fields of an audience."""
    client = Client(url, key)
    at = f"{_path(client, tenant, connection)}/audiences/{quote(audience, safe='')}"
    show(client.get(f"{at}/merge-fields", limit=limit, cursor=cursor), as_json=as_json, columns=FIELD_COLUMNS)


@app.command()
def stores(
    connection: Named,
    tenant: Tenant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """The e-commerce stores of a Mailchimp connection."""
    client = Client(url, key)
    page = client.get(f"{_path(client, tenant, connection)}/stores", limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=STORE_COLUMNS)


@app.command()
def delete(
    connection: Named,
    tenant: Tenant = None,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Forget a connection and its secret. Refused while a sync uses it."""
    client = Client(url, key)
    delete_named(client, _path(client, tenant, connection), "Forget the connection {!r} and its secret?", yes=yes)


def _path(client: Client, tenant: str | None, connection: str) -> str:
    return path_of(client, tenant, "connections", connection)
