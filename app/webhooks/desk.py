"""What the deliveries of one process share: paths are looked up, and events stored, for many in one round trip."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import asyncpg

from app.db import webhooks
from app.db.engine import Database
from app.db.webhooks import Arrival, Place
from app.webhooks.together import Together


class PathChanged(Exception):
    """A path has ended, or has another signing secret, since it was looked up: nothing was stored."""


class Bundle(NamedTuple):
    """The events of one delivery, distinct by dedup; `note_use`: the path's last use is to be noted."""

    arrivals: Sequence[Arrival]
    note_use: bool


Noted = Callable[[Place, int, int], None]
"""Told after each commit: where, how many events are new, how many there were."""


class Desk:
    """Deliveries that come at once are one statement and one commit. `noted` must neither raise nor wait."""

    def __init__(self, database: Database, noted: Noted) -> None:
        self._database = database
        self._noted = noted
        self._find: Together[str, asyncpg.Record | None] = Together(self._found)
        self._store: Together[Bundle, bool] = Together(self._stored)

    async def path(self, key_id: str) -> asyncpg.Record | None:
        """The live path with this public part, of any tenant."""
        return await self._find(None, key_id)

    async def store(self, place: Place, bundle: Bundle) -> None:
        """Keep the events of a delivery; committed when this returns. Raises PathChanged."""
        if not await self._store(place, bundle):
            raise PathChanged

    async def _found(self, _lane: object, key_ids: Sequence[str]) -> Sequence[asyncpg.Record | None]:
        rows = await webhooks.find_paths(self._database, list(dict.fromkeys(key_ids)))
        return [rows.get(key_id) for key_id in key_ids]

    async def _stored(self, place: Any, bundles: Sequence[Bundle]) -> Sequence[bool]:
        note_use = any(bundle.note_use for bundle in bundles)
        for arrivals in _rounds(bundles):
            new = await webhooks.store(self._database, place, arrivals, note_use=note_use)
            if new is None:
                return [False] * len(bundles)
            self._noted(place, new, len(arrivals))
            note_use = False
        return [True] * len(bundles)


def _rounds(bundles: Sequence[Bundle]) -> Iterator[list[Arrival]]:
    """All events; none of them twice in one round, since one statement cannot count the same event up twice."""
    left = [arrival for bundle in bundles for arrival in bundle.arrivals]
    while left:
        now = {arrival.dedup: arrival for arrival in reversed(left)}
        chosen = {arrival.id for arrival in now.values()}
        yield [arrival for arrival in left if arrival.id in chosen]
        left = [arrival for arrival in left if arrival.id not in chosen]
