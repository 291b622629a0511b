"""Who may come in: the key is checked and counted before the body is read."""

import math

import structlog
from fastapi import FastAPI
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.auth import Caller, bearer, identify
from app.api.problems import TooManyRequests, problem_of, respond
from app.resources import Resources

_OPEN = frozenset({"/v1/version"})


class Admission:
    """Guards `/v1`: 401 without a good key, 429 when the key is used too often. Puts the Caller into the state."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_guarded(scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            caller = await self._admit(scope)
        except Exception as error:  # the edge of the application: exception handlers are further in
            await refusal(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        structlog.contextvars.bind_contextvars(caller=caller.actor)
        await self.app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Caller:
        app: FastAPI = scope["app"]
        resources: Resources = app.state.resources
        key = bearer(Headers(scope=scope).get("authorization"))
        operator_key = resources.settings.operator_key.get_secret_value()
        caller = await identify(key, operator_key, resources.database, resources.vault)
        wait = await app.state.rate_limits.wait_seconds(caller.actor)
        if wait:
            raise TooManyRequests(headers={"Retry-After": str(math.ceil(wait))})
        return caller


def _is_guarded(path: str) -> bool:
    return path.startswith("/v1/") and path not in _OPEN


def refusal(error: Exception) -> Response:
    """The answer to a request that is turned away before its body is read."""
    problem = problem_of(error)
    if problem is None:
        raise error
    problem.headers.setdefault("Connection", "close")
    return respond(problem)
