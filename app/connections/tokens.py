"""The gateway's token pair in the connection's row: one refresh at a time, stored before it is used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

import asyncpg
import msgspec

from app.connections.vault import TenantKeys
from app.connectors.sage_x3.tokens import Setback, Tokens
from app.db.engine import Database
from app.domain.errors import NeedsTenant

FIELD = "credential"

_READ = "select credential from connection where tenant_id = $1 and id = $2"
_LOCK = _READ + " for update"
_SAVE = """
update connection set credential = $3, credential_version = credential_version + 1,
    facts = facts || jsonb_build_object('token_renewed_at', clock_timestamp(), 'refresh_token_expires_at', $4::text)
where tenant_id = $1 and id = $2
"""
_NOTE = "update connection set credential = $3 where tenant_id = $1 and id = $2"

# Who waits for a renewal that another task of this process makes needs no database connection for it.
_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[UUID, asyncio.Lock]] = WeakKeyDictionary()


class _Stored(msgspec.Struct, omit_defaults=True):
    """The tokens inside a credential, beside client_id, client_secret and the gateway's `endpoint`."""

    access_token: str | None = None
    refresh_token: str | None = None
    access_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    setback: Setback | None = None


def stored(tokens: Tokens) -> dict[str, Any]:
    """A pair as the parts of a credential."""
    given = _Stored(tokens.access_token, tokens.refresh_token, tokens.access_expires_at, tokens.refresh_expires_at)
    parts: dict[str, Any] = msgspec.to_builtins(given)
    return parts


def without_tokens(credential: dict[str, Any]) -> dict[str, Any]:
    """What of a credential stays when a pair is replaced: the application, and where its gateway is."""
    return {name: value for name, value in credential.items() if name not in (*_Stored.__struct_fields__, "previous")}


class PostgresTokenStore:
    """Satisfies app.connectors.sage_x3.tokens.TokenStore for one connection."""

    def __init__(self, database: Database, keys: TenantKeys, tenant_id: UUID, connection_id: UUID) -> None:
        self._database = database
        self._keys = keys
        self._place = (tenant_id, connection_id)

    async def load(self) -> Tokens:
        """The pair as last committed. Raises NeedsTenant when nobody has signed in yet."""
        async with self._database.transaction(self._place[0]) as connection:
            return _tokens(self.opened(await connection.fetchval(_READ, *self._place)))

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator["PostgresTokenLease"]:
        """Holds the row's lock until the block ends or the lease is used, whichever comes first."""
        async with _gate(self._place[1]), AsyncExitStack() as transaction:
            connection = await transaction.enter_async_context(self._database.transaction(self._place[0]))
            credential = self.opened(await connection.fetchval(_LOCK, *self._place))
            yield PostgresTokenLease(self, connection, transaction, credential)

    def opened(self, sealed: bytes | None) -> dict[str, Any]:
        if sealed is None:
            raise _not_signed_in()
        return msgspec.json.decode(self._keys.open(sealed, self._place[1], FIELD), type=dict[str, Any])

    async def write(self, connection: asyncpg.Connection, credential: dict[str, Any], ends: datetime | None) -> None:
        await connection.execute(_SAVE, *self._place, self._sealed(credential), ends and ends.isoformat())

    async def note(self, connection: asyncpg.Connection, credential: dict[str, Any]) -> None:
        await connection.execute(_NOTE, *self._place, self._sealed(credential))

    def _sealed(self, credential: dict[str, Any]) -> bytes:
        return self._keys.seal(msgspec.json.encode(credential), self._place[1], FIELD)


class PostgresTokenLease:
    """The right to replace the pair once, or to say once that it could not be renewed."""

    def __init__(
        self,
        store: PostgresTokenStore,
        connection: asyncpg.Connection,
        transaction: AsyncExitStack,
        credential: dict[str, Any],
    ) -> None:
        self._store = store
        self._connection = connection
        self._transaction = transaction
        self._credential = credential
        self.tokens = _tokens(credential)

    async def save(self, tokens: Tokens) -> None:
        """Committed when it returns, and the lock given back. The pair before stays in the credential until the next
        one replaces it, which proves that this one worked."""
        before = {name: self._credential.get(name) for name in ("access_token", "refresh_token")}
        credential = {**without_tokens(self._credential), **stored(tokens), "previous": before}
        await self._store.write(self._connection, credential, tokens.refresh_expires_at)
        await self._transaction.aclose()

    async def hold_off(self, setback: Setback) -> None:
        """Committed when it returns, and the lock given back. The next pair, however it comes, ends it."""
        await self._store.note(self._connection, {**self._credential, "setback": msgspec.to_builtins(setback)})
        await self._transaction.aclose()


def _gate(connection_id: UUID) -> asyncio.Lock:
    here = _gates.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    gate = here.get(connection_id)
    if gate is None:
        gate = here[connection_id] = asyncio.Lock()
    return gate


def _tokens(credential: dict[str, Any]) -> Tokens:
    found = msgspec.convert(credential, _Stored)
    if found.access_token is None:
        raise _not_signed_in()
    return Tokens(
        found.access_token, found.refresh_token, found.access_expires_at, found.refresh_expires_at, found.setback
    )


def _not_signed_in() -> NeedsTenant:
    return NeedsTenant("x3_not_authorized", "Sign in at Sage to authorize this connection.", authorization=True)
