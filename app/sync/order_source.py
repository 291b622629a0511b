"""The documents of one phase as a Source, so that the reader of members can read them."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from app.db import orders
from app.domain.invoice import InvoicePage, Kind
from app.domain.party import Changes
from app.sync.order_opened import OpenOrders


class Touched:
    """Numbers of documents touched since an instant, and of those that waited for something touched; asked for once."""

    def __init__(self, opened: OpenOrders) -> None:
        self._opened = opened
        self._found: frozenset[str] | None = None

    async def since(self, since: datetime) -> frozenset[str]:
        if self._found is None:
            found: set[str] = set()
            async for changes in self._opened.documents.changes(since):
                found.update(changes.codes)
            found.update(await self._woken(found, since))
            self._found = frozenset(found)
        return self._found

    async def _woken(self, touched: set[str], since: datetime) -> Sequence[str]:
        """Orders whose customer was touched, and credit memos whose original was. The customers' lanes are read only
        while an order waits."""
        run = self._opened.run
        waits_for = [f"document:{number}" for number in touched]
        async with run.database.transaction(run.tenant_id) as connection:
            any_waits = await orders.waits_for_customers(connection, run.tenant_id, run.sync_id)
        if any_waits:
            waits_for += await self._touched_customers(since)
        async with run.database.transaction(run.tenant_id) as connection:
            return await orders.woken(connection, run.tenant_id, run.sync_id, waits_for)

    async def _touched_customers(self, since: datetime) -> Sequence[str]:
        """What orders wait for, of customers that were touched; of all where X3 cannot tell."""
        run, buyers = self._opened.run, self._opened.buyers
        if not await buyers.can_tell_changes():
            async with run.database.transaction(run.tenant_id) as connection:
                return await orders.customers_waited_for(connection, run.tenant_id, run.sync_id)
        return [f"customer:{code}" async for changes in buyers.changes(since) for code in changes.codes]


class Phase:
    """Satisfies ports.Source for one kind of documents; pages are InvoicePages."""

    def __init__(self, opened: OpenOrders, kind: Kind, touched: Touched) -> None:
        self._opened = opened
        self._documents = opened.documents
        self._kind = kind
        self._touched = touched

    async def clock(self) -> datetime:
        return await self._documents.clock()

    async def count(self) -> int | None:
        return await self._documents.count()

    async def bounds(self) -> tuple[str, str] | None:
        return await self._documents.bounds(self._kind)

    def scan(self, after: str | None, until: str | None) -> AsyncIterator[InvoicePage]:
        return self._documents.scan(self._kind, after, until)

    async def can_tell_changes(self) -> bool:
        return await self._documents.can_tell_changes()

    async def changes(self, since: datetime) -> AsyncIterator[Changes]:
        yield Changes("documents", tuple(await self._touched.since(since)))
        if self._kind == "others":
            yield Changes("credit memos", tuple(self._opened.position.also))

    def by_codes(self, codes: Sequence[str]) -> AsyncIterator[InvoicePage]:
        return self._documents.by_codes(codes, self._kind)

    @property
    def warnings(self) -> Sequence[str]:
        return self._documents.warnings
