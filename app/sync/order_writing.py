"""What a page of orders needs at Mailchimp: products, then customers, then the orders, each step finished first."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from app.db import batches
from app.domain.commerce import Order, Product, StoreCustomer
from app.domain.errors import RecordRejected
from app.domain.order_planning import Ruling, Step, refuse
from app.domain.ordering import products_of
from app.domain.planning import Outcome
from app.sync import store_syncing
from app.sync.opened import LeaseLost
from app.sync.order_deciding import Parcel, attempt
from app.sync.order_opened import OpenOrders
from app.sync.store_shelf import CUSTOMER, PRODUCT, Wanted, customer, product

TOGETHER = 40  # orders announced by one batch row
CONFLICT_POLL_SECONDS = 0.5
MENDABLE = ("product_missing", "rejected")
"""Refusals that come of a store which no longer has what it acknowledged: everything the order needs is put anew."""


class OrderWriter:
    """Carries the rulings of a page. An order is in one call at most: the step before it has ended, the intent is
    written down, and nobody else's call may still be changing it."""

    def __init__(self, opened: OpenOrders) -> None:
        self._opened = opened
        self._run = opened.run
        self._shop = opened.shop
        self._announcing = asyncio.Lock()
        self._announced = False

    async def carry(self, parcel: Parcel) -> None:
        """All that is to be written of a page; refusals end up in its rulings. Raises what concerns the whole run."""
        putting = [ruling for ruling in parcel.rulings if ruling.step in (Step.PUT, Step.RENEW)]
        if putting or any(ruling.step is Step.CANCEL for ruling in parcel.rulings):
            await self._no_automations()
        products = products_of(parcel.invoices[ruling.number] for ruling in putting)
        await self._products(putting, products)
        await self._customers(putting)
        sending = [r for r in putting if r.outcome is not Outcome.REJECTED]
        sending += [ruling for ruling in parcel.rulings if ruling.step is Step.CANCEL]
        for at in range(0, len(sending), TOGETHER):
            some = sending[at : at + TOGETHER]
            await self._announce(parcel, some)
            async with asyncio.TaskGroup() as calls:
                for ruling in some:
                    calls.create_task(self._send(parcel, ruling, products))

    async def _no_automations(self) -> None:
        """Before the first call of a slice that fills the store: Mailchimp shall start none."""
        async with self._announcing:
            if not self._announced and self._opened.is_backfill:
                await store_syncing.begin(self._run, self._opened.store_row, self._shop)
            self._announced = True

    async def _products(self, putting: Sequence[Ruling], products: dict[str, Product]) -> None:
        wanted = {key: product(self._shop, each) for key, each in products.items()}
        refused = await self._opened.shelf.fill(PRODUCT, wanted) if wanted else {}
        for ruling in putting if refused else ():
            needs = [line.product_id for line in ruling.order.lines] if ruling.order else []
            at_fault = next((key for key in needs if key in refused), None)
            if at_fault is not None:
                said = refused[at_fault].message
                _refuse(
                    ruling,
                    RecordRejected(
                        "product_refused", f"Mailchimp refused the product {at_fault}: {said}", field="product"
                    ),
                )

    async def _customers(self, putting: Sequence[Ruling]) -> None:
        wanted: dict[str, Wanted] = {}
        for ruling in putting:
            person = ruling.buyer.customer if ruling.buyer and ruling.buyer.reason is None else None
            if person is not None and ruling.outcome is not Outcome.REJECTED:
                wanted[person.id] = customer(self._shop, person)
        refused = await self._opened.shelf.fill(CUSTOMER, wanted) if wanted else {}
        for ruling in putting if refused else ():
            error = refused.get(ruling.buyer.code) if ruling.buyer is not None else None
            if error is not None:
                _refuse(ruling, error)

    async def _send(self, parcel: Parcel, ruling: Ruling, products: dict[str, Product]) -> None:
        try:
            await self._call(parcel, ruling)
        except RecordRejected as error:
            if error.code in MENDABLE and ruling.order is not None:
                await self._mend(parcel, ruling, ruling.order, products)
            else:
                _refuse(ruling, error)

    async def _call(self, parcel: Parcel, ruling: Ruling) -> None:
        async with self._opened.gate:
            if ruling.order is None:
                invoice = parcel.invoices.get(ruling.number)  # None: X3 has deleted it
                moment = invoice.updated_at if invoice is not None else None
                await self._shop.cancel_order(ruling.number, moment or datetime.now(UTC))
                return
            if ruling.step is Step.RENEW:
                await self._shop.remove_order(ruling.number)
            await self._shop.put_order(ruling.order)

    async def _mend(self, parcel: Parcel, ruling: Ruling, order: Order, products: dict[str, Product]) -> None:
        """Put once more what the order needs, then the order; what is refused now is refused."""
        needed = {line.product_id for line in order.lines}
        people: list[StoreCustomer] = [ruling.buyer.customer] if ruling.buyer and ruling.buyer.customer else []
        shelf = self._opened.shelf
        await shelf.fill(PRODUCT, {key: product(self._shop, products[key]) for key in sorted(needed)}, anew=True)
        await shelf.fill(CUSTOMER, {each.id: customer(self._shop, each) for each in people}, anew=True)
        try:
            await self._call(parcel, ruling)
        except RecordRejected as error:
            _refuse(ruling, error)

    async def _announce(self, parcel: Parcel, rulings: Iterable[Ruling]) -> None:
        """Write down what is about to be sent, once no call of an earlier holder may still be changing it."""
        run, store, batch_id = self._run, self._opened.store_row, uuid4()
        pairs = [(_place(ruling.number), ruling.fingerprint or _place(ruling.step)) for ruling in rulings]
        while True:
            async with run.database.transaction(run.tenant_id) as connection:
                if not await batches.conflicting(
                    connection, run.tenant_id, store, run.run_id, run.fence, run.pace.settle_seconds, pairs
                ):
                    made = await batches.announce(
                        connection,
                        run.tenant_id,
                        batch_id,
                        run.run_id,
                        run.fence,
                        store,
                        "update",
                        batches.packed(pairs),
                    )
                    break
            await asyncio.sleep(CONFLICT_POLL_SECONDS)
        if not made:
            raise LeaseLost
        parcel.batches.add(batch_id)


def _refuse(ruling: Ruling, error: RecordRejected) -> None:
    print_ = attempt(ruling, ruling.buyer) if ruling.buyer is not None else ruling.fingerprint or b""
    refuse(ruling, error.code, error.message, error.field, print_)


def _place(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]
