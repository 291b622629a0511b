"""API keys: shown once, kept as keyed hashes, revoked rather than deleted."""

from fastapi import APIRouter
from fastapi.responses import Response
from sqlmodel import col

from app.api.answers import answer, no_content
from app.api.auth import new_key
from app.api.deps import AdminCreating, Administering, ObjectId, Viewing
from app.api.paging import Page, PagingQuery, newest
from app.api.problems import Invalid, NotFound
from app.api.schemas.tenants import ApiKeyCreate, ApiKeyCreated, ApiKeyPublic
from app.db import rows
from app.db.base import now
from app.db.tenants import ApiKey

router = APIRouter(prefix="/v1/tenants/{tenant_id}/api-keys", tags=["api keys"])


def _public(key: ApiKey) -> ApiKeyPublic:
    return ApiKeyPublic.model_validate({**key.model_dump(include=_SHOWN), "prefix": f"mlc_{key.key_id}"})


_SHOWN = {"id", "name", "role", "expires_at", "last_used_at", "created_at"}


@router.post("", status_code=201, response_model=ApiKeyCreated, summary="Create an API key")
async def create_key(access: AdminCreating, body: ApiKeyCreate) -> Response:
    """The answer is the only place where the key is ever shown."""
    if body.expires_at is not None and body.expires_at <= now():
        raise Invalid.at("/expires_at", "Must lie in the future.")
    key_id, secret, shown = new_key()
    row = ApiKey(
        tenant_id=access.tenant_id,
        name=body.name,
        role=body.role,
        key_id=key_id,
        secret_hash=access.keys.secret_hash(secret),
        expires_at=body.expires_at,
    )
    async with access.work() as work:
        work.db.add(row)
        await work.audit("api_key.created", row.id, detail={"role": row.role, "prefix": f"mlc_{key_id}"})
        made = ApiKeyCreated(**_public(row).model_dump(), key=shown)
        return await work.answer(made, 201, location=f"/v1/tenants/{access.tenant_id}/api-keys/{row.id}")


@router.get("", response_model=Page[ApiKeyPublic], summary="List API keys")
async def list_keys(access: Viewing, paging: PagingQuery) -> Response:
    """Those that are not revoked, newest first."""
    cursors = access.cursors("api-keys")
    async with access.work() as work:
        found = await rows.newest(
            work.db,
            ApiKey,
            access.tenant_id,
            col(ApiKey.revoked_at).is_(None),
            limit=paging.limit + 1,
            before=newest(cursors.read(paging.cursor)),
        )
    return answer(paging.page(found, _public, lambda row: cursors.write(row.created_at, row.id)))


@router.delete("/{id}", status_code=204, summary="Revoke an API key")
async def revoke_key(access: Administering, key_id: ObjectId) -> Response:
    """At once: the next request with it is answered 401."""
    async with access.work() as work:
        row = await work.get(ApiKey, key_id, lock=True)
        if row.revoked_at is not None:
            raise NotFound
        row.revoked_at = now()
        await work.audit("api_key.revoked", row.id)
    return no_content()
