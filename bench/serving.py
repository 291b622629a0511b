"""Raw ASGI for the two stand-ins: as little work per request as Python allows, and statistics of what came in."""

import asyncio
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import msgspec
import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = (b"content-type", b"application/json; charset=utf-8")
GZIP = (b"content-encoding", b"gzip")


class Answer(NamedTuple):
    """What is sent back, `seconds` after the request arrived."""

    body: bytes
    seconds: float = 0.0
    status: int = 200
    gzipped: bool = False


class Request(NamedTuple):
    """A request with its body, read whole."""

    method: str
    path: str
    query: str
    body: bytes
    takes_gzip: bool


class Traffic:
    """What came in, for the benchmark to check: a fast run that did the wrong thing must not count."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0

    def seen(self) -> dict[str, Any]:
        return {
            "requests": dict(self.requests),
            "unexpected": self.unexpected[:20],
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
        }


class StandIn(ABC):
    """An ASGI application. Latency counts from arrival, so that the stand-in's own work is inside it."""

    def __init__(self) -> None:
        self.traffic = Traffic()

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """The answer of the vendor; must not wait."""

    def statistics(self) -> dict[str, Any]:
        """The body of GET /stats."""
        return self.traffic.seen()

    def done(self, request: Request) -> None:  # noqa: B027 - most have nothing to do
        """The answer is about to be sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arrived = time.monotonic()
        if scope["path"] == "/stats":
            await _send(send, Answer(msgspec.json.encode(self.statistics())))
            return
        traffic = self.traffic
        traffic.in_flight += 1
        traffic.most_in_flight = max(traffic.most_in_flight, traffic.in_flight)
        try:
            request = await _read(scope, receive)
            answer = self.answer(request)
            left = arrived + answer.seconds - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
            self.done(request)
        finally:
            traffic.in_flight -= 1
        await _send(send, answer)

    def refuse(self, what: str) -> None:
        """Note a request no stand-in was made for; the run that sent it does not count."""
        self.traffic.unexpected.append(what[:300])


async def _read(scope: Scope, receive: Receive) -> Request:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    gzip = any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
    return Request(scope["method"], scope["path"], scope["query_string"].decode(), b"".join(parts), gzip)


async def _send(send: Send, answer: Answer) -> None:
    headers = [JSON, (b"content-length", b"%d" % len(answer.body))]
    if answer.gzipped:
        headers.append(GZIP)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def serve(app: StandIn, name: str) -> None:
    """Serve until SIGTERM; the first line on standard output is `{"name": ..., "url": ...}`."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    listening.listen(256)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    sys.stdout.write(msgspec.json.encode({"name": name, "url": url}).decode() + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[listening])
