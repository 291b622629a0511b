"""The application without its surroundings: routers, problem documents, and what openapi.json says."""

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api import (
    alert_channels,
    alerts,
    api_keys,
    audiences,
    audit,
    audit_exports,
    callers,
    connections,
    consent,
    dead_letters,
    erasures,
    health,
    hooks,
    mappings,
    oauth,
    previewing,
    records,
    run_pace,
    runs,
    syncs,
    tenants,
    webhook_events,
    webhooks,
)
from app.api.deps import bearer_scheme
from app.api.describing import describe
from app.api.idempotency import Replayed
from app.api.problems import handle_problems

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_GUARDED = (
    callers.router,
    tenants.router,
    api_keys.router,
    connections.router,
    oauth.router,
    audiences.router,
    mappings.streams_router,
    mappings.router,
    previewing.router,
    syncs.router,
    runs.sync_router,
    runs.router,
    run_pace.router,
    records.router,
    dead_letters.router,
    audit.router,
    audit_exports.router,
    webhooks.router,
    webhook_events.router,
    consent.router,
    erasures.router,
    alert_channels.router,
    alerts.router,
)


def assemble(lifespan: Lifespan | None = None) -> FastAPI:
    """Every route of the API; who calls it adds resources and the outer layers."""
    app = FastAPI(
        title="ml-connector",
        version=version("ml-connector"),
        summary="Keeps a company's Mailchimp audience true to its Sage X3.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        **_telemetry(),
    )
    app.include_router(hooks.router)  # first: routes are tried in turn, and these are called the most
    for router in _GUARDED:
        app.include_router(router, dependencies=[Depends(bearer_scheme)])
    app.include_router(oauth.public)
    app.include_router(health.router)
    handle_problems(app)
    app.add_exception_handler(Replayed, _replayed)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's own way to change the document
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _telemetry() -> dict[str, Any]:
    """Newer FastAPI records validation errors, with what was sent; ours must not."""
    known = "telemetry" in inspect.signature(FastAPI.__init__).parameters
    return {"telemetry": {"logs": False, "operation_spans": False, "auto_configure": False}} if known else {}


async def _replayed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Replayed)  # noqa: S101 - registered for this class
    return error.response
