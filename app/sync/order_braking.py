"""The brake of a run of invoices: too many new orders, or too many taken down, and it stops before it has written."""

from collections import Counter
from collections.abc import AsyncIterator

from app.db import orders
from app.domain.invoice import Invoice
from app.domain.order_planning import IN_STORE, TAKEN_DOWN
from app.domain.ordering import why_not
from app.domain.planning import UNKNOWN
from app.sync.braking import FEW
from app.sync.opened import Halted
from app.sync.order_opened import OpenOrders
from app.sync.order_source import Touched


async def check_order_brake(opened: OpenOrders) -> None:
    """Count what the run would do when that could exceed the brake. Raises Halted.

    The counting pass reads documents without their lines, and only when the cheap upper bounds do not rule the brake
    out: `max_inactive_percent` is about orders in the store that would be taken down.
    """
    run = opened.run
    brake = run.sync["brake"] or {}
    most_new, percent = brake.get("max_new"), brake.get("max_inactive_percent")
    if run.dry or run.row["approved"] or opened.position.phase is not None or run.row["codes"] is not None:
        return
    async with run.database.transaction(run.tenant_id) as connection:
        standing = await orders.standing(connection, run.tenant_id, run.sync_id, IN_STORE, TAKEN_DOWN)
    most_down = None if percent is None else max(standing * percent / 100, FEW)
    if most_new is None and (most_down is None or standing <= most_down):
        return
    limits = [limit for limit in (most_new, most_down) if limit is not None]
    since = run.row["lower_bound"]
    touched = None if since is None else await Touched(opened).since(since)
    if touched is not None and len(touched) <= min(limits):
        return
    counts = await _count(opened, touched)
    if most_new is not None and counts["new"] > most_new:
        raise Halted(
            "brake_new",
            f"The run would create {counts['new']} orders; this sync allows {most_new}. Approve or cancel.",
        )
    if most_down is not None and counts["down"] > most_down:
        raise Halted(
            "brake_inactive",
            f"The run would take down {counts['down']} of {standing} orders; this sync allows {percent} %."
            " Approve or cancel.",
        )


async def _count(opened: OpenOrders, touched: frozenset[str] | None) -> Counter[str]:
    """New orders at most (customers are not looked at), and orders that would be taken down."""
    run = opened.run
    counts: Counter[str] = Counter()
    async for page in _documents(opened, touched):
        async with run.database.transaction(run.tenant_id) as connection:
            numbers = [invoice.number for invoice in page]
            known = await orders.known_documents(connection, run.tenant_id, run.sync_id, numbers)
        for invoice in page:
            flags, counts_here = known.get(invoice.number, UNKNOWN).flags, why_not(invoice, opened.rules) is None
            counts["new"] += counts_here and not flags & IN_STORE
            counts["down"] += not counts_here and flags & (IN_STORE | TAKEN_DOWN) == IN_STORE
    return counts


async def _documents(opened: OpenOrders, touched: frozenset[str] | None) -> AsyncIterator[tuple[Invoice, ...]]:
    if touched is None:
        pages = opened.documents.scan("others", None, None, lines=False)
    else:
        pages = opened.documents.by_codes(touched, "others", lines=False)
    async for page in pages:
        yield page.invoices
