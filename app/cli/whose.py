"""Tenants and their objects as people name them: by slug, by name, or by id."""

from typing import Annotated
from uuid import UUID

import typer

from app.cli.client import Client
from app.cli.output import USAGE, fail

Tenant = Annotated[
    str | None,
    typer.Option("--tenant", envvar="MLC_TENANT", help="Slug or id; a tenant's own key needs none."),
]

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
OfSync = Annotated[str | None, typer.Option(help="Of this sync only; its name or id.")]


def tenant_path(client: Client, tenant: str | None) -> str:
    """`/v1/tenants/{id}` of the tenant that is meant; ends the command when that cannot be told."""
    own = None
    if tenant is None or not _is_id(tenant):
        own = client.get("/v1/caller")["tenant_id"]
    if tenant is None:
        return f"/v1/tenants/{own}" if own else fail("Whose? Give --tenant or set MLC_TENANT.", code=USAGE)
    return f"/v1/tenants/{tenant if _is_id(tenant) else _by_slug(client, tenant, own)}"


def _by_slug(client: Client, slug: str, own: str | None) -> str:
    tenants = [client.get(f"/v1/tenants/{own}")] if own else client.all("/v1/tenants")
    found = next((item["id"] for item in tenants if item["slug"] == slug), None)
    return str(found) if found else fail(f"There is no tenant {slug!r} that this key may see.", code=USAGE)


def sync_id(client: Client, tenant: str, sync: str) -> str:
    """The id of a sync that is given by its name or id. `tenant` is a path."""
    return id_of(client, tenant, "syncs", sync)


def id_of(client: Client, tenant: str, nouns: str, given: str) -> str:
    """The id of an object of a collection that is given by its name or id; none or several of the name end the
    command."""
    if _is_id(given):
        return given
    found = [item["id"] for item in client.all(f"{tenant}/{nouns}") if item["name"] == given]
    if len(found) != 1:
        several = f"are {len(found)} {nouns}" if found else f"is no {nouns.removesuffix('s')}"
        fail(f"There {several} of the name {given!r}.", code=USAGE)
    return str(found[0])


def path_of(client: Client, tenant: str | None, nouns: str, given: str) -> str:
    """The path of an object that is given by its name or id."""
    at = tenant_path(client, tenant)
    return f"{at}/{nouns}/{id_of(client, at, nouns, given)}"


def delete_named(client: Client, path: str, question: str, *, yes: bool) -> None:
    """Delete an object; unless `yes`, ask first, with its name in the question."""
    name = client.get(path)["name"]
    if not yes and not typer.confirm(question.format(name)):
        fail("Nothing was done.")
    client.delete(path)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
