"""Bodies: bounded in size and time, and JSON that means the same to everybody who reads it."""

import asyncio
import json
import math
import re
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import BadRequest, Problem, respond

DEADLINE_SECONDS = 10.0
MOST_DEPTH = 64
MOST_DIGITS = 40
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json", re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class TooLarge(Problem):
    status, code, detail = 413, "body_too_large", "The body is larger than this service takes."


class TooSlow(Problem):
    status, code, detail = 408, "body_too_slow", "The body did not arrive in time."


class WrongType(Problem):
    status, code, detail = 415, "wrong_content_type", "Send JSON in UTF-8 with Content-Type: application/json."


class Bodies:
    """Reads each body whole before anything else looks at it, and refuses what cannot be stored or understood.

    An outer layer may allow another size by `most_bytes` in the request's state."""

    def __init__(self, app: ASGIApp, most_bytes: int, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self.app = app
        self.most_bytes = most_bytes
        self.deadline_seconds = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
            if body and scope["path"].startswith("/v1/"):
                _check_type(Headers(scope=scope).get("content-type", ""))
                check_json(body)
        except Problem as problem:
            problem.headers.setdefault("Connection", "close")
            await respond(problem)(scope, receive, send)
            return
        except _Gone:
            return
        await self.app(scope, _replayed(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        announced = Headers(scope=scope).get("content-length", "0")
        most_bytes: int = scope.get("state", {}).get("most_bytes", self.most_bytes)
        if not announced.isdecimal() or len(announced) > 15 or int(announced) > most_bytes:
            raise TooLarge
        chunks: list[bytes] = []
        total = 0
        try:
            async with asyncio.timeout(self.deadline_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    chunk: bytes = message.get("body", b"")
                    total += len(chunk)
                    if total > most_bytes:
                        raise TooLarge
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError:
            raise TooSlow from None


class _Gone(Exception):
    """The caller hung up."""


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body once, then whatever the server has to say (a disconnect)."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _check_type(content_type: str) -> None:
    media, _, parameters = content_type.partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    if not _JSON_TYPE.fullmatch(media.strip()) or (charset and charset[1].lower() not in ("utf-8", "utf8")):
        raise WrongType


def check_json(body: bytes) -> None:
    """Raises BadRequest for what Python would take and others would not: NaN, repeated names, lone surrogates, NUL,
    endless numbers, bottomless nesting, other encodings than UTF-8."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _refused("not UTF-8") from None
    try:
        value = json.loads(
            text, parse_constant=_constant, parse_int=_integer, parse_float=_decimal, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise _refused(f"not JSON, at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _refused("nested too deeply") from None
    _check_strings(value)


def _refused(why: str) -> BadRequest:
    return BadRequest(f"The body cannot be read: {why}.", code="bad_json")


def _constant(_name: str) -> Any:
    raise _refused("NaN and Infinity are no JSON numbers")


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise _refused("a number is too long")
    return int(digits)


def _decimal(digits: str) -> float:
    if len(digits) > MOST_DIGITS or not math.isfinite(number := float(digits)):
        raise _refused("a number is too long or too large")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _refused("a name appears twice in an object")
    return found


def _check_strings(root: object) -> None:
    """Walks without recursion; every string and name must be something a database and a vendor can hold."""
    level: list[object] = [root]
    for _depth in range(MOST_DEPTH + 1):
        below: list[object] = []
        for value in level:
            if isinstance(value, str):
                if _UNSTORABLE.search(value):
                    raise _refused("a text holds NUL or half a character")
            elif isinstance(value, dict):
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        if not below:
            return
        level = below
    raise _refused("nested too deeply")
