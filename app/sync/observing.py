"""Who is told what the engine does. The engine knows no metrics: whoever runs it passes an observer in."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID


class Observer(Protocol):
    """Is told after the fact; never raises and never waits, since the engine is waiting for it."""

    def claimed(self, taken_over: bool) -> None:
        """A run is in hand; `taken_over` when its holder had let the lease run out."""
        ...

    def remembered(self, tenant_id: UUID, sync_id: UUID, pages: int, counts: Mapping[str, int]) -> None:
        """Pages are committed; `counts` as in a run: read, created, updated, unchanged, skipped, rejected."""
        ...

    def sliced(self, result: str, seconds: float) -> None:
        """The run is no longer in hand: ended, put_off, sliced, halted, lost or broken."""
        ...

    def finished(self, state: str) -> None:
        """A run has reached its final state."""
        ...


class Silent:
    """Tells nobody."""

    def claimed(self, taken_over: bool) -> None: ...
    def remembered(self, tenant_id: UUID, sync_id: UUID, pages: int, counts: Mapping[str, int]) -> None: ...
    def sliced(self, result: str, seconds: float) -> None: ...
    def finished(self, state: str) -> None: ...


SILENT = Silent()
