"""The API as the pages call it: in this process, with the key of whoever signed in."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_BASE = "http://console.internal"
_ALL = 200  # the most a list gives at once
_KEPT = ("type", "asgi", "http_version", "scheme", "server", "client", "extensions")


class Fault(NamedTuple):
    """One thing that is wrong with what was sent; `pointer` says where in the body."""

    pointer: str
    detail: str


class Refused(Exception):
    """The API said no. `detail` is its sentence."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: str | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code", "error"))
        self.detail = str(problem.get("detail", "Something went wrong."))
        self.faults = [Fault(str(e.get("pointer", "")), str(e.get("detail", ""))) for e in problem.get("errors", ())]
        self.retry_after = retry_after
        super().__init__(self.detail)


class Inside:
    """The application as the console enters it: what it starts is marked as started here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"trigger": "console"}
        await self._app(scope, receive, send)


def open_client(app: ASGIApp) -> httpx.AsyncClient:
    """No socket is opened: requests go straight into the application, through its outermost layer."""
    transport = httpx.ASGITransport(Inside(app), raise_app_exceptions=False)
    return httpx.AsyncClient(
        transport=transport, base_url=_BASE, trust_env=False, timeout=120
    )  # not that it counts here


class Api:
    """One caller of the API."""

    def __init__(self, client: httpx.AsyncClient, key: str, request_id: str = "") -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}", **({"X-Request-Id": request_id} if request_id else {})}

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET; query values that are None or empty are left out. Raises Refused."""
        return await self._call("GET", path, params={k: v for k, v in query.items() if v not in (None, "")})

    async def all(self, path: str, most: int = 1000, **query: Any) -> list[dict[str, Any]]:
        """The items of a whole list, `most` at most. Raises Refused."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while len(found) < most:
            page = await self.get(path, **{"limit": min(most, _ALL), "cursor": cursor, **query})
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return found[:most]

    async def post(self, path: str, body: Any = None, *, once: str = "") -> Any:
        """`once` marks the form that was sent: sent twice with the same content, it takes effect once."""
        headers = {}
        if once:
            content = httpx.Request("POST", _BASE, json=body).content
            headers["Idempotency-Key"] = hashlib.sha256(once.encode() + content).hexdigest()
        return await self._call("POST", path, body, headers=headers)

    async def put(self, path: str, body: Any) -> Any:
        return await self._call("PUT", path, body)

    async def patch(self, path: str, body: Any) -> Any:
        return await self._call("PATCH", path, body)

    async def delete(self, path: str) -> None:
        await self._call("DELETE", path)

    async def _call(self, method: str, path: str, body: Any = None, **given: Any) -> Any:
        given["headers"] = {**self._headers, **given.get("headers", {})}
        if body is not None:
            given["json"] = body
        # A task of its own: what the API binds for its log lines must not spill into those of the page.
        answer = await asyncio.create_task(self._client.request(method, path, **given))
        if answer.is_success:
            return answer.json() if answer.content else None
        raise Refused(answer.status_code, _problem(answer), answer.headers.get("retry-after"))


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    if answer.headers.get("content-type", "").endswith("json"):
        found: Mapping[str, Any] = answer.json()
        return found
    return {}


class Passage(Response):
    """Hands the exchange over to a GET of the API, whose answer goes out as it comes: event streams and exports."""

    def __init__(
        self, app: ASGIApp, path: str, key: str, request_id: str, extra: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__()
        self._app = app
        self._path, _, self._query = path.partition("?")
        self._extra = [(name.lower().encode(), value.encode()) for name, value in extra]
        self._sent = [(b"authorization", f"Bearer {key}".encode()), (b"x-request-id", request_id.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner: Scope = {name: scope[name] for name in _KEPT if name in scope}
        inner["path"], inner["raw_path"], inner["root_path"] = self._path, self._path.encode(), ""
        inner["method"], inner["query_string"], inner["headers"] = "GET", self._query.encode(), self._sent

        async def passed(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *self._extra]}
            await send(message)

        await asyncio.create_task(self._run(inner, receive, passed))

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Inside(self._app)(scope, receive, send)
