"""Faults to switch on: what a vendor, its proxy or the network may do to a request."""

import random
import re
from typing import Literal

import msgspec

Kind = Literal[
    "html", "html403", "unauthorised", "expired_token", "throttled", "unavailable", "error", "bad_gateway", "refuse",
    "graphql_errors", "close", "hang",
    "slow", "truncated", "close_mid_body", "slow_drip", "apply_then_timeout",
    "drop_rows", "partial_data", "row_refusal", "empty_page", "repeated_cursor",
]  # fmt: skip
"""Lines 1 and 2: instead of the request; line 3: after it was carried out; line 4: the handler plays its part."""

Ready = tuple[int, bytes, str, tuple[tuple[bytes, bytes], ...]]

_HTML = b"<!DOCTYPE html><html><head><title>%s</title></head><body><h1>%s</h1><p>Reference #18.5f1a</p></body></html>"


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault. It strikes `count` times (None: for ever), on that `share` of the requests that match.

    `path` and `method` are a regular expression found in the path and a verb; `after` requests that match are spared
    first. `seconds` is the length of a hang, drip or delay; `retry_after` becomes a header; `codes` are the rows a
    refusal hits; `status` and `message` change those of `error` and `refuse`.
    """

    kind: Kind
    id: int = 0
    count: int | None = 1
    share: float | None = None
    path: str = ""
    method: str = ""
    after: int = 0
    seconds: float = 5.0
    retry_after: float | None = None
    codes: tuple[str, ...] = ()
    status: int | None = None
    message: str = ""
    struck: int = 0

    def answer(self) -> Ready | None:
        """The whole answer when the fault stands instead of the request, else None."""
        later: tuple[tuple[bytes, bytes], ...] = ()
        if self.retry_after is not None:
            later = ((b"retry-after", f"{self.retry_after:g}".encode()),)
        match self.kind:
            case "html":
                return 200, _HTML % (b"Sign in", b"Please sign in"), "text/html; charset=utf-8", ()
            case "html403":
                return 403, _HTML % (b"Access Denied", b"Access Denied"), "text/html", ()
            case "bad_gateway":
                return 502, _HTML % (b"Bad Gateway", b"Bad Gateway"), "text/html", ()
            case "unauthorised" | "expired_token":
                body = msgspec.json.encode({"message": self.message or "Unauthorised"})
                return 401, body, "application/json", ()
            case "throttled":
                return 429, b'{"title":"TooManyRequests","status":429}', "application/json", later
            case "unavailable":
                return 503, b"Service Unavailable", "text/plain", later
            case "error":
                body = b'{"$severity":"error","$dataCode":"InternalServerError","$message":"","$source":"Gateway"}'
                return self.status or 500, body, "application/json", ()
            case "refuse":
                body = msgspec.json.encode(
                    {"title": "Invalid Resource", "status": 400, "detail": self.message or "The request was refused."}
                )
                return self.status or 400, body, "application/problem+json; charset=utf-8", ()
            case "graphql_errors":
                body = msgspec.json.encode({"data": None, "errors": [{"message": self.message or "System error"}]})
                return 200, body, "application/json", ()
        return None


class Faults:
    """The faults in force at one server, oldest first."""

    def __init__(self, seed: int = 1) -> None:
        self.active: list[Fault] = []
        self._rng = random.Random(seed)
        self._next = 1

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on; raises ValueError when its path is no regular expression."""
        try:
            re.compile(fault.path)
        except re.error as wrong:
            raise ValueError(f"path is no regular expression: {wrong}") from wrong
        fault.id = self._next
        self._next += 1
        self.active.append(fault)
        return fault

    def remove(self, id_: int | None = None) -> None:
        """Switch one fault off, or all of them."""
        self.active = [] if id_ is None else [fault for fault in self.active if fault.id != id_]

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if any; counts it as used."""
        if not self.active:
            return None
        for fault in self.active:
            if fault.kind == "row_refusal" or not self._strikes(fault, method, path):
                continue
            fault.struck += 1
            if fault.count is not None and fault.struck >= fault.count:
                self.active.remove(fault)
            return fault
        return None

    def refused_codes(self) -> frozenset[str]:
        """Codes of rows that may not be read now; these stay refused until the fault is switched off."""
        if not self.active:
            return frozenset()
        return frozenset(code for fault in self.active if fault.kind == "row_refusal" for code in fault.codes)

    def _strikes(self, fault: Fault, method: str, path: str) -> bool:
        if (fault.method and fault.method != method) or (fault.path and not re.search(fault.path, path)):
            return False
        if fault.after > 0:
            fault.after -= 1
            return False
        return fault.share is None or self._rng.random() < fault.share
