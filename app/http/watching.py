"""Who is told of outbound calls: by vendor and route template, never by address."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import httpx

from app.domain.errors import ConnectorError


class Call(NamedTuple):
    """What may be said of a call anywhere: `route` is a template such as `/lists/{id}/members/{id}`."""

    vendor: str
    method: str
    route: str


Ended = Callable[[str], None]
"""Told once how a call ended: its HTTP status, or `timeout`, `unreachable`, `blocked`, `given_up`, `broken`."""
Watch = Callable[[Call], Ended]
"""Told that a call begins."""

UNNAMED = ("other", "(other)")


def unwatched(_call: Call) -> Ended:
    """Tells nobody."""
    return lambda _outcome: None


def call_of(request: httpx.Request) -> Call:
    """What the request says of itself: connectors put `(vendor, route)` into its extension `call`."""
    vendor, route = request.extensions.get("call", UNNAMED)
    return Call(vendor, request.method, route)


def outcome_of(error: BaseException) -> str:
    """One word for a call without an answer."""
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    if isinstance(error, httpx.ConnectError):
        return "unreachable"
    if isinstance(error, asyncio.CancelledError):
        return "given_up"
    return "blocked" if isinstance(error, ConnectorError) else "broken"
