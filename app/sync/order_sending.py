"""Orders on their way to the store: one call each, several at once, the intent written down first."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.commerce import Cancellation, Order, Product, StoreCustomer
from app.domain.errors import RecordRejected
from app.domain.order_planning import Ruling, Step, refuse
from app.sync.announced import Announced
from app.sync.order_deciding import Parcel, attempt
from app.sync.order_opened import OpenOrders
from app.sync.outbox import Ahead
from app.sync.store_shelf import CUSTOMER, PRODUCT, customer, product

MENDABLE = ("product_missing", "rejected")
"""Refusals that come of a store which no longer has what it acknowledged: everything the order needs is put anew."""


@dataclass(eq=False, slots=True)
class Shipment:
    """One ruling that is to reach the store; `products` are those of its page. `alone`: by a call of its own."""

    parcel: Parcel
    ruling: Ruling
    products: Mapping[str, Product]
    alone: bool = False

    @property
    def change(self) -> Order | Cancellation:
        """What the store shall have."""
        if self.ruling.order is not None:
            return self.ruling.order
        invoice = self.parcel.invoices.get(self.ruling.number)  # None: X3 has deleted it
        moment = invoice.updated_at if invoice is not None else None
        return Cancellation(self.ruling.number, moment or datetime.now(UTC))

    @property
    def pair(self) -> tuple[bytes, bytes]:
        """Which order is changed, and into what."""
        return _place(self.ruling.number), self.ruling.fingerprint or _place(self.ruling.step)

    def refused(self, error: RecordRejected) -> None:
        refused(self.ruling, error)
        self.parcel.close()


class OrderSender:
    """Takes orders off a queue, also for others to take from. An order is in one call at most: what it needs is in the
    store, the intent is written down, and nobody else's call may still be changing it."""

    def __init__(self, opened: OpenOrders, announced: Announced) -> None:
        self.queue: asyncio.Queue[Shipment] = asyncio.Queue()
        self._opened = opened
        self._shop = opened.shop
        self._announced = announced
        self._ahead = Ahead(self.queue, opened.run.pace.senders, self._announce)

    async def announce(self) -> None:
        """Writes orders down before they are sent; runs until cancelled."""
        await self._ahead.fill()

    async def carry(self) -> None:
        """One sender; runs until cancelled."""
        while True:
            await self._send(await self._ahead.next())

    async def _announce(self, some: Sequence[Shipment]) -> None:
        pairs, pages = [shipment.pair for shipment in some], (shipment.parcel.page for shipment in some)
        await self._announced.write("update", self._opened.store_row, pairs, pages)

    async def _send(self, shipment: Shipment) -> None:
        try:
            await self._call(shipment)
        except RecordRejected as error:
            if error.code in MENDABLE and isinstance(order := shipment.change, Order):
                await self._mend(shipment, order)
            else:
                shipment.refused(error)
        else:
            shipment.parcel.close()

    async def _call(self, shipment: Shipment) -> None:
        change = shipment.change
        async with self._opened.gate:
            if isinstance(change, Cancellation):
                await self._shop.cancel_order(change.id, change.at)
                return
            if shipment.ruling.step is Step.RENEW:
                await self._shop.remove_order(change.id)
            await self._shop.put_order(change)

    async def _mend(self, shipment: Shipment, order: Order) -> None:
        """Put once more what the order needs, then the order; what is refused now is refused."""
        needed, buyer = {line.product_id for line in order.lines}, shipment.ruling.buyer
        people: list[StoreCustomer] = [buyer.customer] if buyer and buyer.customer else []
        products = {key: product(self._shop, shipment.products[key]) for key in sorted(needed)}
        await self._opened.shelf.fill(PRODUCT, products, anew=True)
        await self._opened.shelf.fill(CUSTOMER, {each.id: customer(self._shop, each) for each in people}, anew=True)
        try:
            await self._call(shipment)
        except RecordRejected as error:
            shipment.refused(error)
        else:
            shipment.parcel.close()


def refused(ruling: Ruling, error: RecordRejected) -> None:
    """The store does not take the order, or something that the order needs."""
    print_ = attempt(ruling, ruling.buyer) if ruling.buyer is not None else ruling.fingerprint or b""
    refuse(ruling, error.code, error.message, error.field, print_)


def _place(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]
