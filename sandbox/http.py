"""The little HTTP both servers share: a request read whole, an answer, and the ASGI application between them."""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx
import msgspec

from sandbox.faults import Fault, Faults

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

COMPRESS_FROM_BYTES = 1_400


class Request:
    """One request, body included. `fault` is the fault a handler has to act out itself, when there is one."""

    __slots__ = ("arrived", "body", "fault", "headers", "host", "method", "path", "query", "scheme")

    def __init__(self, scope: Scope, body: bytes, arrived: float) -> None:
        self.method: str = scope["method"]
        raw = scope.get("raw_path")
        self.path = unquote(raw.partition(b"?")[0].decode("latin-1")) if raw else scope["path"]
        self.query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.scheme: str = scope.get("scheme", "http")
        self.host = self.headers.get(b"host", b"localhost").decode("latin-1")
        self.body = body
        self.arrived = arrived
        self.fault: Fault | None = None

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    def params(self) -> dict[str, str]:
        return dict(self.query)


class Answer(msgspec.Struct):
    """What goes back; `delay_seconds` is how long after its arrival a request is answered at the earliest."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    delay_seconds: float = 0.0


Handle = Callable[[Request], Awaitable[Answer]]
"""Turns a request into an answer; knows nothing of time, faults or compression."""


def json_answer(status: int, value: object, *, content_type: str = "application/json; charset=utf-8") -> Answer:
    """An answer whose body is `value` as JSON."""
    return Answer(status, msgspec.json.encode(value), content_type)


class SandboxApp:
    """An ASGI application: control endpoints under `/_sandbox`, the vendor's under everything else.

    `in_process` says that the client is in this process (httpx.ASGITransport), where a connection cannot be cut or
    left hanging; the matching httpx error is raised instead.
    """

    def __init__(self, vendor: Handle, control: Handle, faults: Faults, *, in_process: bool = True) -> None:
        self.vendor = vendor
        self.control = control
        self.faults = faults
        self.in_process = in_process
        self.date: Callable[[], bytes] | None = None
        self.enter: Callable[[Request], Answer | None] | None = None
        self.leave: Callable[[Request], None] | None = None
        self.on_shutdown: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        arrived = time.monotonic()
        request = Request(scope, await _body(receive), arrived)
        if request.path.startswith("/_sandbox"):
            await self._send(request, await self.control(request), send)
            return
        refused = self.enter(request) if self.enter is not None else None
        try:
            if refused is not None:
                await self._send(request, refused, send)
            else:
                await self._serve(request, receive, send)
        finally:
            if self.leave is not None:
                self.leave(request)

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        fault = self.faults.take(request.method, request.path)
        if fault is not None and fault.kind in ("hang", "close"):
            await self._cut(fault, receive, send)
            return
        ready = fault.answer() if fault is not None else None
        if ready is not None:
            status, body, content_type, headers = ready
            await self._send(request, Answer(status, body, content_type, headers), send)
            return
        request.fault = fault
        answer = await self.vendor(request)
        remaining = answer.delay_seconds - (time.monotonic() - request.arrived)
        if remaining > 0:
            await asyncio.sleep(remaining)
        if fault is None:
            await self._send(request, answer, send)
        else:
            await self._send_spoilt(request, answer, fault, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                if self.on_shutdown is not None:
                    await self.on_shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _head(self, answer: Answer, length: int, *, gzipped: bool = False) -> Message:
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(length).encode()),
            *answer.headers,
        ]
        if gzipped:
            headers.append((b"content-encoding", b"gzip"))
        if self.date is not None:
            headers.append((b"date", self.date()))
        return {"type": "http.response.start", "status": answer.status, "headers": headers}

    async def _send(self, request: Request, answer: Answer, send: Send) -> None:
        body = answer.body
        gzipped = len(body) > COMPRESS_FROM_BYTES and b"gzip" in request.headers.get(b"accept-encoding", b"")
        if gzipped:
            body = zlib.compress(body, level=1, wbits=31)
        if answer.status == 204:
            body = b""
        await send(self._head(answer, len(body), gzipped=gzipped))
        await send({"type": "http.response.body", "body": body})

    async def _send_spoilt(self, request: Request, answer: Answer, fault: Fault, receive: Receive, send: Send) -> None:
        """Send what the handler answered, damaged the way the fault says; the request itself has been carried out."""
        if fault.kind == "truncated":
            await self._send(
                request, msgspec.structs.replace(answer, body=answer.body[: len(answer.body) * 2 // 3]), send
            )
        elif fault.kind == "close_mid_body":
            if self.in_process:
                raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
            await send(self._head(answer, len(answer.body) + 1))
            await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        elif fault.kind == "apply_then_timeout":
            await self._cut(fault, receive, send)
        elif fault.kind == "slow_drip":
            await send(self._head(answer, len(answer.body)))
            step = max(1, len(answer.body) // 10)
            for start in range(0, len(answer.body), step):
                await asyncio.sleep(fault.seconds / 10)
                await send({"type": "http.response.body", "body": answer.body[start : start + step], "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        elif fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self._send(request, answer, send)
        else:
            await self._send(request, answer, send)

    async def _cut(self, fault: Fault, receive: Receive, send: Send) -> None:
        """Answer nothing: keep the connection for `seconds` (a hang), then break it off."""
        if self.in_process:
            if fault.kind == "close":
                raise httpx.ReadError("connection closed by the sandbox")
            raise httpx.ReadTimeout("the sandbox does not answer")
        if fault.kind != "close":
            await asyncio.sleep(fault.seconds)
        # The server breaks the connection off when less than the announced body was sent.
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body
