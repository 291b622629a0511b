"""What the parts of one run's journey share: open pages, addresses in flight, what is to be remembered."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

from app.domain.planning import Action, Decision
from app.sync.opened import OpenRun
from app.sync.outbox import BatchSize, Outbox, Row
from app.sync.pages import InOrder, Page, Position


class Flight:
    """At most one decision per address is in flight in a run: a later one waits until the earlier page is
    remembered, then is decided anew. Waiting always points to pages that were planned earlier, so it ends."""

    def __init__(self, run: OpenRun, position: Position, pages_at_once: int) -> None:
        self.run = run
        self.position = position
        self.order = InOrder()
        self.outbox = Outbox(BatchSize(run.audience_id), run.pace.senders)
        self.changes: asyncio.Queue[Row] = asyncio.Queue()
        self.slots = asyncio.Semaphore(pages_at_once)
        self.seen_dry: dict[bytes, str] = {}  # dry runs write no ledger: who owns an address so far
        self._claims: dict[bytes, Page] = {}
        self._carries: dict[UUID, set[Page]] = {}

    def blockers(self, page: Page, hashes: Iterable[bytes | None]) -> set[Page]:
        """Other open pages that are about to write one of these addresses."""
        found = {self._claims[hash_] for hash_ in hashes if hash_ is not None and hash_ in self._claims}
        found.discard(page)
        return found

    def claim(self, page: Page, decision: Decision) -> None:
        """This page writes these addresses until it is remembered."""
        if decision.writes or decision.remember:
            for hash_ in (decision.member_hash, decision.known.member_hash):
                if hash_ is not None:
                    self._claims[hash_] = page

    def close(self, page: Page, count: int = 1) -> None:
        """`count` open matters of a page are settled."""
        page.open -= count
        if page.open == 0:
            self.order.kick()

    def announced(self, batch_id: UUID, pages: Iterable[Page]) -> None:
        """A batch carries rows of these pages."""
        carried = self._carries[batch_id] = set(pages)
        for page in carried:
            page.batches.add(batch_id)

    def settled_by(self, pages: Iterable[Page]) -> list[UUID]:
        """Batches all of whose pages are remembered once these are."""
        settled = []
        for page in pages:
            for batch_id in page.batches:
                self._carries[batch_id].discard(page)
                if not self._carries[batch_id]:
                    settled.append(batch_id)
                    del self._carries[batch_id]
        return settled

    def landed(self, page: Page) -> None:
        """A page has been remembered."""
        for decision in page.decisions:
            for hash_ in (decision.member_hash, decision.known.member_hash):
                if hash_ is not None and self._claims.get(hash_) is page:
                    del self._claims[hash_]
        page.decisions.clear()
        page.remembered.set()
        self.slots.release()

    def dispatch(self, page: Page, decisions: Iterable[Decision]) -> None:
        """Hand the writing decisions of a page to the senders."""
        for decision in decisions:
            if not decision.writes or decision.done:
                continue
            page.open += 1
            if decision.action is Action.INSERT:
                self.outbox.put((page, decision))
            else:
                self.changes.put_nowait((page, decision))
