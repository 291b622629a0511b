"""`is_syncing`: on while a back-fill fills a store, off when its run has ended, however that came about.

The database knows which runs fill which store, so a worker that dies, or a store that cannot be reached for a while,
only delays the end: whoever ends a run, and every sweep, looks for back-fills that are over.
"""

from uuid import UUID

import structlog

from app.connections.opening import Opener
from app.db import stores
from app.db.connections import Connection
from app.db.tenants import Tenant
from app.domain.errors import ConnectorError, NeedsTenant
from app.sync.opened import LeaseLost, OpenRun
from app.sync.order_ports import Shop

log = structlog.get_logger(__name__)
AGAIN_SECONDS = 300.0  # until the next try at a store that could not be told


async def begin(run: OpenRun, store: UUID, shop: Shop) -> None:
    """From now on Mailchimp starts no automation for the store. Said again with every slice: it costs one call."""
    async with run.database.transaction(run.tenant_id) as connection:
        if not await stores.begin_backfill(connection, run.tenant_id, store, run.run_id, run.fence):
            raise LeaseLost
    await shop.set_syncing(True)


async def finish_all(opener: Opener) -> int:
    """End every back-fill of every tenant that is over; how many stores were told. Never raises for a vendor."""
    async with opener.database.system() as connection:
        over = await stores.finished_backfills(connection)
    return sum([await finish(opener, tenant_id) for tenant_id in dict.fromkeys(row["tenant_id"] for row in over)])


async def finish(opener: Opener, tenant_id: UUID) -> int:
    """The same for one tenant."""
    async with opener.database.transaction(tenant_id) as connection:
        over = await stores.finished_backfills(connection, tenant_id)
    return sum([await _finish(opener, tenant_id, row["run_id"], row["store"]) for row in over])


async def _finish(opener: Opener, tenant_id: UUID, run_id: UUID, store: UUID) -> bool:
    """Tell the store, unless another run still fills it; then forget the back-fill."""
    database = opener.database
    async with database.transaction(tenant_id) as connection:
        others = await stores.is_backfilled(connection, tenant_id, store, run_id)
    try:
        if not others:
            shop = await _shop(opener, tenant_id, store)
            await shop.set_syncing(False)
            async with database.transaction(tenant_id) as connection:
                others = await stores.is_backfilled(connection, tenant_id, store, run_id)
            if others:  # one began in between
                await shop.set_syncing(True)
    except ConnectorError as error:
        if not (isinstance(error, NeedsTenant) and error.code == "mailchimp_store_gone"):
            log.warning("store.not_told", store=str(store), code=error.code)
            async with database.transaction(tenant_id) as connection:
                await stores.put_off_backfill(connection, tenant_id, run_id, AGAIN_SECONDS)
            return False
    async with database.transaction(tenant_id) as connection:
        await stores.end_backfill(connection, tenant_id, run_id)
    return True


async def _shop(opener: Opener, tenant_id: UUID, store: UUID) -> Shop:
    async with opener.database.session(tenant_id) as session:
        row = await session.get_one(stores.Store, (tenant_id, store))
        tenant = await session.get_one(Tenant, tenant_id)
        target = await session.get_one(Connection, (tenant_id, row.connection_id))
    keys = opener.vault.tenant(tenant_id, tenant.data_key, tenant.data_key_id)
    return opener.store(keys, target, row.store_id, interactive=True)
