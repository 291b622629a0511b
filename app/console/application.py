"""The console becomes part of the API's process."""

from collections.abc import Iterable

import httpx
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.console import (
    alert_channels,
    alerts,
    audit,
    connections,
    consent,
    dead_letters,
    keys,
    mappings,
    overview,
    records,
    runs,
    setting_up,
    setting_up_sync,
    signing_in,
    syncs,
    webhooks,
)
from app.console.calling import open_client
from app.console.desk import ROOT
from app.console.guarding import HEADERS
from app.console.routing import alone, guarded
from app.console.sessions import Sessions, Tries
from app.console.templating import ASSETS, FOLDER
from app.resources import Resources

_NOUNS = (
    signing_in.pages,
    overview.everywhere,
    overview.pages,
    setting_up.pages,
    setting_up_sync.pages,
    connections.pages,
    mappings.pages,
    syncs.pages,
    runs.pages,
    records.pages,
    dead_letters.pages,
    consent.pages,
    webhooks.pages,
    alerts.pages,
    alert_channels.pages,
    audit.pages,
    keys.pages,
)
_FOR_EVER = "public, max-age=31536000, immutable"


class Console:
    """What its pages work with."""

    def __init__(self, app: FastAPI, resources: Resources) -> None:
        self.client: httpx.AsyncClient = open_client(app)
        self.sessions = Sessions(resources.redis)
        self.tries = Tries(resources.redis)
        self.operator_key = resources.settings.operator_key.get_secret_value()
        self.public_url = resources.settings.public_url
        self.is_secure = self.public_url.startswith("https://")


class Assets(StaticFiles):
    """Their address holds their content's hash."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update({**HEADERS, "Cache-Control": _FOR_EVER})
        return response


def add_console(app: FastAPI) -> None:
    """Add every page. They expect a Console in the application's state."""
    app.router.routes.extend(_routes())


def _routes() -> Iterable[BaseRoute]:
    yield Route("/", guarded(_to_console, "/"), methods=["GET"])
    yield Route(ROOT, guarded(_to_console, ROOT), methods=["GET"])
    yield Mount(ASSETS, Assets(directory=FOLDER))
    yield from signing_in.routes
    for noun in _NOUNS:
        yield from noun.routes
    yield Route(ROOT + "/{rest:path}", guarded(_nowhere, f"{ROOT}/…"), methods=["GET"])


async def _to_console(_request: Request) -> Response:
    return RedirectResponse(f"{ROOT}/", 303)


async def _nowhere(_request: Request) -> Response:
    return alone("Not found", "There is no such page.", 404)
