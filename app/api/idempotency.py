"""Idempotency-Key: a repeated POST gets the first answer instead of a second effect.

The answer is stored in the transaction of the effect itself, so that a crash leaves both or neither.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import Header, Request
from fastapi.responses import Response
from sqlalchemy import RowMapping
from sqlmodel import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.api.problems import Conflict, Invalid, NotFound
from app.connections.vault import CannotOpen, TenantKeys
from app.db.engine import Database
from app.db.idempotency import BODY, row_of

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any text of up to 255 characters. The same key and body within 24 hours get the first answer.",
    ),
]
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
LEASE_SECONDS = 60

KeysOf = Callable[[str | None], Awaitable[TenantKeys]]

_TAKE = text(f"""
insert into idempotency_key as k (tenant_id, scope, key, request_hash, state, locked_until)
values (:tenant, :scope, :key, :hash, 'running', clock_timestamp() + interval '{LEASE_SECONDS} seconds')
on conflict (tenant_id, scope, key) do update
   set request_hash = excluded.request_hash, state = 'running', locked_until = excluded.locked_until,
       created_at = clock_timestamp(), status = null, body = null
 where k.created_at < clock_timestamp() - interval '24 hours'
    or (k.state = 'running' and k.locked_until < clock_timestamp() and k.request_hash = excluded.request_hash)
returning locked_until
""")  # noqa: S608 - a constant of this module, no input
_READ = text("select * from idempotency_key where tenant_id = :tenant and scope = :scope and key = :key")
_KEEP = text("""
update idempotency_key set state = 'done', status = :status, content_type = :type, location = :location, body = :body
 where tenant_id = :tenant and scope = :scope and key = :key and state = 'running' and locked_until = :mine
""")
_RELEASE = text("""
delete from idempotency_key
 where tenant_id = :tenant and scope = :scope and key = :key and state = 'running' and locked_until = :mine
""")


class Replayed(Exception):
    """The request was answered before; `response` is that answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class _Kept(msgspec.Struct):
    """What is sealed: the body and the headers worth repeating."""

    body: str
    headers: dict[str, str]


class Claim:
    """The right to execute one request; lost when its lease runs out and somebody else takes it."""

    def __init__(self, place: dict[str, object], mine: datetime) -> None:
        self.place = place
        self.mine = mine

    async def keep(self, db: AsyncSession, keys: TenantKeys, response: Response) -> None:
        """Store the answer in the caller's transaction. Raises Conflict when the claim was lost meanwhile."""
        headers = {name: response.headers[name] for name in ("etag", "location") if name in response.headers}
        kept = msgspec.json.encode(_Kept(bytes(response.body).decode(), headers))
        values = {
            **self.place,
            "mine": self.mine,
            "status": response.status_code,
            "type": response.media_type,
            "location": headers.get("location"),
            "body": keys.seal(kept, _row(self.place), BODY),
        }
        if (await (await db.connection()).execute(_KEEP, values)).rowcount != 1:
            raise Conflict("The request took so long that it was started again.", code="idempotency_lost")


def _row(place: dict[str, object]) -> bytes:
    return row_of(str(place["scope"]), str(place["key"]))


@asynccontextmanager
async def claimed(
    database: Database, tenant_id: UUID, keys_of: KeysOf, request: Request, key: str | None
) -> AsyncIterator[Claim | None]:
    """The claim under which the block may execute; None when the caller sent no key.

    `keys_of` finds the tenant's keys from the Location of a kept answer. Whatever ends without storing an answer (a
    refusal, an error) gives the key back.

    Raises:
        Replayed: this very request was answered before.
        Conflict: it is being executed right now.
        Invalid: the key came with another request before, or is malformed.
    """
    if key is None:
        yield None
        return
    if not _KEY.fullmatch(key):
        raise Invalid.at("/header/Idempotency-Key", "Must be 1 to 255 visible ASCII characters.")
    caller = request.state.caller.actor
    place: dict[str, object] = {
        "tenant": tenant_id,
        "scope": f"{caller} {request.method} {request.url.path}",
        "key": key,
    }
    request_hash = hashlib.sha256(request.url.query.encode() + b"\x00" + await request.body()).digest()
    async with database.session(tenant_id) as db:
        connection = await db.connection()
        mine = (await connection.execute(_TAKE, {**place, "hash": request_hash})).scalar_one_or_none()
        known = None if mine else (await connection.execute(_READ, place)).mappings().one_or_none()
    if mine is None:
        raise await _answered_before(known, request_hash, place, keys_of)
    try:
        yield Claim(place, mine)
    finally:
        async with database.session(tenant_id) as db:
            await (await db.connection()).execute(_RELEASE, {**place, "mine": mine})


async def _answered_before(
    known: RowMapping | None, request_hash: bytes, place: dict[str, object], keys_of: KeysOf
) -> Exception:
    if known is None:
        return Conflict("The first request with this key has just ended; repeat it.", code="idempotency_running")
    if known["request_hash"] != request_hash:
        detail = "This Idempotency-Key was used with another request."
        return Invalid.at("/header/Idempotency-Key", detail, code="idempotency_mismatch")
    if known["state"] == "running":
        detail = "The first request with this key is still running."
        return Conflict(detail, code="idempotency_running", headers={"Retry-After": "1"})
    try:
        keys = await keys_of(known["location"])
        kept = msgspec.json.decode(keys.open(known["body"], _row(place), BODY), type=_Kept)
    except (CannotOpen, NotFound):  # the tenant was deleted since
        return Conflict("The first answer to this key can no longer be read.", code="idempotency_gone")
    headers = {**kept.headers, "Idempotency-Replayed": "true"}
    body = kept.body if known["status"] != 204 else None
    return Replayed(Response(body, known["status"], headers, known["content_type"]))
