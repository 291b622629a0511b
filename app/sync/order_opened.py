"""A run of invoices that has been opened: the run itself, both ends of it, and its place."""

import asyncio
import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from app.connectors.mailchimp.commerce_payloads import order_body
from app.domain.commerce import Order
from app.domain.invoice import Kind
from app.domain.order_mapping import CompiledOrders
from app.domain.ordering import NOTHING_BACK, Credit, Rules
from app.sync.mirror import Mirror
from app.sync.opened import OpenRun
from app.sync.order_ports import BulkOrders, Documents, Shop
from app.sync.pages import Position
from app.sync.ports import Source
from app.sync.run import AT_THE_READY
from app.sync.store_shelf import Shelf

if TYPE_CHECKING:
    from app.sync.order_reconciling import OrderReconciler


class OrderPosition(Position):
    """`phase` is which documents the lanes read; `wide` that those of every company are read, since the sync means
    something else than before. `also` are invoices to look at because of a credit memo.

    `round` of a reconcile run: 0 the scan, 1 what the scan did not meet, 2 what deleted credit memos gave back."""

    phase: Kind | None = None
    wide: bool = False
    round: int = 0


@dataclass(slots=True)
class OpenOrders:
    """`run.source` is set anew for each phase; `store_row` is our id of the store; `buyers` reads customers."""

    run: OpenRun
    documents: Documents
    buyers: Source
    compiled: CompiledOrders
    rules: Rules
    shop: Shop
    store_row: UUID
    position: OrderPosition
    reconciler: "OrderReconciler | None" = None
    bulk: BulkOrders | None = None
    bulk_from: int = 0  # orders waiting; from so many on a batch of operations is made
    mirror: Mirror = field(init=False)
    gate: asyncio.Semaphore = field(init=False)  # calls at Mailchimp at once, and a few at the ready
    shelf: Shelf = field(init=False)
    credits_seen: defaultdict[str, Credit] = field(default_factory=lambda: defaultdict(lambda: NOTHING_BACK))

    def __post_init__(self) -> None:
        self.mirror = Mirror(self.run)
        self.gate = asyncio.Semaphore(self.run.pace.senders + AT_THE_READY)
        self.shelf = Shelf(self.run, self.store_row, self.gate)

    @property
    def is_backfill(self) -> bool:
        """Everything is read, so that what is written is mostly history."""
        return self.run.row["lower_bound"] is None and self.run.row["codes"] is None

    def print(self, order: Order) -> bytes:
        """As domain.order_planning.Print."""
        return hashlib.sha256(self.store_row.bytes + order_body(order)).digest()[:16]
