"""What a handler is given: its caller, checked against tenant and role, and one transaction at a time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Request
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.api.answers import answer, check_version, no_content
from app.api.auth import Caller, Role
from app.api.idempotency import Claim, KeyHeader, claimed
from app.api.paging import Cursors
from app.api.problems import Forbidden, NotFound
from app.connections.vault import CannotOpen, TenantKeys
from app.db import audit, rows
from app.db.engine import driver_connection
from app.db.rows import T
from app.db.tenants import Tenant
from app.resources import Resources

bearer_scheme = HTTPBearer(auto_error=False, description="The operator key, or a tenant's key `mlc_…`.")

TenantId = Annotated[UUID, Path(description="The tenant.")]
ObjectId = Annotated[UUID, Path(alias="id", description="The object.")]


def get_resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


class Access:
    """A caller inside one tenant: what it may see there is everything under `tenant_id`, and nothing else."""

    def __init__(self, request: Request, tenant_id: UUID, keys: TenantKeys) -> None:
        self.request = request
        self.resources = get_resources(request)
        self.caller: Caller = request.state.caller
        self.tenant_id = tenant_id
        self.keys = keys
        self.claim: Claim | None = None

    @asynccontextmanager
    async def work(self) -> AsyncIterator["Work"]:
        """One transaction under the tenant; commits at the end of the block. No vendor is called inside."""
        async with self.resources.database.session(self.tenant_id) as db:
            yield Work(self, db)

    def cursors(self, *scope: object) -> Cursors:
        """Cursors of one list of this tenant, with the filters that were asked for."""
        return Cursors(self.keys.digest(b"cursor"), self.tenant_id, *scope)


class Work:
    """A transaction of one request."""

    def __init__(self, access: Access, db: AsyncSession) -> None:
        self.access = access
        self.db = db
        self.tenant_id = access.tenant_id

    async def get(self, table: type[T], row_id: UUID, *, lock: bool = False) -> T:
        """A row of this tenant. Raises NotFound, also for what belongs to others."""
        row = await rows.find(self.db, table, self.tenant_id, row_id, lock=lock)
        if row is None:
            raise NotFound
        return row

    async def get_versioned(self, table: type[T], row_id: UUID) -> T:
        """A locked row whose version is the one that If-Match names, if it names any. Raises PreconditionFailed."""
        row = await self.get(table, row_id, lock=True)
        check_version(self.access.request.headers, row.version)  # type: ignore[attr-defined]  # connection, mapping, sync
        return row

    async def tenant(self, *, lock: bool = False) -> Tenant:
        statement = select(Tenant).where(col(Tenant.id) == self.tenant_id)
        found = (await self.db.exec(statement.with_for_update() if lock else statement)).one_or_none()
        if found is None:
            raise NotFound
        return found

    async def audit(
        self,
        action: str,
        object_id: UUID | None = None,
        *,
        sync_id: UUID | None = None,
        run_id: UUID | None = None,
        code: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """The one event of this change; `detail` holds neither secrets nor personal data."""
        await self.db.flush()
        event = audit.Event(
            action, self.access.caller.actor, object_id, sync_id, run_id, code=code, detail=detail or None
        )
        await audit.append(await driver_connection(self.db), self.tenant_id, [event])

    async def answer(
        self, model: BaseModel, status: int = 200, *, version: int | None = None, location: str | None = None
    ) -> Response:
        """The answer, kept under the caller's Idempotency-Key in this very transaction."""
        response = answer(model, status, version=version, location=location)
        await self.keep(response)
        return response

    async def done(self) -> Response:
        """204, kept likewise."""
        response = no_content()
        await self.keep(response)
        return response

    async def keep(self, response: Response) -> None:
        if self.access.claim is not None:
            await self.db.flush()
            await self.access.claim.keep(self.db, self.access.keys, response)


async def enter(request: Request, tenant_id: UUID, needed: Role) -> Access:
    """Raises NotFound for tenants that are none of the caller's business, Forbidden when its role is too low."""
    caller: Caller = request.state.caller
    if caller.tenant_id not in (None, tenant_id):
        raise NotFound
    keys = caller.keys or await tenant_keys(get_resources(request), tenant_id)
    if caller.role < needed:
        raise Forbidden
    request.state.tenant_id = tenant_id
    return Access(request, tenant_id, keys)


async def tenant_keys(resources: Resources, tenant_id: UUID) -> TenantKeys:
    """Raises NotFound when there is no such tenant, or its key is destroyed already."""
    async with resources.database.session(tenant_id) as db:
        tenant = (await db.exec(select(Tenant).where(col(Tenant.id) == tenant_id))).one_or_none()
    if tenant is None or not tenant.data_key:
        raise NotFound
    try:
        return resources.vault.tenant(tenant_id, tenant.data_key, tenant.data_key_id)
    except CannotOpen:
        raise NotFound from None


def access(needed: Role) -> Callable[..., Awaitable[Access]]:
    async def admitted(request: Request, tenant_id: TenantId) -> Access:
        return await enter(request, tenant_id, needed)

    return admitted


def creating(needed: Role) -> Callable[..., AsyncIterator[Access]]:
    """As access(), under the caller's Idempotency-Key if it sent one."""

    async def admitted(
        request: Request, tenant_id: TenantId, idempotency_key: KeyHeader = None
    ) -> AsyncIterator[Access]:
        entered = await enter(request, tenant_id, needed)

        async def keys_of(_location: str | None) -> TenantKeys:
            return entered.keys

        async with claimed(entered.resources.database, tenant_id, keys_of, request, idempotency_key) as claim:
            entered.claim = claim
            yield entered

    return admitted


def for_operator(request: Request) -> Caller:
    """Raises Forbidden for every tenant's key."""
    caller: Caller = request.state.caller
    if not caller.is_operator:
        raise Forbidden("Only the operator key allows this.", code="operator_only")
    return caller


Viewing = Annotated[Access, Depends(access(Role.viewer))]
Operating = Annotated[Access, Depends(access(Role.operator))]
Administering = Annotated[Access, Depends(access(Role.admin))]
OperatorCreating = Annotated[Access, Depends(creating(Role.operator), scope="function")]
AdminCreating = Annotated[Access, Depends(creating(Role.admin), scope="function")]
OnlyOperator = Annotated[Caller, Depends(for_operator)]
ResourcesDep = Annotated[Resources, Depends(get_resources)]
