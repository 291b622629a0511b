"""The gateway's token pair in the connection's row: one refresh at a time, stored before it is used."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.connections.vault import TenantKeys
from app.connectors.sage_x3.tokens import Tokens
from app.db.engine import Database
from app.domain.errors import NeedsTenant

FIELD = "credential"

_READ = "select credential from connection where tenant_id = $1 and id = $2"
_LOCK = _READ + " for update"
_SAVE = """
update connection set credential = $3, credential_version = credential_version + 1 where tenant_id = $1 and id = $2
"""


class _Stored(msgspec.Struct, omit_defaults=True):
    """The tokens inside a credential, beside client_id and client_secret."""

    access_token: str | None = None
    refresh_token: str | None = None
    access_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None


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
        """Holds the row's lock until the block ends or the lease is saved, whichever comes first."""
        async with AsyncExitStack() as transaction:
            connection = await transaction.enter_async_context(self._database.transaction(self._place[0]))
            credential = self.opened(await connection.fetchval(_LOCK, *self._place))
            yield PostgresTokenLease(self, connection, transaction, credential)

    def opened(self, sealed: bytes | None) -> dict[str, Any]:
        if sealed is None:
            raise _not_signed_in()
        return msgspec.json.decode(self._keys.open(sealed, self._place[1], FIELD), type=dict[str, Any])

    async def write(self, connection: asyncpg.Connection, credential: dict[str, Any]) -> None:
        sealed = self._keys.seal(msgspec.json.encode(credential), self._place[1], FIELD)
        await connection.execute(_SAVE, *self._place, sealed)


class PostgresTokenLease:
    """The right to replace the pair once."""

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
        given = _Stored(tokens.access_token, tokens.refresh_token, tokens.access_expires_at, tokens.refresh_expires_at)
        kept = {name: value for name, value in self._credential.items() if name not in _Stored.__struct_fields__}
        await self._store.write(self._connection, {**kept, **msgspec.to_builtins(given), "previous": before})
        await self._transaction.aclose()


def _tokens(credential: dict[str, Any]) -> Tokens:
    stored = msgspec.convert(credential, _Stored)
    if stored.access_token is None:
        raise _not_signed_in()
    return Tokens(stored.access_token, stored.refresh_token, stored.access_expires_at, stored.refresh_expires_at)


def _not_signed_in() -> NeedsTenant:
    return NeedsTenant("x3_not_authorized", "Sign in at Sage to authorize this connection.", authorization=True)
