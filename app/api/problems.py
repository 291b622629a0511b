"""Errors as application/problem+json (RFC 9457); never a trace, a secret or what a vendor wrote."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from app.connections.vault import CannotOpen, UnknownKey
from app.domain.errors import ConnectorError, InvalidDefinition, NeedsTenant, Transient

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Request took too long",
    409: "Conflict",
    412: "Precondition failed",
    413: "Body too large",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
}
_CODES = {404: "not_found", 405: "method_not_allowed", 400: "bad_request", 413: "body_too_large"}


class Problem(Exception):
    """An answer that is an error. `code` is stable; `detail` is a sentence for whoever called."""

    status = 500
    code = "internal_error"
    detail = "Something went wrong on our side."

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail
        self.code = code or self.code
        self.errors = errors
        self.headers = dict(headers or {})


class BadRequest(Problem):
    status, code, detail = 400, "bad_request", "The request cannot be read."


class NotAuthenticated(Problem):
    status, code, detail = 401, "not_authenticated", "A valid API key is needed: Authorization: Bearer <key>."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    status, code, detail = 403, "role_too_low", "The role of this key does not allow this."


class NotFound(Problem):
    """Also for objects of other tenants: nothing in it says which of the two it is."""

    status, code, detail = 404, "not_found", "There is no such object."


class Conflict(Problem):
    status, code, detail = 409, "conflict", "The object is in a state that does not allow this."


class PreconditionFailed(Problem):
    status, code = 412, "version_mismatch"
    detail = "The object was changed meanwhile; read it again and repeat with its new ETag."


class Invalid(Problem):
    status, code, detail = 422, "invalid", "Something in the request is not valid; see errors."

    def __init__(self, *, errors: Sequence[Mapping[str, str]], detail: str | None = None, code: str | None = None):
        super().__init__(detail, code=code, errors=errors)

    @classmethod
    def at(cls, pointer: str, detail: str, *, code: str | None = None) -> "Invalid":
        """One fault at a JSON pointer into the body (or `/path/...`, `/query/...`, `/header/...`). With a `code` of its
        own the fault is all there is to say."""
        return cls(errors=[{"pointer": pointer, "detail": detail}], detail=detail if code else None, code=code)


class TooManyRequests(Problem):
    status, code, detail = 429, "rate_limited", "This key has made too many requests; wait and repeat."


class Unavailable(Problem):
    status, code, detail = 503, "unavailable", "This is not available now; repeat in a moment."

    def __init__(self, detail: str | None = None, *, code: str | None = None, retry_after: float = 5) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": str(max(1, round(retry_after)))})


def problem_body(
    status: int, code: str, detail: str, errors: Sequence[Mapping[str, str]] = (), title: str | None = None
) -> bytes:
    """The document itself. Equal arguments give equal bytes."""
    document: dict[str, Any] = {
        "type": f"urn:ml-connector:problem:{code}",
        "title": title or _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        document["errors"] = list(errors)
    return msgspec.json.encode(document)


def respond(problem: Problem) -> Response:
    body = problem_body(problem.status, problem.code, problem.detail, problem.errors)
    return Response(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def from_vendor(error: ConnectorError) -> Problem:
    """What a caller is told when a vendor stands in the way of an answer."""
    if isinstance(error, NeedsTenant):
        return Conflict(error.message, code=error.code)
    if isinstance(error, Transient):
        return Unavailable(error.message, code=error.code, retry_after=error.retry_after or 10)
    return Unavailable(error.message, code=error.code, retry_after=60)


_HANDLED = (
    Problem,
    RequestValidationError,
    HTTPException,
    InvalidDefinition,
    ConnectorError,
    UnknownKey,
    CannotOpen,
    DBAPIError,
    PoolTimeout,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)


def handle_problems(app: FastAPI) -> None:
    """Answer everything that is known to go wrong in a request with a problem document."""
    for kind in _HANDLED:
        app.add_exception_handler(kind, _handle)


async def _handle(_request: Request, error: Exception) -> Response:
    return respond(problem_of(error) or Problem())


def problem_of(error: Exception) -> Problem | None:
    """The problem that `error` is to a caller; None when it is nothing we know."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return _validation(error)
        case HTTPException():
            return _http(error)
        case InvalidDefinition():
            return Invalid.at(error.pointer, error.message)
        case ConnectorError():
            return from_vendor(error)
        case UnknownKey() | CannotOpen():
            log.error("vault.cannot_open", error=type(error).__name__)
            return Unavailable("The key that protects this tenant's data is not at hand.", code="key_unavailable")
        case DBAPIError() | PoolTimeout() | OSError() | asyncpg.PostgresError() | asyncpg.InterfaceError():
            return _database(error)
    return None


def _validation(error: RequestValidationError) -> Problem:
    """Where and why, never what: the value may be a secret."""
    faults = error.errors()
    if any(fault["loc"][:1] == ("path",) for fault in faults):
        return NotFound()
    return Invalid(errors=[{"pointer": _pointer(fault["loc"]), "detail": _sentence(fault)} for fault in faults[:50]])


def refuse_nulls(changes: Mapping[str, object], *, but: Collection[str] = ()) -> None:
    """Raises Invalid when a change sets to null what has no such value; to leave a value as it is, leave it out."""
    for name, value in changes.items():
        if value is None and name not in but:
            raise Invalid.at(f"/{name}", "Cannot be null.")


def invalid_model(error: ValidationError, pointer: str) -> Invalid:
    """The faults of a value that was checked by hand, found under `pointer` of the body."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)[:50]
    errors = [{"pointer": pointer + _pointer(("body", *fault["loc"])), "detail": _sentence(fault)} for fault in faults]
    return Invalid(errors=errors)


def _pointer(location: Sequence[str | int]) -> str:
    # Tags of unions and the mark of a key that is itself the fault are no part of it.
    where, *parts = (part for part in location if not str(part).startswith("(") and part != "[key]")
    prefix = "" if where == "body" else f"/{where}"
    return prefix + "".join("/" + str(part)[:100].replace("~", "~0").replace("/", "~1") for part in parts)


def _sentence(fault: Mapping[str, Any]) -> str:
    if fault.get("type") in ("model_attributes_type", "model_type", "dict_type"):
        return "Must be an object."
    if fault.get("type") == "string_pattern_mismatch":
        return "Is not written as it must be."
    return str(fault.get("msg", "Is not valid.")).removeprefix("Value error, ")[:300]


def _http(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return NotFound()
    problem = Problem(f"{_TITLES.get(error.status_code, 'Error')}.", code=_CODES.get(error.status_code, "http_error"))
    problem.status = error.status_code
    problem.headers.update(error.headers or {})
    return problem


def _database(error: Exception) -> Problem:
    """A lost or busy database heals; a statement it refuses is our mistake."""
    lost = isinstance(error, PoolTimeout | OSError | asyncpg.InterfaceError)
    lost = lost or bool(getattr(error, "connection_invalidated", False))
    state = str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")
    log.error("database.failed", error=type(error).__name__, sqlstate=state, lost=lost)
    if state == "23505":
        return Conflict("An object with these values exists already.", code="already_exists")
    if state == "23503":
        return Conflict("Another object still needs this one.", code="in_use")
    if lost or state[:2] in ("08", "40", "53", "55", "57"):
        return Unavailable("The database is not available now.", code="database_unavailable")
    return Problem()
