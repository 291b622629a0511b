"""Where Mailchimp and Mandrill deliver. The gate has found the path; here a delivery is stored, then answered."""

import time
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.problems import BadRequest, NotFound
from app.telemetry.metrics import WEBHOOKS
from app.webhooks.desk import Desk, PathChanged
from app.webhooks.paths import MAILCHIMP, MANDRILL, LivePath, find
from app.webhooks.receiving import NotAuthentic, receive

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/hooks", tags=["hooks"])

_FORM = {
    "requestBody": {
        "required": True,
        "content": {"application/x-www-form-urlencoded": {"schema": {"type": "object", "additionalProperties": True}}},
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Stored; or nothing to store", "content": {}},
    400: {"description": "The signature is missing or wrong"},
    404: {"description": "No such path"},
    413: {"description": "Larger than any delivery"},
    429: {"description": "Too many deliveries at once; nothing was stored"},
}
_CHECKED: dict[int | str, dict[str, Any]] = {name: _ANSWERS[name] for name in (200, 404)}


@router.get("/mailchimp/{secret}", responses=_CHECKED, response_class=Response, summary="Mailchimp checks the address")
async def check_mailchimp(request: Request, secret: str) -> Response:
    return _looked(request)


@router.head("/mailchimp/{secret}", include_in_schema=False)
async def look_at_mailchimp(request: Request, secret: str) -> Response:
    return _looked(request)


@router.head("/mandrill/{secret}", responses=_CHECKED, response_class=Response, summary="Mandrill checks the address")
async def check_mandrill(request: Request, secret: str) -> Response:
    return _looked(request)


def _looked(request: Request) -> Response:
    if request.state.hook is None:
        raise NotFound
    return Response()


@router.post(
    "/mailchimp/{secret}",
    responses=_ANSWERS,
    response_class=Response,
    openapi_extra=_FORM,
    summary="An event of an audience, or a finished batch",
)
async def from_mailchimp(request: Request, secret: str) -> Response:
    """Signed with `X-Mailchimp-Signature` when the registration has a signing secret."""
    return await _stored(request, MAILCHIMP, secret, request.headers.get("x-mailchimp-signature"))


@router.post(
    "/mandrill/{secret}",
    responses=_ANSWERS,
    response_class=Response,
    openapi_extra=_FORM,
    summary="Events of transactional mail",
)
async def from_mandrill(request: Request, secret: str) -> Response:
    """Signed with `X-Mandrill-Signature`."""
    return await _stored(request, MANDRILL, secret, request.headers.get("x-mandrill-signature"))


async def _stored(request: Request, vendor: str, secret: str, signature: str | None) -> Response:
    path: LivePath = request.state.hook
    try:
        await _received(request, path, signature)
    except (PathChanged, NotAuthentic):  # the gate may have known it from before it ended, or got another key
        path = await _found(request, vendor, secret)
        try:
            await _received(request, path, signature)
        except NotAuthentic:
            WEBHOOKS.labels(path.place.kind, "refused").inc()
            raise BadRequest("The signature of this delivery is missing or wrong.", code="bad_signature") from None
    return Response()


async def _received(request: Request, path: LivePath, signature: str | None) -> None:
    content_type, body = request.headers.get("content-type", ""), await request.body()
    desk: Desk = request.app.state.desk
    await receive(desk, path, content_type=content_type, signature=signature, body=body, now=time.time())


async def _found(request: Request, vendor: str, secret: str) -> LivePath:
    state = request.app.state
    path = await find(state.desk, state.resources.vault, vendor, secret)
    if path is None:
        raise NotFound
    state.known_paths.add(vendor, secret, path, time.monotonic())
    return path
