"""Tenants: made and listed by the operator, deleted by destroying their key first."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID, uuid4

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.api.answers import answer, no_content
from app.api.auth import Caller, Role
from app.api.deps import (
    Administering,
    OnlyOperator,
    ResourcesDep,
    TenantId,
    Viewing,
    for_operator,
    get_resources,
    tenant_keys,
)
from app.api.due import reschedule
from app.api.idempotency import Claim, KeyHeader, claimed
from app.api.paging import Cursors, Page, PagingQuery, newest
from app.api.problems import Conflict, Forbidden, NotFound, refuse_nulls
from app.api.schemas.tenants import TenantCreate, TenantPublic, TenantUpdate
from app.connections.vault import TenantKeys
from app.db import audit
from app.db.base import now
from app.db.engine import APP_ROLE, ENTER_SESSION, driver_connection
from app.db.erasing import delete_tenant_rows, destroy_data_key
from app.db.tenants import Tenant
from app.resources import Resources

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/v1/tenants", tags=["tenants"])

_NOBODY = UUID(int=0)  # whose the idempotency keys of calls outside any tenant are


async def _claim(request: Request, idempotency_key: KeyHeader = None) -> AsyncIterator[Claim | None]:
    for_operator(request)
    resources = get_resources(request)

    async def keys_of(location: str | None) -> TenantKeys:
        return await tenant_keys(resources, UUID((location or "").rpartition("/")[2]))

    async with claimed(resources.database, _NOBODY, keys_of, request, idempotency_key) as claim:
        yield claim


@router.post("", status_code=201, response_model=TenantPublic, summary="Create a tenant")
async def create_tenant(
    body: TenantCreate,
    caller: OnlyOperator,
    resources: ResourcesDep,
    claim: Annotated[Claim | None, Depends(_claim, scope="function")],
) -> Response:
    """With a data key of its own. Only the operator key allows this."""
    tenant = _new_tenant(body, resources)
    keys = resources.vault.tenant(tenant.id, tenant.data_key, tenant.data_key_id)
    async with resources.database.system_session() as db:
        await _refuse_taken(db, tenant.slug, tenant.id)
        db.add(tenant)
        await db.flush()
        response = answer(TenantPublic.model_validate(tenant), 201, location=f"/v1/tenants/{tenant.id}")
        if claim is not None:
            await _enter(db, _NOBODY)
            await claim.keep(db, keys, response)
        await _enter(db, tenant.id)
        event = audit.Event("tenant.created", caller.actor, tenant.id)
        await audit.append(await driver_connection(db), tenant.id, [event])
    return response


async def _refuse_taken(db: AsyncSession, slug: str, tenant_id: UUID) -> None:
    """Raises Conflict when another tenant than this one has the slug; `db` sees them all."""
    others = select(Tenant.id).where(col(Tenant.slug) == slug, col(Tenant.id) != tenant_id)
    if (await db.exec(others)).first() is not None:
        raise Conflict(f"The slug {slug} is taken.", code="slug_taken")


async def _enter(db: AsyncSession, tenant_id: UUID) -> None:
    """Go on in the same transaction as the role that is bound to one tenant."""
    await (await db.connection()).execute(ENTER_SESSION, {"role": APP_ROLE, "tenant": str(tenant_id)})


def _new_tenant(body: TenantCreate, resources: Resources) -> Tenant:
    tenant_id = uuid4()
    data_key, data_key_id = resources.vault.new_data_key(tenant_id)
    return Tenant(
        id=tenant_id,
        slug=body.slug,
        name=body.name,
        time_zone=body.time_zone,
        data_key=data_key,
        data_key_id=data_key_id,
    )


@router.get("", response_model=Page[TenantPublic], summary="List tenants")
async def list_tenants(_: OnlyOperator, resources: ResourcesDep, paging: PagingQuery) -> Response:
    """Newest first. Only the operator key allows this."""
    cursors = Cursors(resources.settings.operator_key.get_secret_value().encode(), "tenants")
    before = newest(cursors.read(paging.cursor))
    statement = select(Tenant).where(col(Tenant.data_key) != b"")
    if before is not None:
        statement = statement.where(tuple_(col(Tenant.created_at), col(Tenant.id)) < before)
    statement = statement.order_by(col(Tenant.created_at).desc(), col(Tenant.id).desc()).limit(paging.limit + 1)
    async with resources.database.system_session() as db:
        found = (await db.exec(statement)).all()
    page = paging.page(found, TenantPublic.model_validate, lambda row: cursors.write(row.created_at, row.id))
    return answer(page)


@router.get("/{tenant_id}", response_model=TenantPublic, summary="Read a tenant")
async def read_tenant(access: Viewing) -> Response:
    async with access.work() as work:
        return answer(TenantPublic.model_validate(await work.tenant()))


@router.patch("/{tenant_id}", response_model=TenantPublic, summary="Change a tenant")
async def change_tenant(access: Administering, body: TenantUpdate) -> Response:
    """Only the operator may change the slug, since it is unique over all tenants."""
    if body.slug is not None and not access.caller.is_operator:
        raise Forbidden("Only the operator key may change a slug.", code="operator_only")
    changes = body.model_dump(exclude_unset=True)
    refuse_nulls(changes)
    if body.slug is not None:
        async with access.resources.database.system_session() as db:
            await _refuse_taken(db, body.slug, access.tenant_id)
    async with access.work() as work:
        tenant = await work.tenant(lock=True)
        for name, value in changes.items():
            setattr(tenant, name, value)
        tenant.updated_at = now()
        if "time_zone" in changes:
            await reschedule(work.db, tenant)
        await work.audit("tenant.changed", tenant.id, detail={"fields": sorted(changes)})
        return answer(TenantPublic.model_validate(tenant))


@router.delete("/{tenant_id}", status_code=204, summary="Delete a tenant for good")
async def delete_tenant(request: Request, tenant_id: TenantId, resources: ResourcesDep) -> Response:
    """Its data key is destroyed first, in a transaction of its own: from then on nothing of it can be read. A deletion
    that was interrupted there is finished by asking again."""
    caller: Caller = request.state.caller
    if caller.tenant_id not in (None, tenant_id):
        raise NotFound
    if caller.role < Role.admin:
        raise Forbidden
    async with resources.database.system_session(tenant_id) as db:
        if not await destroy_data_key(db, tenant_id):
            raise NotFound
    async with resources.database.system_session(tenant_id) as db:
        await delete_tenant_rows(db, tenant_id)
    log.warning("tenant.deleted", tenant_id=str(tenant_id), actor=caller.actor)
    return no_content()
