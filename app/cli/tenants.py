"""`ml-connector tenants …`: a thin client of the API."""

from typing import Annotated
from uuid import UUID

import typer

from app.cli.client import DEFAULT_URL, AsJson, Client, Cursor, Key, Limit, Url
from app.cli.output import show
from app.cli.whose import Yes, delete_named, tenant_path

app = typer.Typer(no_args_is_help=True, help="Tenants and their API keys.")
Named = Annotated[str, typer.Argument(metavar="TENANT", help="Slug or id.")]
KEY_COLUMNS = ("id", "name", "role", "created_at", "expires_at", "last_used_at")
COLUMNS = ("id", "slug", "name", "time_zone", "created_at")


@app.command("list")
def list_tenants(
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """Every tenant, newest first."""
    show(Client(url, key).get("/v1/tenants", limit=limit, cursor=cursor), as_json=as_json, columns=COLUMNS)


@app.command()
def create(
    slug: str,
    name: Annotated[str | None, typer.Option(help="The name people read; the slug when omitted.")] = None,
    time_zone: Annotated[str, typer.Option(help="An IANA name; schedules follow it.")] = "UTC",
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make a tenant."""
    body = {"slug": slug, "name": name or slug, "time_zone": time_zone}
    show(Client(url, key).post("/v1/tenants", body), as_json=as_json, columns=COLUMNS)


@app.command("show")
def show_tenant(tenant: Named, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """One tenant."""
    client = Client(url, key)
    show(client.get(tenant_path(client, tenant)), as_json=as_json, columns=COLUMNS)


@app.command()
def delete(
    tenant: Named,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Destroy a tenant's data key and then everything it has here. Mailchimp and X3 are left as they are."""
    client = Client(url, key)
    question = "Destroy everything kept for {!r}? This cannot be undone."
    delete_named(client, tenant_path(client, tenant), question, yes=yes)


@app.command("keys")
def list_keys(
    tenant: Named,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """The API keys of a tenant, newest first; never what they are."""
    client = Client(url, key)
    page = client.get(f"{tenant_path(client, tenant)}/api-keys", limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=KEY_COLUMNS)


@app.command("revoke-key")
def revoke_key(
    tenant: Named,
    key_id: Annotated[UUID, typer.Argument(metavar="KEY", help="Id of the key, as `keys` shows it.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make an API key worthless at once."""
    client = Client(url, key)
    client.delete(f"{tenant_path(client, tenant)}/api-keys/{key_id}")


@app.command("add-key")
def add_key(
    tenant: Named,
    name: str,
    role: Annotated[str, typer.Option(help="admin, operator or viewer")] = "operator",
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key of a tenant; it is shown this once."""
    client = Client(url, key)
    answer = client.post(f"{tenant_path(client, tenant)}/api-keys", {"name": name, "role": role})
    show(answer, as_json=as_json, columns=COLUMNS)
