"""What the parts of one run's journey share: open pages, addresses in flight, what is to be remembered."""

import asyncio
from collections.abc import Collection, Iterable

from app.domain.planning import Action, Decision, Owner
from app.sync.announced import Announced
from app.sync.opened import OpenRun
from app.sync.outbox import BatchSize, Outbox, Row
from app.sync.pages import InOrder, Page, Position


class Flight:
    """At most one decision per address is in flight in a run: a later one waits until the earlier page is
    remembered, then is decided anew.

    A page holds its addresses from its planning on, those it must still wait for too, and waits for pages planned
    before it only: so nobody overtakes, and waiting ends.
    """

    def __init__(self, run: OpenRun, position: Position, pages_at_once: int) -> None:
        self.run = run
        self.position = position
        self.order = InOrder()
        self.outbox = Outbox(BatchSize(run.audience_id), run.pace.senders)
        self.changes: asyncio.Queue[Row] = asyncio.Queue()
        self.slots = asyncio.Semaphore(pages_at_once)
        self.seen_dry: dict[bytes, Owner] = {}  # dry runs write no ledger: who owns an address so far
        self._held: dict[bytes, tuple[Page, ...]] = {}  # by address, in the order of planning
        self._planned = 0
        self._released: set[bytes] = set()
        self.announced = Announced(run)

    def planned(self, page: Page) -> None:
        """This page takes its place behind all pages planned before."""
        self._planned += 1
        page.number = self._planned

    def holds_none(self, hashes: Collection[bytes]) -> bool:
        """Whether no page at all holds one of these addresses: true of nearly every page, and quickly said."""
        return self._held.keys().isdisjoint(hashes)

    def blockers(self, page: Page, hashes: Iterable[bytes | None]) -> set[Page]:
        """Pages planned earlier that hold one of these addresses."""
        if not self._held:
            return set()
        holders = (self._held[hash_] for hash_ in hashes if hash_ is not None and hash_ in self._held)
        return {holder for pages in holders for holder in pages if holder.number < page.number}

    def watch_releases(self) -> set[bytes]:
        """Fills, until the next call, with the addresses of pages that are remembered meanwhile: what was looked up
        about them since this call may be out of date."""
        self._released = set()
        return self._released

    def hold(self, page: Page, hashes: Iterable[bytes | None]) -> None:
        """Nobody planned later decides about these addresses until this page is remembered."""
        held, alone = self._held, (page,)
        for hash_ in hashes:
            if hash_ is None:
                continue
            holders = held.get(hash_)
            if holders is None or page not in holders:
                held[hash_] = alone if holders is None else holders + alone
                page.held.append(hash_)

    def close(self, page: Page, count: int = 1) -> None:
        """`count` open matters of a page are settled."""
        page.open -= count
        if page.open == 0:
            self.order.kick()

    def landed(self, page: Page) -> None:
        """A page has been remembered."""
        for hash_ in page.held:
            holders = self._held.pop(hash_)
            if len(holders) > 1:
                self._held[hash_] = tuple(holder for holder in holders if holder is not page)
        self._released.update(page.held)
        page.held.clear()
        page.decisions.clear()
        page.later.clear()
        page.waiting.clear()
        page.remembered.set()
        self.slots.release()

    def dispatch(self, page: Page, decisions: Iterable[Decision]) -> None:
        """Hand the writing decisions of a page to the senders."""
        status = self.run.policy.new_member_status
        rows = [(page, decision) for decision in decisions if decision.writes and not decision.done]
        page.open += len(rows)
        new = [row for row in rows if _is_plainly_new(row[1], status)]
        self.outbox.put(new)
        if len(new) < len(rows):
            for row in rows:
                if not _is_plainly_new(row[1], status):
                    self.changes.put_nowait(row)


def _is_plainly_new(decision: Decision, status: str) -> bool:
    """Whether a batch may carry it: a new member, of nobody who has a member under another address."""
    return decision.action is Action.INSERT and decision.status == status and decision.known.old_status is None
