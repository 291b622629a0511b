"""A store as a run needs it: found at Mailchimp, of the right audience, with a row of its own here."""

import time
from uuid import UUID

from app.connections.opening import Opener
from app.connections.vault import TenantKeys
from app.connectors.mailchimp.shapes import Store
from app.connectors.mailchimp.stores import MailchimpStore
from app.db import stores
from app.db.connections import Connection
from app.domain.errors import NeedsTenant
from app.domain.store_customers import Build
from app.sync.opened import OpenRun
from app.sync.store_customers import StoreKeeper

KEPT_SECONDS = 600

_seen: dict[tuple[UUID, str], tuple[float, Store]] = {}


async def known_store(connection_id: UUID, shop: MailchimpStore, store_id: str, list_id: str) -> Store:
    """The store as Mailchimp has it, kept for a few minutes so that runs with nothing to do ask nothing.

    Raises:
        NeedsTenant: there is no such store, or it feeds another audience.
    """
    key = (connection_id, store_id)
    seen = _seen.get(key)
    if seen is None or time.monotonic() - seen[0] > KEPT_SECONDS:
        found = await shop.read()
        if found is None:
            raise NeedsTenant("mailchimp_store_gone", "The store no longer exists at Mailchimp.")
        seen = _seen[key] = (time.monotonic(), found)
    store = seen[1]
    if store.list_id != list_id:
        raise NeedsTenant("mailchimp_store_elsewhere", f"The store {store_id} does not feed the sync's audience.")
    return store


async def open_keeper(opener: Opener, keys: TenantKeys, target: Connection, run: OpenRun, build: Build) -> StoreKeeper:
    """What keeps the customers of the store that a run's sync names. Raises as known_store()."""
    store_id, list_id = run.sync["target"]["store_id"], run.sync["target"]["audience_id"]
    shop = opener.store(keys, target, store_id)
    await known_store(target.id, shop, store_id, list_id)
    async with opener.database.transaction(run.tenant_id) as connection:
        row = await stores.store_row(connection, run.tenant_id, target.id, store_id)
    return StoreKeeper(run, shop, row, build)
