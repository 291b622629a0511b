"""Signing in at a vendor: begun with a key, finished by a browser or a server that has none."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.answers import answer
from app.api.callback_fields import callback_fields
from app.api.callback_limits import CallbackLimits
from app.api.callback_pages import page, told_to_wait
from app.api.deps import Administering, ObjectId, ResourcesDep
from app.api.problems import BadRequest, TooManyRequests
from app.api.schemas.oauth import AuthorizationPublic, SignInPublic
from app.connections.answering import answer as answered
from app.connections.authorizing import PATHS, begin
from app.connections.signing_in import Outcome
from app.db import oauth_states
from app.db.connections import Connection
from app.db.engine import driver_connection

router = APIRouter(prefix="/v1/tenants/{tenant_id}/connections", tags=["connections"])
public = APIRouter(tags=["sign-in"])

PATIENCE_SECONDS = {"GET": 25.0, "POST": 8.0}  # of a person at a browser; of a vendor's server
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ENDS: dict[int | str, dict[str, Any]] = {
    202: {"model": SignInPublic, "description": "The vendor is not ready; the sign-in is completed by itself"},
    400: {
        "description": "Not an answer to a sign-in under way: unknown, used, expired or unreadable",
        "content": _PROBLEM,
    },
    403: {"description": "The sign-in was declined at the vendor", "content": _PROBLEM},
    409: {"description": "The vendor or the connection does not allow it", "content": _PROBLEM},
    429: {
        "description": "Too many callbacks from this address, or with this state; see Retry-After",
        "content": _PROBLEM,
    },
}
_FIELDS = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("state", "authorizationCode", "endpoint", "error")},
}
_SAGE = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
        for name in ("state", "authorizationCode", "code", "endpoint", "error")
    ],
}
_SAGE_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            media: {"schema": _FIELDS}
            for media in ("application/x-www-form-urlencoded", "application/json", "multipart/form-data")
        },
    },
}
_MAILCHIMP = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
        for name in ("state", "code", "error")
    ],
}


@router.post("/{id}/authorize", response_model=AuthorizationPublic, summary="Begin a sign-in at the vendor")
async def authorize_connection(access: Administering, connection_id: ObjectId) -> Response:
    """For OAuth connections. The tokens in use stay until the sign-in succeeds."""
    settings = access.resources.settings
    async with access.work() as work:
        row = await work.get(Connection, connection_id, lock=True)
        begun = begin(
            access.keys,
            row,
            public_url=settings.public_url,
            actor=access.caller.actor,
            api_key_id=access.caller.key_id,
            approval=timedelta(hours=settings.x3_approval_hours),
        )
        work.db.add(begun.row)
        await work.audit("connection.authorization_started", row.id)
        await oauth_states.thin_out(await driver_connection(work.db), row.tenant_id, row.id)
    return answer(AuthorizationPublic(authorize_url=begun.authorize_url, expires_at=begun.row.expires_at))


@public.get(
    PATHS["sage_x3"],
    response_model=SignInPublic,
    responses=_ENDS,
    openapi_extra=_SAGE,
    summary="Where Sage's gateway sends the browser back to",
)
async def sage_x3_returned(request: Request, resources: ResourcesDep) -> Response:
    """Public: the single-use `state` is all that counts. Answers a page or JSON, as Accept prefers."""
    return await _returned(request, resources, "sage_x3")


@public.post(
    PATHS["sage_x3"],
    response_model=SignInPublic,
    responses=_ENDS,
    openapi_extra=_SAGE | _SAGE_BODY,
    summary="Where Sage's gateway posts its approval",
)
async def sage_x3_approved(request: Request, resources: ResourcesDep) -> Response:
    """As GET; the fields may come as query, form or JSON."""
    return await _returned(request, resources, "sage_x3")


@public.get(
    PATHS["mailchimp"],
    response_model=SignInPublic,
    responses=_ENDS,
    openapi_extra=_MAILCHIMP,
    summary="Where Mailchimp sends the browser back to",
)
async def mailchimp_returned(request: Request, resources: ResourcesDep) -> Response:
    """Public: the single-use `state` is all that counts. Answers a page or JSON, as Accept prefers."""
    return await _returned(request, resources, "mailchimp")


async def _returned(request: Request, resources: ResourcesDep, system: str) -> Response:
    limits: CallbackLimits = request.app.state.callback_limits
    try:
        await limits.count_source(request)
        fields = await callback_fields(request)
        await limits.count_state(fields.get("state", ""))
    except BadRequest as problem:
        return page(request, Outcome("incomplete", problem.detail))
    except TooManyRequests as problem:
        return told_to_wait(request, problem)
    patience = PATIENCE_SECONDS[request.method]
    return page(request, await answered(resources.opener, system, fields, patience=patience))
