"""A webhook receiver over real HTTP. It verifies each signature by its own reading of the specification."""

import asyncio
import base64
import hashlib
import hmac
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.fixtures.site import served


@dataclass
class Delivery:
    id: str
    body: bytes
    signatures: list[str]
    timestamp: str

    @property
    def message(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body, type=dict[str, Any])

    def proven_by(self, secret: str) -> bool:
        """Whether any signature is made with this secret, not longer ago than five minutes."""
        key = base64.b64decode(secret.split("_", 1)[1])
        signed = b".".join((self.id.encode(), self.timestamp.encode(), self.body))
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return wanted in self.signatures and abs(time.time() - int(self.timestamp)) < 300


@dataclass
class Receiver:
    """`statuses` are answered first, one each, then 200; `before_answer` runs when a message was read."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    delay_seconds: float = 0
    before_answer: Callable[[], None] = lambda: None

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each.message["type"], each.message["data"].get("state", "")) for each in self.deliveries]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        given = {name.decode(): value.decode() for name, value in scope["headers"]}
        assert scope["method"] == "POST"
        assert given["content-type"] == "application/json"
        self.deliveries.append(
            Delivery(given["webhook-id"], body, given["webhook-signature"].split(" "), given["webhook-timestamp"])
        )
        self.before_answer()
        await asyncio.sleep(self.delay_seconds)
        status = self.statuses.pop(0) if self.statuses else 200
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"a body nobody reads " * 100_000})


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    receiver.url = f"http://127.0.0.1:{sock.getsockname()[1]}/hook"
    async with served(receiver, sock):
        yield receiver
