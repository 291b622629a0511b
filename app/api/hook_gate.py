"""Who may deliver: a webhook's secret path is looked up, and its rate counted, before the body is read."""

import math
import re
from time import monotonic

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.admission import refusal
from app.api.problems import NotFound, TooManyRequests
from app.api.rate_limits import LocalBuckets
from app.resources import Resources
from app.webhooks.paths import MANDRILL, KnownPaths, LivePath, find

_PATH = re.compile(r"/hooks/(mailchimp|mandrill)/([^/]*)", re.DOTALL)
_MAILCHIMP_BYTES = 256 * 1024  # one event
_MANDRILL_BYTES = 8 * 1024 * 1024  # up to a thousand; refusing a delivery would hold up all that follow
_BURST_SECONDS = 4


class HookGate:
    """Guards `/hooks`: 404 for every path that is not alive; 429 above the rate of one path.

    The path goes into the request's state as a LivePath, and nowhere else: not into logs, not into labels. Who only
    looks (GET, HEAD) is answered further in, so that a wrong path takes the same way, and time, as a right one.
    """

    def __init__(self, app: ASGIApp, per_second: int) -> None:
        self.app = app
        self._buckets = LocalBuckets(per_second, per_second * _BURST_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if match is None:
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["route"] = f"/hooks/{match[1]}/{{secret}}"
        try:
            path = await self._admit(scope, match[1], match[2])
            if path is None and scope["method"] not in ("GET", "HEAD"):
                raise NotFound
        except Exception as error:  # the edge of the application: exception handlers are further in
            await refusal(error)(scope, receive, send)
            return
        state["hook"] = path
        if path is not None:
            state["tenant_id"] = path.place.tenant_id
            state["most_bytes"] = _MANDRILL_BYTES if match[1] == MANDRILL else _MAILCHIMP_BYTES
            structlog.contextvars.bind_contextvars(webhook_id=str(path.place.webhook_id))
        await self.app(scope, receive, send)

    async def _admit(self, scope: Scope, vendor: str, segment: str) -> LivePath | None:
        app: FastAPI = scope["app"]
        resources: Resources = app.state.resources
        known: KnownPaths = app.state.known_paths
        path = known.get(vendor, segment, monotonic()) if scope["method"] == "POST" else None
        if path is None:
            path = await find(app.state.desk, resources.vault, vendor, segment)
            if path is None:
                return None
            known.add(vendor, segment, path, monotonic())
        wait = self._buckets.wait_seconds(path.place.key_id, monotonic())
        if wait:
            raise TooManyRequests(headers={"Retry-After": str(math.ceil(wait))})
        return path
