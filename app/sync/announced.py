"""What was written down before it was sent, and for which pages."""

from collections.abc import Iterable
from uuid import UUID

from app.sync.pages import Page


class Announced:
    """Batch rows by the pages whose records they carry: one is settled when all of those are remembered."""

    def __init__(self) -> None:
        self._carries: dict[UUID, set[Page]] = {}

    def note(self, batch_id: UUID, pages: Iterable[Page]) -> None:
        """A batch carries rows of these pages."""
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
