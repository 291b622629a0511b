"""What a run of invoices needs from the two vendors beside app/sync/ports.py; the connectors satisfy it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from app.domain.commerce import Cancellation, Order, Product, StoreCustomer, StoredOrder
from app.domain.invoice import InvoicePage, Kind
from app.domain.party import Changes
from app.sync.ports import Bulk

BulkOrders = Bulk[Order | Cancellation, str]
"""What put_order() and cancel_order() do, in batches; the answer is the order's id."""


class Documents(Protocol):
    """The sales documents of one Sage X3. Ranges and stamps are those of the selection's companies; numbers are
    answered whatever the company. Only NeedsTenant, Transient and ProtocolMismatch leave it."""

    async def clock(self) -> datetime:
        """As Source.clock()."""
        ...

    async def count(self) -> int | None:
        """Documents of every kind."""
        ...

    async def bounds(self, kind: Kind) -> tuple[str, str] | None:
        """Smallest and largest key of a kind, None when there is none."""
        ...

    def scan(
        self, kind: Kind, after: str | None, until: str | None, *, lines: bool = True
    ) -> AsyncIterator[InvoicePage]:
        """All documents of a kind with after < key <= until, in key order, with their lines (credits without)."""
        ...

    async def can_tell_changes(self) -> bool:
        """As Source.can_tell_changes()."""
        ...

    def changes(self, since: datetime) -> AsyncIterator[Changes]:
        """Numbers of documents that were touched at or after `since`, in themselves or in a line."""
        ...

    def by_codes(
        self, codes: Iterable[str], kind: Kind | None = None, *, lines: bool = True
    ) -> AsyncIterator[InvoicePage]:
        """These documents, in the order of their numbers; absent ones are absent."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """As Source.warnings."""
        ...


class Shop(Protocol):
    """One store. Every call may be repeated; a refusal is a RecordRejected, and concerns that object alone."""

    async def put_product(self, product: Product) -> None:
        """With its variants."""
        ...

    async def put_customer(self, customer: StoreCustomer) -> None:
        """Never opting anybody in; a customer whose address changed is made anew under its id."""
        ...

    async def put_order(self, order: Order) -> None:
        """Raises RecordRejected("product_missing") when the store does not know a product."""
        ...

    async def cancel_order(self, order_id: str, at: datetime) -> None:
        """Cancelled, and worth nothing any more. An absent order counts as done."""
        ...

    async def remove_order(self, order_id: str) -> None:
        """An absent order counts as done."""
        ...

    def orders(self) -> AsyncIterator[Sequence[StoredOrder]]:
        """Every order, in pages; offsets may shift while somebody writes."""
        ...

    async def set_syncing(self, on: bool) -> None:
        """While on, Mailchimp starts no automation for the store."""
        ...
