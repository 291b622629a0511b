"""`ml-connector mappings …`: what becomes of X3's fields. New ones: `config apply`, the console, or the API."""

from typing import Annotated, Any

import typer

from app.cli.client import DEFAULT_URL, AsJson, Client, Cursor, Key, Limit, Url
from app.cli.output import console, show, show_json
from app.cli.whose import Tenant, Yes, delete_named, id_of, path_of, tenant_path

app = typer.Typer(no_args_is_help=True, help="A tenant's mappings and their versions.")
COLUMNS = ("id", "name", "stream", "version", "created_at")
PREVIEW_COLUMNS = ("code", "decision", "email", "fields", "tags", "warnings")
Named = Annotated[str, typer.Argument(metavar="MAPPING", help="Name or id.")]


@app.command("list")
def list_mappings(
    tenant: Tenant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Mappings, newest first."""
    client = Client(url, key)
    page = client.get(f"{tenant_path(client, tenant)}/mappings", limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=COLUMNS)


@app.command("show")
def show_mapping(
    mapping: Named, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """The newest version of a mapping: its rules with the defaults filled in."""
    client = Client(url, key)
    show(client.get(_path(client, tenant, mapping)), as_json=as_json, columns=COLUMNS)


@app.command()
def versions(
    mapping: Named,
    tenant: Tenant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Its versions, newest first."""
    client = Client(url, key)
    page = client.get(f"{_path(client, tenant, mapping)}/versions", limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=COLUMNS)


@app.command()
def preview(
    mapping: Named,
    connection: Annotated[str, typer.Option(help="The Sage X3 connection to read; its name or id.")],
    mailchimp: Annotated[str | None, typer.Option(help="Compare with an audience of this connection.")] = None,
    audience: Annotated[str | None, typer.Option(help="Id of that audience.")] = None,
    code: Annotated[list[str] | None, typer.Option(help="Only this record; may be given many times.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many, when no code is given.")] = 10,
    tenant: Tenant = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """What would become of some records. Reads X3, writes nothing."""
    client = Client(url, key)
    at = tenant_path(client, tenant)
    body: dict[str, Any] = {"connection_id": id_of(client, at, "connections", connection), "limit": limit}
    if mailchimp is not None:
        body["audience_connection_id"] = id_of(client, at, "connections", mailchimp)
    if audience is not None:
        body["audience_id"] = audience
    if code:
        body["codes"] = code
    answer = client.post(f"{at}/mappings/{id_of(client, at, 'mappings', mapping)}/preview", body)
    if as_json:
        show_json(answer)
        return
    show([_row(item) for item in answer["items"]], as_json=False, columns=PREVIEW_COLUMNS)
    for warning in answer["warnings"]:
        console.print(warning, markup=False, highlight=False)


@app.command()
def delete(
    mapping: Named,
    tenant: Tenant = None,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete a mapping with all its versions. Refused while a sync uses it."""
    client = Client(url, key)
    delete_named(client, _path(client, tenant, mapping), "Delete the mapping {!r} and all its versions?", yes=yes)


def _row(item: dict[str, Any]) -> dict[str, Any]:
    """An item of a preview as a line of a table."""
    made = item["member"] or item["order"] or {}
    warnings = [f"{warning['target']}: {warning['message']}" for warning in item["warnings"]]
    return {
        "code": item["code"],
        "decision": item["decision"],
        "email": made.get("email_address"),
        "fields": {**made.get("merge_fields", {}), **made.get("fill_fields", {})} or made.get("lines"),
        "tags": made.get("tags"),
        "warnings": warnings,
    }


def _path(client: Client, tenant: str | None, mapping: str) -> str:
    return path_of(client, tenant, "mappings", mapping)
