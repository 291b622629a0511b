"""Connections: where a tenant's vendors are, and whether they answer."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy import or_
from sqlmodel import col, select

from app.api.answers import answer, no_content
from app.api.deps import Access, AdminCreating, Administering, ObjectId, Operating, Viewing, Work
from app.api.paging import Page, PagingQuery, newest
from app.api.problems import Conflict, Invalid, invalid_model, refuse_nulls
from app.api.schemas.base import Request
from app.api.schemas.connections import (
    KINDS,
    AnyConnectionCreate,
    ConnectionCreate,
    ConnectionPublic,
    ConnectionUpdate,
    VerificationPublic,
    plain,
)
from app.connections.opening import seal_credential
from app.connections.verifying import verify_connection
from app.db import rows
from app.db.base import now
from app.db.connections import Connection
from app.db.syncs import Sync
from app.domain.errors import NeedsTenant
from app.webhooks import registering

router = APIRouter(prefix="/v1/tenants/{tenant_id}/connections", tags=["connections"])

_TOKENS = {"graphql_oauth": "access_token", "oauth": "access_token"}
_ADDRESSES = ("base_url", "oauth_base_url", "customer_url")


def _public(row: Connection) -> ConnectionPublic:
    return ConnectionPublic.model_validate(row)


@router.post("", status_code=201, response_model=ConnectionPublic, summary="Create a connection")
async def create_connection(access: AdminCreating, body: ConnectionCreate) -> Response:
    """Nothing is called yet: `verify` does that."""
    credential = plain(body.credential)
    settings = body.settings.model_dump(mode="json", by_alias=True, exclude_unset=True)
    _check_addresses(access, body.url, settings)
    row = _new(access, body, settings, credential)
    async with access.work() as work:
        work.db.add(row)
        await work.audit("connection.created", row.id, detail={"system": row.system, "kind": row.kind})
        location = f"/v1/tenants/{access.tenant_id}/connections/{row.id}"
        return await work.answer(_public(row), 201, version=row.version, location=location)


def _new(access: Access, body: AnyConnectionCreate, settings: dict[str, Any], credential: dict[str, Any]) -> Connection:
    row_id = uuid4()
    return Connection(
        tenant_id=access.tenant_id,
        id=row_id,
        name=body.name,
        system=body.system,
        kind=body.kind,
        url=body.url,
        settings=settings,
        credential=seal_credential(access.keys, row_id, credential),
        state=_first_state(body.kind, credential),
    )


def _first_state(kind: str, credential: dict[str, Any]) -> str:
    """Whoever must sign in first cannot be verified."""
    return "needs_authorization" if kind in _TOKENS and _TOKENS[kind] not in credential else "unverified"


def _check_addresses(access: Access, url: str | None, settings: dict[str, Any]) -> None:
    """Refuse at once what the egress guard would refuse at every call."""
    found = {"/url": url, **{f"/settings/{name}": settings.get(name) for name in _ADDRESSES}}
    for pointer, address in found.items():
        if address is None:
            continue
        try:
            access.resources.outbound.policy.check_url(httpx.URL(address))
        except NeedsTenant as error:
            raise Invalid.at(pointer, error.message) from None
        except httpx.InvalidURL:
            raise Invalid.at(pointer, "Is not an address.") from None


@router.get("", response_model=Page[ConnectionPublic], summary="List connections")
async def list_connections(access: Viewing, paging: PagingQuery) -> Response:
    cursors = access.cursors("connections")
    before = newest(cursors.read(paging.cursor))
    async with access.work() as work:
        found = await rows.newest(work.db, Connection, access.tenant_id, limit=paging.limit + 1, before=before)
    return answer(paging.page(found, _public, lambda row: cursors.write(row.created_at, row.id)))


@router.get("/{id}", response_model=ConnectionPublic, summary="Read a connection")
async def read_connection(access: Viewing, connection_id: ObjectId) -> Response:
    async with access.work() as work:
        row = await work.get(Connection, connection_id)
    return answer(_public(row), version=row.version)


@router.patch("/{id}", response_model=ConnectionPublic, summary="Change a connection")
async def change_connection(access: Administering, connection_id: ObjectId, body: ConnectionUpdate) -> Response:
    """A changed address or credential has to be verified again."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    async with access.work() as work:
        row = await work.get_versioned(Connection, connection_id)
        refuse_nulls(changes, but=("url",) if row.url is None else ())
        before = (row.url, row.settings)
        if body.name is not None:
            row.name = body.name
        if body.url is not None:
            row.url = _new_url(row, body.url)
        if body.settings is not None:
            row.settings = _merged(row, body.settings)
        _check_addresses(access, row.url, row.settings)
        moved = _origins(*before) != _origins(row.url, row.settings)
        if body.credential is not None:
            _replace_credential(access, row, body.credential)
        elif moved:
            raise Invalid.at("/credential", "Give the credential again: it was not meant for the new address.")
        if (row.url, row.settings) != before:
            _unverify(row)
        row.version += 1
        row.updated_at = now()
        await work.audit("connection.changed", row.id, detail={"fields": sorted(changes)})
        return answer(_public(row), version=row.version)


def _new_url(row: Connection, url: str) -> str:
    if row.system == "mailchimp":
        raise Invalid.at("/url", "A Mailchimp connection has no url; settings.base_url overrides its address.")
    return url


def _merged(row: Connection, settings: dict[str, Any]) -> dict[str, Any]:
    together = {**row.settings, **settings}
    together = {name: value for name, value in together.items() if value is not None or name not in settings}
    model = KINDS[row.system, row.kind][1]
    return _checked(model, together, "/settings").model_dump(mode="json", by_alias=True, exclude_unset=True)


def _checked(model: type[Request], value: object, pointer: str) -> Request:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid_model(error, pointer) from None


def _origins(url: str | None, settings: dict[str, Any]) -> list[str | None]:
    """Every scheme, host and port that would be shown the credential."""
    addresses = [url, *(settings.get(name) for name in _ADDRESSES)]
    return [None if address is None else "://".join(urlsplit(address)[:2]) for address in addresses]


def _replace_credential(access: Access, row: Connection, given: dict[str, Any], pointer: str = "/credential") -> None:
    credential = plain(_checked(KINDS[row.system, row.kind][2], given, pointer))
    row.credential = seal_credential(access.keys, row.id, credential)
    row.credential_version += 1
    row.state, row.state_reason = _first_state(row.kind, credential), None
    row.facts = {}  # learnt with another secret: it may be another account


def _unverify(row: Connection) -> None:
    if row.state != "needs_authorization":
        row.state, row.state_reason = "unverified", None


@router.delete("/{id}", status_code=204, summary="Delete a connection")
async def delete_connection(access: Administering, connection_id: ObjectId) -> Response:
    """Refused while a sync uses it. Its webhooks are unregistered as far as Mailchimp still listens to us."""
    async with access.work() as work:
        row = await work.get_versioned(Connection, connection_id)
        hooks = await registering.of_connection(work.db, row)
        if await _is_used(work, row.id):
            raise Conflict("A sync uses this connection; delete the sync first.", code="connection_in_use")
        await work.db.delete(row)
        await work.audit("connection.deleted", connection_id)
    await registering.take_down(access.resources.opener, access.keys, row, hooks)
    return no_content()


async def _is_used(work: Work, connection_id: UUID) -> bool:
    either = or_(col(Sync.source_connection_id) == connection_id, col(Sync.target_connection_id) == connection_id)
    statement = select(Sync.id).where(col(Sync.tenant_id) == work.tenant_id, either).limit(1)
    return (await work.db.exec(statement)).first() is not None


@router.put("/{id}/credential", response_model=ConnectionPublic, summary="Replace the secret part")
async def replace_credential(access: Administering, connection_id: ObjectId, body: dict[str, Any]) -> Response:
    """The body is the credential itself, as in POST. The connection is verified with it at once; its state says how."""
    given = body["credential"] if body.keys() == {"credential"} and isinstance(body["credential"], dict) else body
    async with access.work() as work:
        row = await work.get_versioned(Connection, connection_id)
        _replace_credential(access, row, given, pointer="")
        row.version += 1
        row.updated_at = now()
        await work.audit("connection.credential_replaced", row.id)
    if row.state != "needs_authorization":
        await verify_connection(access.resources.opener, access.keys, row, actor=access.caller.actor)
    async with access.work() as work:
        row = await work.get(Connection, connection_id)
    return answer(_public(row), version=row.version)


@router.post("/{id}/verify", response_model=VerificationPublic, summary="Ping the real system")
async def verify_now(access: Operating, connection_id: ObjectId) -> Response:
    """Always 200 for a connection that exists: when the vendor is down or refuses, `ok` is false and a check tells."""
    async with access.work() as work:
        row = await work.get(Connection, connection_id)
    result = await verify_connection(access.resources.opener, access.keys, row, actor=access.caller.actor)
    return answer(
        VerificationPublic.model_validate(
            {
                "ok": result.ok,
                "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in result.checks],
                "facts": dict(result.facts),
            }
        )
    )
