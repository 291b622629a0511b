"""Remember pages of documents: records, credit memos, who waits, dead letters, audit, counts, position, at once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from app.db import audiences, audit, batches, dead_letters, orders, records, runs
from app.domain.commerce import Order
from app.domain.order_planning import Ruling, Step
from app.domain.planning import Outcome
from app.sync.ledger import ACTOR, Change, count, keep_changes
from app.sync.opened import LeaseLost, OpenRun
from app.sync.order_deciding import Parcel
from app.sync.order_opened import OpenOrders

NOTED = {
    Step.PUT: "order.updated",
    Step.RENEW: "order.updated",
    Step.CANCEL: "order.cancelled",
    Step.CREDIT: "order.credited",
}
NEW_MEMBER = "transactional"  # what Mailchimp makes of an address it learns from a store

encode = msgspec.json.Encoder().encode  # decimals as strings


async def remember(opened: OpenOrders, parcels: Sequence[Parcel], settled: Sequence[UUID]) -> None:
    """Commit completed pages of one phase; `settled` are intents that are carried out with them.

    Raises LeaseLost, and commits nothing, when the run is no longer ours.
    """
    run, position = opened.run, opened.position
    rulings = [ruling for parcel in parcels for ruling in parcel.rulings]
    changed = [ruling for ruling in rulings if ruling.remember or ruling.writes]
    number = run.row["pages"] + len(parcels)
    counts, reasons = tally(rulings)
    async with run.database.transaction(run.tenant_id) as connection:
        if not await runs.lock(connection, run.tenant_id, run.run_id, run.fence):
            raise LeaseLost
        if changed:
            await keep_changes(run, connection, [_change(ruling, run.dry) for ruling in changed], number)
        if not run.dry:
            await _write(run, connection, changed, number)
            await _beside(run, connection, parcels, changed)
            await batches.settle(connection, run.tenant_id, settled)
        if opened.reconciler is not None:
            await opened.reconciler.saw(connection, parcels)
        position.also += sorted({also for parcel in parcels for also in parcel.also} - set(position.also))
        for parcel in parcels:
            lane, source = parcel.page.lane, parcel.page.source
            lane.after = source.last_key if source.last_key is not None else lane.after
            lane.done = lane.done or parcel.page.last_of_lane
        await count(run, connection, counts, reasons, position, len(parcels))
    run.row = {**run.row, "pages": number}
    if not run.dry:
        run.observer.remembered(run.tenant_id, run.sync_id, len(parcels), counts)


def tally(rulings: Iterable[Ruling]) -> tuple[Counter[str], Counter[str]]:
    """The six counts, and the skipped ones by reason."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for ruling in rulings:
        counts["read"] += 1
        counts[ruling.outcome.value] += 1
        if ruling.outcome is Outcome.SKIPPED:
            reasons[ruling.reason or "other"] += 1
    return counts, reasons


def _change(ruling: Ruling, dry: bool) -> Change:
    decision = f"would_be_{ruling.outcome}" if dry else ruling.outcome.value
    body = msgspec.Raw(encode({"order": shown(ruling)} if ruling.writes else {}))
    return Change(ruling.number, ruling.number, _email(ruling), decision, ruling.reason, body, ())


def shown(ruling: Ruling) -> dict[str, Any]:
    """What a ruling makes of the store's order, as people read it."""
    if ruling.step is Step.CREDIT:
        return {"takes_back": ruling.original}
    if ruling.order is None:
        return {"financial_status": "cancelled", "order_total": "0", "tax_total": "0"}
    return shown_order(ruling.order)


def shown_order(order: Order) -> dict[str, Any]:
    """Money as decimal strings once encoded, and with the day it was invoiced."""
    lines = [
        {"id": line.id, "product": line.product_id, "quantity": line.quantity, "price": line.price}
        for line in order.lines
    ]
    return {
        "customer": order.customer_id,
        "currency_code": order.currency,
        "order_total": order.total,
        "tax_total": order.tax,
        "discount_total": order.discount,
        "financial_status": order.financial_status,
        "processed_at": order.processed_at,
        "lines": lines,
    }


def _email(ruling: Ruling) -> str | None:
    return ruling.buyer.customer.email if ruling.buyer is not None and ruling.buyer.customer is not None else None


async def _write(run: OpenRun, connection: asyncpg.Connection, changed: Sequence[Ruling], number: int) -> None:
    tenant, sync, version = run.tenant_id, run.sync_id, run.row["mapping_version"]
    await records.upsert(connection, tenant, sync, run.run_id, version, [_entry(run, r) for r in changed if r.remember])
    rejected = [ruling for ruling in changed if ruling.outcome is Outcome.REJECTED]
    await dead_letters.keep(connection, tenant, sync, run.run_id, [_letter(run, ruling) for ruling in rejected])
    healed = [r.number for r in changed if r.known.state == "rejected" and r.outcome is not Outcome.REJECTED]
    if healed:
        await dead_letters.heal(connection, tenant, sync, healed)
    await audit.append(connection, tenant, [_event(run, ruling, number) for ruling in changed])


async def _beside(
    run: OpenRun, connection: asyncpg.Connection, parcels: Sequence[Parcel], changed: Sequence[Ruling]
) -> None:
    """Credit memos, who waits for what, and members that Mailchimp made of new customers."""
    tenant, sync = run.tenant_id, run.sync_id
    taken = [each for parcel in parcels for each in parcel.taken]
    await orders.keep_credits(connection, tenant, sync, taken, [key for parcel in parcels for key in parcel.dropped])
    waiting = [(ruling.number, ruling.waits_for) for ruling in changed if ruling.waits_for is not None]
    settled = [r.number for r in changed if r.waits_for is None and r.known.state in ("skipped", "rejected")]
    await orders.wait(connection, tenant, sync, waiting, settled)
    made = {hash_ for ruling in changed if (hash_ := _new_member(ruling)) is not None}
    await audiences.mirror(
        connection,
        tenant,
        run.audience_id,
        list(made),
        [NEW_MEMBER] * len(made),
        causes="store_customer",
        run_id=run.run_id,
    )


def _new_member(ruling: Ruling) -> bytes | None:
    buyer = ruling.buyer
    put = ruling.step in (Step.PUT, Step.RENEW) and ruling.outcome is not Outcome.REJECTED
    return buyer.hash if put and buyer is not None and buyer.is_new and buyer.reason is None else None


def _entry(run: OpenRun, ruling: Ruling) -> records.Entry:
    state = {Outcome.SKIPPED: "skipped", Outcome.REJECTED: "rejected"}.get(ruling.outcome, "synced")
    email = _email(ruling)
    buyer = ruling.buyer
    return records.Entry(
        ruling.number,
        ruling.number,
        state,
        ruling.reason if state != "synced" else None,
        buyer.hash if buyer is not None and email is not None else ruling.known.member_hash,
        ruling.fingerprint,
        run.keys.seal(email.encode(), run.sync_id, "record.email") if email is not None else None,
        "",
        ruling.flags,
        True,
    )


def _letter(run: OpenRun, ruling: Ruling) -> dead_letters.Letter:
    row: UUID = uuid4()
    payload = None
    if ruling.order is not None:
        payload = run.keys.seal(encode({"email": _email(ruling), "order": shown(ruling)}), row, "dead_letter.payload")
    reason = ruling.reason or "rejected"
    return dead_letters.Letter(
        row, ruling.number, ruling.number, reason, ruling.detail or reason, ruling.field, payload
    )


def _event(run: OpenRun, ruling: Ruling, number: int) -> audit.Event:
    if ruling.outcome is Outcome.REJECTED:
        action = "record.rejected"
    elif ruling.writes:
        action = "order.created" if ruling.outcome is Outcome.CREATED and ruling.order else NOTED[ruling.step]
    else:
        action = "record.skipped" if ruling.outcome is Outcome.SKIPPED else "record.noted"
    email = _email(ruling)
    subject = run.keys.digest(email.lower().encode()) if email is not None else None
    return audit.Event(
        action, ACTOR, None, run.sync_id, run.run_id, number, ruling.number, subject, ruling.reason, None
    )
