"""The outermost layer: every request gets an id, a log line, a count, and an answer whatever happens inside."""

import re
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import Problem, respond
from app.telemetry.metrics import REQUEST_SECONDS, REQUESTS
from app.telemetry.tracing import SILENT, Noted, span

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UNROUTED = "(none)"
_QUIET_ROUTES = (  # their successes are counted, not written: probes say nothing, deliveries are in the database
    "/healthz",
    "/readyz",
    "/metrics",
    "/hooks/mailchimp/{secret}",
    "/hooks/mandrill/{secret}",
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class Edge:
    """Pure ASGI: bodies and streams pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        exchange = _Exchange(scope, send, request_id)
        with _spanned(scope) as noted:
            try:
                await self.app(scope, receive, exchange.send)
            except Exception as error:  # the edge: nothing may leave without an answer
                log.exception("request.failed", error=type(error).__name__)
                if not exchange.status:
                    await respond(Problem())(scope, receive, exchange.send)
            finally:
                exchange.note(noted)


class _Exchange:
    """One request and what was answered."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.scope = scope
        self.status = 0
        self._send = send
        self._request_id = request_id
        self._started = monotonic()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if self.scope["path"].startswith("/v1"):
                headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    def note(self, noted: Noted) -> None:
        """One line, one count and one span per request, by route template: paths may hold secrets."""
        route = _template(self.scope)
        seconds = monotonic() - self._started
        method = self.scope["method"] if self.scope["method"] in _METHODS else "OTHER"
        noted.rename(f"{method} {route}")
        noted.note(http__request__method=method, http__route=route, http__response__status_code=self.status or 499)
        noted.note(mlc__request_id=self._request_id)
        if self.status >= 500:
            noted.fail(str(self.status))
        REQUESTS.labels(method, route, self.status or 499).inc()
        REQUEST_SECONDS.labels(method, route).observe(seconds)
        if route in _QUIET_ROUTES and self.status < 400:
            return
        state = self.scope.get("state", {})
        log.info(
            "request.finished",
            method=method,
            route=route,
            status=self.status or 499,
            seconds=round(seconds, 4),
            caller=getattr(state.get("caller"), "actor", None),
            tenant_id=str(state["tenant_id"]) if "tenant_id" in state else None,
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _spanned(scope: Scope) -> AbstractContextManager[Noted]:
    """The request's span; what is asked every few seconds has none."""
    if scope["path"] in _QUIET_ROUTES:
        return nullcontext(SILENT)
    return span("request", "server", Headers(scope=scope).get("traceparent"))


def _template(scope: Scope) -> str:
    found = getattr(scope.get("route"), "path", None) or scope.get("state", {}).get("route")
    return found or _UNROUTED


def _request_id(given: str | None) -> str:
    """The caller's own id when it is harmless, else a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else uuid4().hex
