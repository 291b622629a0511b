"""The person at Mailchimp: store customers first, then every audience, for good."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from app.connections.opening import Opener
from app.connections.vault import TenantKeys
from app.db.connections import Connection
from app.db.rows import find
from app.domain.errors import NeedsTenant
from app.privacy.needle import Needle

GONE = ("mailchimp_audience_gone", "mailchimp_store_gone")  # nobody is left in there


class Place(NamedTuple):
    """An audience or a store of a connection; `name` is Mailchimp's id of it."""

    connection_id: UUID
    name: str


async def audiences(connection: asyncpg.Connection, tenant_id: UUID) -> Sequence[Place]:
    """Every audience that a sync of the tenant writes to, or that we have ever mirrored."""
    rows = await connection.fetch(
        "select target_connection_id as connection_id, target->>'audience_id' as name from sync"
        " where tenant_id = $1 and target->>'audience_id' is not null"
        " union select connection_id, list_id from audience where tenant_id = $1 order by 1, 2",
        tenant_id,
    )
    return [Place(*row) for row in rows]


async def stores(connection: asyncpg.Connection, tenant_id: UUID) -> Sequence[Place]:
    """Every store that a sync of the tenant writes to, or has written to."""
    rows = await connection.fetch(
        "select target_connection_id as connection_id, target->>'store_id' as name from sync"
        " where tenant_id = $1 and target->>'store_id' is not null"
        " union select connection_id, store_id from store where tenant_id = $1 order by 1, 2",
        tenant_id,
    )
    return [Place(*row) for row in rows]


async def erase_in_audience(opener: Opener, keys: TenantKeys, tenant_id: UUID, place: Place, needle: Needle) -> int:
    """1 when Mailchimp has confirmed the permanent deletion, 0 when there is no such audience any more.

    Raises ConnectorError.
    """
    row = await _connection(opener, tenant_id, place)
    if row is None:
        return 0
    try:
        await opener.audience(keys, row, place.name).erase(needle.hash)
    except NeedsTenant as error:
        if error.code not in GONE:
            raise
        return 0
    return 1


async def erase_in_store(opener: Opener, keys: TenantKeys, tenant_id: UUID, place: Place, needle: Needle) -> int:
    """How many customers of the store had the address. Raises ConnectorError."""
    row = await _connection(opener, tenant_id, place)
    if row is None:
        return 0
    store = opener.store(keys, row, place.name)
    try:
        customers = await store.customers_named(needle.email)
        for customer in customers:
            await store.remove_customer(customer)
    except NeedsTenant as error:
        if error.code not in GONE:
            raise
        return 0
    return len(customers)


async def _connection(opener: Opener, tenant_id: UUID, place: Place) -> Connection | None:
    async with opener.database.session(tenant_id) as db:
        return await find(db, Connection, tenant_id, place.connection_id)
