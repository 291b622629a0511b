"""Tags of many members in few calls: through static segments, or one by one when there are few."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from app.domain.errors import RecordRejected
from app.domain.planning import Decision
from app.sync.flight import Flight
from app.sync.pages import Page
from app.sync.ports import RowError
from app.sync.refusing import refuse

MANY = 4  # from so many members on, a call per tag is cheaper than a call per member
LARGEST = 500  # Marketing API: addresses per POST /lists/{list_id}/segments/{segment_id}
LINGER_SECONDS = 0.2


class Tagger:
    """Collects tag changes for a moment, sends them together, then closes the decisions they belong to."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self._waiting: list[tuple[Page, Decision, Sequence[str], Sequence[str]]] = []
        self._lock = asyncio.Lock()

    async def change(self, page: Page, decision: Decision, on: Sequence[str], off: Sequence[str]) -> None:
        """Queue one member's tags. The sender that finds the first of a group waits a moment and sends the group."""
        self._waiting.append((page, decision, on, off))
        if len(self._waiting) == 1:
            if not self._flight.changes.empty():
                await asyncio.sleep(LINGER_SECONDS)
            await self._flush()
        elif len(self._waiting) >= LARGEST:
            await self._flush()

    async def _flush(self) -> None:
        async with self._lock:
            group, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
            if not group:
                return
            try:
                await (self._together(group) if len(group) >= MANY else self._singly(group))
            except RecordRejected as error:  # a tag Mailchimp will not have: the members keep their fields
                for _, decision, _, _ in group:
                    refuse(decision, RowError(error.code, error.message, error.field))
            for page, _, _, _ in group:
                self._flight.close(page)
        if self._waiting:
            await self._flush()

    async def _singly(self, group: Sequence[tuple[Page, Decision, Sequence[str], Sequence[str]]]) -> None:
        for _, decision, on, off in group:
            await self._flight.run.target.set_tags(decision.member_hash or b"", on, off)

    async def _together(self, group: Sequence[tuple[Page, Decision, Sequence[str], Sequence[str]]]) -> None:
        add: defaultdict[str, list[str]] = defaultdict(list)
        remove: defaultdict[str, list[str]] = defaultdict(list)
        for _, decision, on, off in group:
            email = decision.member.email if decision.member is not None else ""
            for tag in on:
                add[tag].append(email)
            for tag in off:
                remove[tag].append(email)
        for tag in sorted({*add, *remove}):
            await self._flight.run.target.tag_many(tag, add[tag], remove[tag])
