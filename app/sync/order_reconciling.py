"""Reconcile a store: orders it lost or that somebody changed there, and documents that X3 has deleted.

Absences, the drift report and the brake on deletions are those of members (app/sync/reconciling.py).
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import asyncpg

from app.db import orders, reconciling
from app.domain.drift import CHANGED, DELETED, MISSING
from app.domain.invoice import InvoicePage
from app.domain.order_planning import IN_STORE, TAKEN_DOWN, Ruling, Step
from app.domain.ordering import exact
from app.domain.planning import UNKNOWN, Outcome
from app.sync.opened import OpenRun
from app.sync.order_deciding import Parcel
from app.sync.order_opened import OrderPosition
from app.sync.order_ports import Shop
from app.sync.pages import Lane, Page
from app.sync.reconciling import REPAIRABLE, Reconciler

TOGETHER = 100  # deleted documents in one page


class OrderReconciler:
    """The comparing part of one reconcile run of invoices; the run itself reads and writes as a full one does."""

    def __init__(self, run: OpenRun, shop: Shop) -> None:
        self._run = run
        self._shop = shop
        self._common = Reconciler(run)
        wanted = (run.sync.get("reconcile") or {}).get("repair")
        self._repaired = set(REPAIRABLE if wanted is None else wanted)

    async def copy_store(self, position: OrderPosition) -> None:
        """Keep what every order of the store is worth and its status, as a digest. Once in a run's life."""
        run = self._run
        if position.copied:
            return
        async with run.database.transaction(run.tenant_id) as connection:
            await reconciling.forget(connection, run.tenant_id, run.run_id)
        async for page in self._shop.orders():
            kept = {_place(o.id): _worth(o.order_total, o.financial_status) for o in page}
            rows: list[tuple[bytes, bytes, Sequence[str], None]] = [(at, worth, (), None) for at, worth in kept.items()]
            async with run.database.transaction(run.tenant_id) as connection:
                await reconciling.copy_members(connection, run.tenant_id, run.run_id, rows)
        position.copied = True

    async def compare(self, rulings: Sequence[Ruling]) -> Counter[str]:
        """Orders that X3 has not changed but the store has: to be put again, where the sync wants that."""
        run = self._run
        same = [ruling for ruling in rulings if ruling.outcome is Outcome.UNCHANGED and ruling.order is not None]
        if not same:
            return Counter()
        async with run.database.transaction(run.tenant_id) as connection:
            places = [_place(ruling.number) for ruling in same]
            found = await reconciling.copied(connection, run.tenant_id, run.run_id, places)
        drifted: Counter[str] = Counter()
        for ruling in same:
            there = found.get(_place(ruling.number))
            drift = MISSING if there is None else CHANGED if there.fields != _expected(ruling) else None
            if drift is not None:
                drifted[drift] += 1
                if drift in self._repaired:
                    ruling.step, ruling.outcome, ruling.remember = Step.PUT, Outcome.UPDATED, True
        return drifted

    async def saw(self, connection: asyncpg.Connection, parcels: Sequence[Parcel]) -> None:
        """Note the numbers of pages that are being remembered, and what has drifted on them."""
        run = self._run
        numbers = [ruling.number for parcel in parcels for ruling in parcel.rulings if ruling.reason != DELETED]
        if numbers:
            await reconciling.saw(connection, run.tenant_id, run.run_id, numbers)
        drifted = sum((parcel.drifted for parcel in parcels), Counter())
        if drifted:
            before = run.row["drift"] or {}
            await self._common.note(connection, {name: before.get(name, 0) + n for name, n in drifted.items()})

    async def unseen(self) -> Sequence[str]:
        """Numbers to be asked for by name, since the scan did not meet them."""
        return await self._common.unseen()

    async def deleted(self) -> Sequence[Parcel]:
        """Documents X3 did not name in two complete scans: their orders are taken down, what their credit memos took
        is given back. Raises Halted when they are too many."""
        run = self._run
        numbers = [skip.key for skip in await self._common.deleted()]
        parcels = []
        for at in range(0, len(numbers), TOGETHER):
            some = numbers[at : at + TOGETHER]
            async with run.database.transaction(run.tenant_id) as connection:
                known = await orders.known_documents(connection, run.tenant_id, run.sync_id, some)
                taken = await orders.taken_back_by(connection, run.tenant_id, run.sync_id, some)
            parcel = Parcel(Page(Lane("absent"), InvoicePage((), (), None), True), {})
            for number in some:
                flags = known.get(number, UNKNOWN).flags
                standing = flags & (IN_STORE | TAKEN_DOWN) == IN_STORE
                step = Step.CANCEL if standing else Step.CREDIT if number in taken else Step.NONE
                parcel.rulings.append(
                    Ruling(
                        number,
                        step,
                        Outcome.SKIPPED,
                        DELETED,
                        known=known.get(number, UNKNOWN),
                        flags=flags | TAKEN_DOWN if standing else flags,
                    )
                )
            parcel.dropped = list(taken)
            parcel.also = [each.original for each in taken.values()]
            parcels.append(parcel)
        return parcels

    async def forget(self) -> None:
        """The copies are no longer needed."""
        await self._common.forget()


def _expected(ruling: Ruling) -> bytes:
    order = ruling.order
    return _worth(order.total, order.financial_status) if order is not None else b""


def _worth(total: Decimal, status: str | None) -> bytes:
    return _place(f"{exact(total)}\x1f{status or ''}")


def _place(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]
