"""Lists: a bounded limit, an opaque cursor that only its tenant, list and filters can use, one envelope."""

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel

from app.api.problems import Invalid
from app.api.schemas.base import said

T = TypeVar("T")
R = TypeVar("R")

MOST = 200
_TAG_BYTES = 16

_STRANGE = "This cursor does not belong to this list; start again without it."

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many items at most.")]
CursorText = Annotated[
    str | None,
    Query(max_length=1000, pattern=r"^[A-Za-z0-9_-]*$", description="`next_cursor` of the page before."),
    said(_STRANGE),
]


class Page(BaseModel, Generic[T]):
    """A page of a list; `next_cursor` is null on the last one."""

    items: Sequence[T]
    next_cursor: str | None


class Paging:
    """What the caller asked for: how many, and after what."""

    def __init__(self, limit: Limit = 50, cursor: CursorText = None) -> None:
        self.limit = limit
        self.cursor = cursor or None

    def page(self, found: Sequence[R], present: Callable[[R], T], position: Callable[[R], str]) -> "Page[T]":
        """The envelope. `found` was asked for with one more than the limit, which tells whether there is more."""
        shown = found[: self.limit]
        more = len(found) > self.limit
        return Page(items=[present(row) for row in shown], next_cursor=position(shown[-1]) if more else None)

    def part(
        self, whole: Sequence[R], present: Callable[[R], T], cursors: "Cursors", name: Callable[[R], str]
    ) -> "Page[T]":
        """A page of a list that is at hand whole; `name` tells its items apart. After an item that is gone comes
        nothing."""
        position = cursors.read(self.cursor)
        names = [name(row) for row in whole]
        begin = 0
        if position is not None:
            begin = names.index(str(position[0])) + 1 if position[0] in names else len(whole)
        return self.page(whole[begin:], present, lambda row: cursors.write(name(row)))


PagingQuery = Annotated[Paging, Depends(Paging)]


class Cursors:
    """Makes and reads cursors of one list. `secret` is the tenant's (or the operator's), `scope` names the list and
    its filters: a cursor from elsewhere is refused, as is one that was changed."""

    def __init__(self, secret: bytes, *scope: object) -> None:
        self._key = hmac.digest(secret, repr(scope).encode("utf-8", "backslashreplace"), "sha256")

    def write(self, *position: object) -> str:
        body = msgspec.json.encode(position)
        return base64.urlsafe_b64encode(self._tag(body) + body).rstrip(b"=").decode()

    def read(self, cursor: str | None) -> list[str | int] | None:
        """The position the cursor stands for; None when there is no cursor. Raises Invalid."""
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _refused() from None
        tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(body)):
            raise _refused()
        return msgspec.json.decode(body, type=list[str | int])

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_TAG_BYTES]


def _refused() -> Invalid:
    return Invalid.at("/query/cursor", _STRANGE)


def newest(position: Sequence[str | int] | None) -> tuple[datetime, UUID] | None:
    """A position in a list ordered by instant and id."""
    return None if position is None else (datetime.fromisoformat(str(position[0])), UUID(str(position[1])))
