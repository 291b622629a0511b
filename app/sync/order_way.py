"""Pages of documents between reading and remembering."""

import asyncio
from collections.abc import Sequence

from app.sync.order_deciding import Parcel
from app.sync.pages import InOrder


class Way:
    """At most so many documents under way, or one page."""

    def __init__(self, most: int) -> None:
        self.order = InOrder()
        self._most = most
        self._documents = 0
        self._landed = asyncio.Event()
        self._parcels: dict[int, Parcel] = {}

    async def room(self) -> None:
        """Until another page may set out."""
        while self._documents >= self._most:
            self._landed.clear()
            await self._landed.wait()

    def enter(self, parcel: Parcel) -> Parcel:
        self._parcels[id(parcel.page)] = parcel
        self._documents += len(parcel.invoices)
        self.order.add(parcel.page)
        return parcel

    def finished(self, parcel: Parcel) -> None:
        """Everything about it is written: it may be remembered once all before it are."""
        parcel.page.open = 0
        self.order.kick()

    def ready(self) -> Sequence[Parcel]:
        return [self._parcels[id(page)] for page in self.order.ready()]

    def remembered(self, parcels: Sequence[Parcel]) -> None:
        self.order.remove([parcel.page for parcel in parcels])
        for parcel in parcels:
            del self._parcels[id(parcel.page)]
            self._documents -= len(parcel.invoices)
            parcel.page.remembered.set()
        self._landed.set()

    async def landed(self) -> None:
        """Until every page that was read is remembered."""
        while (page := self.order.unfinished()) is not None:
            await page.remembered.wait()
