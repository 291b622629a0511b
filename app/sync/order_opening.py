"""A claimed run of invoices becomes an open one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec

from app.connections.opening import Opener
from app.connectors.mailchimp.payloads import encode_fragment
from app.db import audiences, orders, stores
from app.domain.errors import InvalidDefinition, NeedsTenant
from app.domain.filters import parse_filter
from app.domain.order_mapping import CompiledOrders, compile_orders
from app.domain.ordering import Rules
from app.domain.planning import Policy
from app.sync.opened import OpenRun, Pace
from app.sync.order_opened import OpenOrders, OrderPosition
from app.sync.order_reconciling import OrderReconciler
from app.sync.order_source import Phase, Touched
from app.sync.preparing import MOST_READERS, Loaded, marked, settings_digest
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
    position = _restored(row["position"])
    async with opener.database.transaction(tenant_id) as connection:
        audience = await audiences.audience_row(connection, tenant_id, loaded.target.id, list_id)
        store_row = await stores.store_row(connection, tenant_id, loaded.target.id, store_id)
        is_new = await orders.is_empty(connection, tenant_id, sync.id)
    if row["position"] is None:
        position.wide = not is_new and sync.watermark_settings != settings_digest(sync)
    selection = compiled.selection
    if position.wide:  # documents that the sync no longer is about must be seen, so that their orders are taken down
        selection = msgspec.structs.replace(selection, companies=None)
    documents = opener.invoices(loaded.keys, loaded.source, selection)
    buyers = opener.source(loaded.keys, loaded.source, compiled.customers.selection)
    opened = OpenOrders(
        run=OpenRun(
            database=opener.database,
            keys=loaded.keys,
            tenant_id=tenant_id,
            sync_id=sync.id,
            run_id=row["id"],
            fence=row["fence"],
            row=dict(row),
            sync=sync.model_dump(),
            audience_id=audience["id"],
            source=buyers,
            target=opener.audience(loaded.keys, loaded.target, list_id),
            mapping=compiled.customers,
            encode=encode_fragment,
            policy=Policy(sync.new_member_status, "none"),
            pace=replace(pace, readers=min(int(loaded.source.settings.get("max_concurrency") or 2), MOST_READERS)),
            position=position,
            whole=row["codes"] is None and row["mode"] != "replay",
        ),
        documents=documents,
        buyers=buyers,
        compiled=compiled,
        rules=Rules(compiled.carried, store.currency_code),
        shop=shop,
        store_row=store_row,
        position=position,
    )
    bulk_from = loaded.target.settings.get("batch_orders_from")
    if bulk_from is not None and not opened.run.dry:
        opened.bulk, opened.bulk_from = opener.bulk_orders(loaded.keys, loaded.target, store_id), int(bulk_from)
    opened.run.source = Phase(opened, position.phase or "others", Touched(opened))
    if row["mode"] == "reconcile" and row["codes"] is None:
        opened.reconciler = OrderReconciler(opened.run, shop)
    opened.run.row = dict(await marked(opener, tenant_id, row, loaded, opened.run.source))
    return opened


def _compiled(loaded: Loaded) -> CompiledOrders:
    try:
        return compile_orders(loaded.definition, parse_filter(loaded.sync.filter, loaded.sync.stream))
    except InvalidDefinition as error:
        raise NeedsTenant(
            "mapping_invalid", f"The mapping cannot be used: {error.message} ({error.pointer})"
        ) from error


def _restored(stored: Any) -> OrderPosition:
    """The position of a run row; a new one for a run that has not begun."""
    if stored is None:
        return OrderPosition()
    if isinstance(stored, str):
        return msgspec.json.decode(stored, type=OrderPosition)
    return msgspec.convert(stored, OrderPosition)
