"""Orders as batches of operations: those that one call carries, once all that they need is in the store."""

import asyncio

from app.domain.commerce import Cancellation, Order
from app.domain.errors import RecordRejected
from app.domain.order_planning import Step
from app.sync.bulking import BulkSender, Pair
from app.sync.order_opened import OpenOrders
from app.sync.order_ports import BulkOrders
from app.sync.order_sending import MENDABLE, Shipment

PLAIN = (Step.PUT, Step.CANCEL)
ANOTHER_TRY = (*MENDABLE, "not_found")
"""Refusals of which a single call makes more: it puts what is missing, or finds that the store itself is gone."""


class OrderBulkSender(BulkSender[Shipment, Order | Cancellation, str]):
    """The one sender of batches of a run of invoices."""

    def __init__(self, opened: OpenOrders, queue: asyncio.Queue[Shipment], bulk: BulkOrders) -> None:
        super().__init__(opened.run, bulk, queue, opened.store_row, opened.bulk_from)

    def is_plain(self, item: Shipment) -> bool:
        return item.ruling.step in PLAIN and not item.alone

    def row(self, item: Shipment) -> Order | Cancellation:
        return item.change

    def pair(self, item: Shipment) -> Pair:
        return item.pair

    def singly(self, item: Shipment) -> None:
        item.alone = True

    async def carried(self, item: Shipment, answer: str) -> None:
        item.parcel.close()

    def refused(self, item: Shipment, error: RecordRejected) -> bool:
        if error.code in ANOTHER_TRY:
            return False
        item.refused(error)
        return True
