"""What was written down before it was sent, and for which pages."""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID, uuid4

from app.db import batches
from app.sync.opened import LeaseLost, OpenRun
from app.sync.pages import Page

CONFLICT_POLL_SECONDS = 0.5


class Announced:
    """Batch rows by the pages whose records they carry: one is settled when all of those are remembered."""

    def __init__(self, run: OpenRun) -> None:
        self._run = run
        self._carries: dict[UUID, set[Page]] = {}

    async def write(self, kind: str, target: UUID, pairs: Sequence[tuple[bytes, bytes]], pages: Iterable[Page]) -> None:
        """Write down what is about to be sent for these pages, once no call of somebody else may still be changing one
        of these (hash, fingerprint) members of an audience, or orders of a store, into something else. Inserts change
        nobody, so they wait for nobody.

        Raises LeaseLost, and nothing may be sent, when the run is no longer ours.
        """
        run, batch_id = self._run, uuid4()
        tenant, run_id, fence = run.tenant_id, run.run_id, run.fence
        while True:
            async with run.database.transaction(tenant) as connection:
                if kind == "insert" or not await batches.conflicting(
                    connection, tenant, target, run_id, fence, run.pace.settle_seconds, pairs
                ):
                    made = await batches.announce(
                        connection, tenant, batch_id, run_id, fence, target, kind, batches.packed(pairs)
                    )
                    break
            await asyncio.sleep(CONFLICT_POLL_SECONDS)
        if not made:
            raise LeaseLost
        carried = self._carries[batch_id] = set(pages)
        for page in carried:
            page.batches.add(batch_id)

    def settled_by(self, pages: Iterable[Page]) -> list[UUID]:
        """Batches all of whose pages are remembered once these are. To be asked once for each page."""
        settled = []
        for page in pages:
            for batch_id in page.batches:
                self._carries[batch_id].discard(page)
                if not self._carries[batch_id]:
                    settled.append(batch_id)
                    del self._carries[batch_id]
        return settled
