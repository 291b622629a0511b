"""The journey of a record, on one screen: read, decide, write, remember."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from app.db import runs
from app.sync.deciding import Decider
from app.sync.flight import Flight
from app.sync.ledger import keep_orphans, remember
from app.sync.mirror import Mirror
from app.sync.opened import OpenRun
from app.sync.pages import Lane, Position
from app.sync.reading import Reader
from app.sync.reconciling import Reconciler
from app.sync.recovering import LeftBehind
from app.sync.writing import Writer

PAGES_AHEAD = 6  # beside those on their way to Mailchimp; each page of 500 records is about half a megabyte
AT_THE_READY = 2  # senders whose batch is written down and encoded while all calls that are allowed are under way


async def carry(run: OpenRun) -> bool:
    """Carry one slice of a run: every change since its lower bound, from Sage X3 into Mailchimp.

    Pages are read ahead, decided one after the other, written by `pace.senders` calls at once and remembered in the
    order in which they were read, each in one transaction. True when nothing is left; False when the slice ended or
    somebody asked to cancel. Delivery is at least once and every call may be repeated, so a run that is taken up
    again after a crash ends in the same audience.

    Raises: LeaseLost, NeedsTenant, Transient, ProtocolMismatch, Halted (the worst one when several happened).
    """
    position = await _position(run)
    position.measured = position.measured or run.brake is None
    position.twice = position.twice or (run.brake is not None and run.brake.reads_twice)
    if run.reconciler is not None:
        await run.reconciler.copy_audience(position)
    if not await _journey(run, position) or not await _release(run, position) or not await _look_again(run, position):
        return False
    return run.reconciler is None or await _find_deleted(run, run.reconciler, position)


async def _find_deleted(run: OpenRun, reconciler: Reconciler, position: Position) -> bool:
    """The scan is complete: ask by name for what it did not meet, let go of what X3 no longer has, report the rest."""
    if codes := await reconciler.unseen():
        position.again, position.lanes = list(codes), [Lane("recheck")]
        if not await _journey(run, position):
            return False
    if gone := await reconciler.deleted():
        position.gone, position.lanes = [(skip.key, skip.code) for skip in gone], [Lane("absent")]
        if not await _journey(run, position):
            return False
    if not await _look_again(run, position):
        return False
    await keep_orphans(run, await reconciler.report_orphans())
    await reconciler.forget()
    return True


async def _release(run: OpenRun, position: Position) -> bool:
    """The records that waited for the brake, once it lets the run go. Raises Halted when it does not."""
    if run.stopping:
        return False
    if run.brake is not None:
        run.brake.judge(position.would)
        run.brake, position.measured = None, True
    if position.twice:
        position.twice, position.second = False, True
        position.lanes = await Reader(run, position, run.since).lanes()
    elif position.waiting and position.lanes[0].kind != "waiting":
        position.lanes = [Lane("waiting")]
    if not await _journey(run, position):
        return False
    position.waiting = []
    return not run.stopping


async def _look_again(run: OpenRun, position: Position) -> bool:
    """Records whose address became free or whose owner changed while the others were carried."""
    while position.also and not run.stopping:
        position.again, position.also = sorted(position.also), []
        position.looks += 1
        position.lanes = [Lane("again")]
        if not await _journey(run, position):
            return False
    return not run.stopping


async def _position(run: OpenRun) -> Position:
    """Where to begin, or to go on."""
    if run.position is not None:
        return run.position
    position = Position()
    position.lanes = await Reader(run, position, run.since).lanes()
    await _note_expected(run)
    return position


async def _note_expected(run: OpenRun) -> None:
    if run.row["codes"] is None and run.since is None:
        count = await run.source.count()
        async with run.database.transaction(run.tenant_id) as connection:
            await runs.expect(connection, run.tenant_id, run.run_id, count)


async def _journey(run: OpenRun, position: Position) -> bool:
    """Carry what the lanes of a position still have; True when that is nothing any more."""
    if all(lane.done for lane in position.lanes):
        return True
    flight = Flight(run, position, pages_at_once=run.pace.senders + PAGES_AHEAD)
    left_behind = LeftBehind(run)
    if run.row["attempt"] > 1:
        await left_behind.load()
    writer = Writer(flight, left_behind)
    async with Helpers() as helpers:
        if not run.dry:
            helpers.start(writer.announce_changes())
        for _ in range(0 if run.dry else run.pace.senders + AT_THE_READY):
            helpers.start(writer.insert_batches())
            helpers.start(writer.carry_changes())
        if run.bulk is not None and not run.dry:
            helpers.start(writer.carry_bulk())
        helpers.start(_remember(run, flight))
        await helpers.watch(_read_and_decide(run, flight, left_behind))
        flight.outbox.drain()
        await helpers.watch(_landed(flight))
    return all(lane.done for lane in position.lanes)


async def _read_and_decide(run: OpenRun, flight: Flight, left_behind: LeftBehind) -> None:
    reader = Reader(run, flight.position, run.since)
    mirror = Mirror(run)
    async with asyncio.TaskGroup() as late:
        if run.first:
            late.create_task(mirror.refresh())
        decider = Decider(flight, mirror, left_behind, late)
        async for page in reader.pages():
            await flight.slots.acquire()
            run.stopping = run.stopping or run.cancelled or run.slice_is_over
            flight.order.add(page)
            await decider.plan(page)
        flight.outbox.drain()


async def _remember(run: OpenRun, flight: Flight) -> None:
    """Commit completed pages in lane order; one writer, so the position never runs ahead."""
    while True:
        pages = flight.order.ready()
        if pages:
            if run.keeper is not None and run.brake is None:
                pages = pages[:1]
                await run.keeper.keep(pages[0])
            await remember(run, pages, flight.position, flight.announced.settled_by(pages))
            flight.order.remove(pages)
            for page in pages:
                flight.landed(page)
        else:
            await flight.order.wait()


async def _landed(flight: Flight) -> None:
    """Until every page that was read is remembered."""
    while (page := flight.order.unfinished()) is not None:
        await page.remembered.wait()


class Helpers:
    """Background tasks of a journey. The first failure ends the journey with that error."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Helpers":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end unless a helper fails first."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await asyncio.wait({task, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
                for helper in self._tasks:
                    if helper.done():
                        helper.result()
            task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
