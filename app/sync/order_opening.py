"""A claimed run of invoices becomes an open one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from app.connections.opening import Opener
from app.db import orders, stores
from app.domain.errors import InvalidDefinition, NeedsTenant
from app.domain.filters import parse_filter
from app.domain.order_mapping import CompiledOrders, compile_orders
from app.domain.ordering import Rules
from app.sync.opened import Pace
from app.sync.order_opened import OpenOrders, OrderPosition
from app.sync.order_reconciling import OrderReconciler
from app.sync.order_source import Phase, Touched
from app.sync.pages import restored
from app.sync.preparing import Loaded, begun, marked, settings_digest
from app.sync.store_opening import known_store


async def open_orders(
    opener: Opener, pace: Pace, tenant_id: UUID, row: Mapping[str, Any], loaded: Loaded
) -> OpenOrders:
    """Open a run of invoices that `claim` has given us. Raises as open_run()."""
    sync = loaded.sync
    list_id, store_id = sync.target.get("audience_id"), sync.target.get("store_id")
    if not list_id or not store_id:
        raise NeedsTenant("store_missing", "This sync names no audience or no store.")
    compiled = _compiled(loaded)
    shop = opener.store(loaded.keys, loaded.target, store_id)
    store = await known_store(loaded.target.id, shop, store_id, list_id)
    position = restored(row["position"], OrderPosition) or OrderPosition()
    async with opener.database.transaction(tenant_id) as connection:
        store_row = await stores.store_row(connection, tenant_id, loaded.target.id, store_id)
        is_new = await orders.is_empty(connection, tenant_id, sync.id)
    if row["position"] is None:
        position.wide = not is_new and sync.watermark_settings != settings_digest(sync)
    selection = compiled.selection
    if position.wide:  # documents that the sync no longer is about must be seen, so that their orders are taken down
        selection = msgspec.structs.replace(selection, companies=None)
    documents = opener.invoices(loaded.keys, loaded.source, selection)
    buyers = opener.source(loaded.keys, loaded.source, compiled.customers.selection, pressing=True)
    run = await begun(opener, pace, tenant_id, row, loaded, list_id, buyers, compiled.customers)
    run.position = position
    opened = OpenOrders(
        run=run,
        documents=documents,
        buyers=buyers,
        compiled=compiled,
        rules=Rules(compiled.carried, store.currency_code),
        shop=shop,
        store_row=store_row,
        position=position,
    )
    bulk_from = loaded.target.settings.get("batch_orders_from")
    if bulk_from is not None and not run.dry:
        opened.bulk, opened.bulk_from = opener.bulk_orders(loaded.keys, loaded.target, store_id), int(bulk_from)
    run.source = Phase(opened, position.phase or "others", Touched(opened))
    if row["mode"] == "reconcile" and row["codes"] is None:
        opened.reconciler = OrderReconciler(run, shop)
    run.row = dict(await marked(opener, tenant_id, row, loaded, run.source))
    return opened


def _compiled(loaded: Loaded) -> CompiledOrders:
    try:
        return compile_orders(loaded.definition, parse_filter(loaded.sync.filter, loaded.sync.stream))
    except InvalidDefinition as error:
        raise NeedsTenant(
            "mapping_invalid", f"The mapping cannot be used: {error.message} ({error.pointer})"
        ) from error
