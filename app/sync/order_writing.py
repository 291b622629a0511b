"""What a page of orders needs at Mailchimp: products, then customers, then the orders, each step finished first."""

import asyncio
from collections.abc import Sequence

from app.domain.commerce import Product
from app.domain.errors import RecordRejected
from app.domain.order_planning import Ruling, Step
from app.domain.ordering import products_of
from app.domain.planning import Outcome
from app.sync import store_syncing
from app.sync.announced import Announced
from app.sync.bulk_orders import OrderBulkSender
from app.sync.order_deciding import Parcel
from app.sync.order_opened import OpenOrders
from app.sync.order_sending import OrderSender, Shipment, refused
from app.sync.run import AT_THE_READY, Helpers
from app.sync.store_shelf import CUSTOMER, PRODUCT, Wanted, customer, product


class OrderWriter:
    """Carries the rulings of pages. Its senders are helpers of the journey."""

    def __init__(self, opened: OpenOrders, helpers: Helpers) -> None:
        self.announced = Announced(opened.run)
        self._opened = opened
        self._shop = opened.shop
        self._sender = OrderSender(opened, self.announced)
        self._telling = asyncio.Lock()
        self._told = False
        if opened.run.dry:
            return
        for _ in range(opened.run.pace.senders + AT_THE_READY):
            helpers.start(self._sender.carry())
        helpers.start(self._sender.announce())
        if opened.bulk is not None:
            helpers.start(OrderBulkSender(opened, self._sender.queue, opened.bulk).carry())

    async def carry(self, parcel: Parcel) -> None:
        """All that is to be written of a page; refusals end up in its rulings. Raises what concerns the whole run."""
        putting = [ruling for ruling in parcel.rulings if ruling.step in (Step.PUT, Step.RENEW)]
        cancelling = [ruling for ruling in parcel.rulings if ruling.step is Step.CANCEL]
        if self._opened.run.dry or not (putting or cancelling):
            return
        await self._no_automations()
        products = products_of(parcel.invoices[ruling.number] for ruling in putting)
        await self._products(putting, products)
        await self._customers(putting)
        sending = [ruling for ruling in putting if ruling.outcome is not Outcome.REJECTED] + cancelling
        parcel.open(len(sending))
        for ruling in sending:
            self._sender.queue.put_nowait(Shipment(parcel, ruling, products))
        await parcel.sent.wait()

    async def _no_automations(self) -> None:
        """Before the first call of a slice that fills the store: Mailchimp shall start none."""
        async with self._telling:
            if not self._told and self._opened.is_backfill:
                await store_syncing.begin(self._opened.run, self._opened.store_row, self._shop)
            self._told = True

    async def _products(self, putting: Sequence[Ruling], products: dict[str, Product]) -> None:
        wanted = {key: product(self._shop, each) for key, each in products.items()}
        refusals = await self._opened.shelf.fill(PRODUCT, wanted) if wanted else {}
        for ruling in putting if refusals else ():
            needs = [line.product_id for line in ruling.order.lines] if ruling.order else []
            at_fault = next((key for key in needs if key in refusals), None)
            if at_fault is not None:
                said = f"Mailchimp refused the product {at_fault}: {refusals[at_fault].message}"
                refused(ruling, RecordRejected("product_refused", said, field="product"))

    async def _customers(self, putting: Sequence[Ruling]) -> None:
        wanted: dict[str, Wanted] = {}
        for ruling in putting:
            person = ruling.buyer.customer if ruling.buyer and ruling.buyer.reason is None else None
            if person is not None and ruling.outcome is not Outcome.REJECTED:
                wanted[person.id] = customer(self._shop, person)
        refusals = await self._opened.shelf.fill(CUSTOMER, wanted) if wanted else {}
        for ruling in putting if refusals else ():
            error = refusals.get(ruling.buyer.code) if ruling.buyer is not None else None
            if error is not None:
                refused(ruling, error)
