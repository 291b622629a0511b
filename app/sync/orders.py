"""The journey of a sales document, on one screen: credit memos first, then the orders they take something back of."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from app.db import runs
from app.domain.invoice import Kind
from app.sync.order_deciding import OrderDecider, Parcel, parcel_of
from app.sync.order_ledger import remember
from app.sync.order_opened import OpenOrders, OrderPosition
from app.sync.order_reconciling import OrderReconciler
from app.sync.order_source import Phase, Touched
from app.sync.order_way import Way
from app.sync.order_writing import OrderWriter
from app.sync.pages import Lane
from app.sync.reading import Reader
from app.sync.run import Helpers

PHASES: tuple[Kind, ...] = ("credits", "others")
DOCUMENTS_AT_ONCE = 400  # being written; with those being read they are all that memory holds


async def carry_orders(opened: OpenOrders) -> bool:
    """Carry one slice of a run of invoices. True when nothing is left, False when the slice ended or was cancelled.

    Each document is read once: credit memos are noted before any order is made, so every order is written with what
    it is worth. Pages are ruled about and written several at a time and remembered in the order in which they were
    read. Every call is one that may be repeated, so a run taken up again after a crash ends in the same store.

    Raises: LeaseLost, NeedsTenant, Transient, ProtocolMismatch.
    """
    if opened.reconciler is not None:
        await opened.reconciler.copy_store(opened.position)
    if not await _phases(opened):
        return False
    if opened.reconciler is not None and not await _find_deleted(opened, opened.reconciler):
        return False
    return not opened.run.stopping


async def _phases(opened: OpenOrders) -> bool:
    """Both kinds of documents, one after the other, from where the position stands."""
    run, position = opened.run, opened.position
    touched, asked_for = Touched(opened), run.row["codes"]
    for phase in PHASES[PHASES.index(position.phase) if position.phase else 0 :]:
        if position.phase != phase:
            position.phase, position.lanes = phase, [Lane("again")] if position.round else []
        run.source = Phase(opened, phase, touched)
        if asked_for is not None:
            run.row = {**run.row, "codes": sorted({*asked_for, *position.also})}
        if not position.lanes:
            position.lanes, _ = await asyncio.gather(Reader(run, position, run.since).lanes(), _note_expected(opened))
        if not await _journey(opened):
            return False
    return True


async def _find_deleted(opened: OpenOrders, reconciler: OrderReconciler) -> bool:
    """The scan is complete: ask by name for what it did not meet, take down what X3 no longer has."""
    position = opened.position
    if position.round == 0:
        _begin_round(position, 1, await reconciler.unseen())
    if not await _phases(opened):
        return False
    if position.round == 1:
        _begin_round(position, 2, await _take_down(opened, await reconciler.deleted()))
        if not await _phases(opened):
            return False
    await reconciler.forget()
    return True


async def _take_down(opened: OpenOrders, parcels: Sequence[Parcel]) -> Sequence[str]:
    """Write and remember pages of documents that X3 has deleted; the invoices to look at because of them."""
    async with Helpers() as helpers:
        writer = OrderWriter(opened, helpers)
        for parcel in parcels:
            await helpers.watch(writer.carry(parcel))
            await remember(opened, [parcel], writer.announced.settled_by([parcel.page]))
    return sorted({number for parcel in parcels for number in parcel.also})


def _begin_round(position: OrderPosition, number: int, codes: Sequence[str]) -> None:
    """These documents are looked at (again), credit memos first."""
    position.round, position.again, position.phase, position.lanes = number, list(codes), None, []


async def _note_expected(opened: OpenOrders) -> None:
    """How many documents there are, once, when all of them are read."""
    run = opened.run
    if opened.is_backfill and run.row["expected_records"] is None:
        expected = await opened.documents.count()
        async with run.database.transaction(run.tenant_id) as connection:
            await runs.expect(connection, run.tenant_id, run.run_id, expected)


async def _journey(opened: OpenOrders) -> bool:
    """One phase: its pages through the readers, the writers and the ledger."""
    beside = 0 if opened.bulk is None else opened.bulk_from + opened.bulk.largest  # what waits for a batch, and one
    way = Way(DOCUMENTS_AT_ONCE + beside)
    async with Helpers() as helpers:
        writer = OrderWriter(opened, helpers)
        helpers.start(_remember(opened, way, writer))
        await helpers.watch(_read_and_carry(opened, way, writer))
        await helpers.watch(way.landed())
    return all(lane.done for lane in opened.position.lanes)


async def _read_and_carry(opened: OpenOrders, way: Way, writer: OrderWriter) -> None:
    run = opened.run
    reader = Reader(run, opened.position, run.since)
    decider = OrderDecider(opened)

    async def carry(parcel: Parcel) -> None:
        await decider.plan(parcel)
        await writer.carry(parcel)
        way.finished(parcel)

    async with aclosing(reader.pages()) as source, asyncio.TaskGroup() as pages:
        if opened.is_backfill:
            pages.create_task(opened.mirror.refresh())
        async for page in source:
            await way.room()
            run.stopping = run.stopping or run.cancelled or run.slice_is_over
            pages.create_task(carry(way.enter(parcel_of(page))))


async def _remember(opened: OpenOrders, way: Way, writer: OrderWriter) -> None:
    """Commit completed pages in lane order; one writer, so the position never runs ahead."""
    while True:
        parcels = way.ready()
        if parcels:
            await remember(opened, parcels, writer.announced.settled_by(parcel.page for parcel in parcels))
            way.remembered(parcels)
        else:
            await way.order.wait()
