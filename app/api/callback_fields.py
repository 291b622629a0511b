"""What a callback carries, in query, form or JSON: one value per name, or nothing at all.

Sage's texts do not say how its callback is encoded; reference/sage-x3.md 2.1, step 2.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from app.api.bodies import check_json
from app.api.problems import BadRequest

_MOST_BYTES = 16_384
_MOST_FIELDS = 30
_MOST_CHARACTERS = 8192
NAMES = frozenset(
    {"state", "code", "authorizationCode", "authorization_code", "endpoint", "error", "error_description"}
)


class Ambiguous(BadRequest):
    """Two values for one name: one of them was not meant for us."""

    detail = "The answer says the same thing twice, in different words."


async def callback_fields(request: Request) -> Mapping[str, str]:
    """The fields that a callback may have; others are ignored.

    Raises:
        BadRequest: too large, unreadable, or with two values for one name.
    """
    body = await request.body()
    if len(body) > _MOST_BYTES or len(request.url.query) > _MOST_BYTES:
        raise BadRequest("The answer is too large.")
    given = [*_query(request.url.query), *(await _body(request, body))]
    found: dict[str, str] = {}
    for name, value in given:
        if name in NAMES and value:
            if found.setdefault(name, value) != value:
                raise Ambiguous
            if len(value) > _MOST_CHARACTERS or not value.isprintable():
                raise BadRequest("A value of the answer cannot be read.")
    return found


def _query(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadRequest("The answer cannot be read.") from None


async def _body(request: Request, body: bytes) -> Iterable[tuple[str, str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return []
    if kind == "multipart/form-data":
        return await _multipart(request)
    if kind.endswith("json") or body.lstrip()[:1] == b"{":
        return _json(body)
    try:
        return _query(body.decode("ascii").strip())
    except UnicodeDecodeError:
        raise BadRequest("The answer cannot be read.") from None


def _json(body: bytes) -> list[tuple[str, str]]:
    check_json(body)
    read = msgspec.json.decode(body)
    if not isinstance(read, dict):
        raise BadRequest("The answer cannot be read.")
    return [(name, value) for name, value in read.items() if isinstance(value, str)]


async def _multipart(request: Request) -> list[tuple[str, str]]:
    try:
        form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    except (MultiPartException, FormParserError, HTTPException):
        raise BadRequest("The answer cannot be read.") from None
    return [(name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)]
