"""The readers of a run: which lanes there are, and their pages in order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import pairwise

from app.domain.keyspace import cuts
from app.domain.party import Party, SourcePage
from app.sync.opened import OpenRun
from app.sync.pages import Lane, Page, Position

SMALL = 2000  # parties; fewer are not worth several readers


class Reader:
    """Reads the lanes of a position; one task per lane of keys, so several ranges are read at once.

    A reader that has finished takes over the upper half of what another one still has before it. Bounds are compared
    by the source, so a bad guess of where to cut costs speed only.
    """

    def __init__(self, run: OpenRun, position: Position, changed_since: datetime | None) -> None:
        self._run = run
        self._position = position
        self._since = changed_since
        self._pages: asyncio.Queue[Page | Exception | None] = asyncio.Queue(maxsize=2)
        self._reached: dict[int, str | None] = {}  # lanes of keys that are being read, by identity

    async def lanes(self) -> list[Lane]:
        """The lanes of a run that begins."""
        run = self._run
        if run.row["codes"] is not None or self._since is not None:
            return [Lane("codes")]
        count = await run.source.count()
        if run.pace.readers < 2 or (count is not None and count < SMALL):
            return [Lane("scan")]
        bounds = await run.source.bounds()
        inner = cuts(*bounds, run.pace.readers) if bounds else []
        edges = [None, *inner, None]
        return [Lane("scan", low, high) for low, high in pairwise(edges)]

    async def pages(self) -> AsyncIterator[Page]:
        """Every page of every lane; pages of one lane come in order. Raises what a reader raised."""
        reading = asyncio.create_task(self._read_all())
        try:
            while (page := await self._pages.get()) is not None:
                if isinstance(page, BaseException):
                    raise page
                yield page
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def count_codes(self) -> int | None:
        """How many parties were touched since the lower bound; None when everything is to be read."""
        return None if self._since is None else len(await self._changed(self._since))

    async def everything(self) -> AsyncIterator[tuple[Party, ...]]:
        """All parties the run will see, page by page, without touching its position."""
        if self._since is None:
            pages = self._run.source.scan(None, None)
        else:
            pages = self._run.source.by_codes(await self._changed(self._since))
        async for page in pages:
            yield page.parties

    async def _read_all(self) -> None:
        try:
            async with asyncio.TaskGroup() as readers:
                for lane in self._position.lanes:
                    if not lane.done:
                        readers.create_task(self._read(lane, readers))
        except Exception as error:  # handed to whoever takes the pages
            await self._pages.put(error)
        else:
            await self._pages.put(None)

    async def _read(self, lane: Lane, readers: asyncio.TaskGroup) -> None:
        if lane.kind == "codes":
            await self._read_codes(lane)
        else:
            await self._scan(lane)
            self._help_another(readers)

    async def _scan(self, lane: Lane) -> None:
        """Read a span; begin anew behind the last key when another reader has taken its upper half."""
        self._reached[id(lane)] = lane.after
        while not self._run.stopping:
            until = lane.until
            if await self._scan_until(lane, until):
                del self._reached[id(lane)]
                await self._put(lane, SourcePage((), (), None), last=True)
                return

    async def _scan_until(self, lane: Lane, until: str | None) -> bool:
        async for page in self._run.source.scan(self._reached[id(lane)], until):
            if lane.until != until:
                return False
            self._reached[id(lane)] = page.last_key or self._reached[id(lane)]  # before anybody may cut behind it
            await self._put(lane, page)
            if self._run.stopping or lane.until != until:
                return False
        return lane.until == until

    def _help_another(self, readers: asyncio.TaskGroup) -> None:
        """Take over half of the widest span that is still being read."""
        if self._run.stopping:
            return
        for lane in self._position.lanes:
            reached = self._reached.get(id(lane))
            if reached is None or lane.until is None:
                continue
            middle = cuts(reached, lane.until, 2)
            if middle and len(self._position.lanes) < 64:
                taken = Lane("scan", middle[0], lane.until)
                lane.until = middle[0]
                self._position.lanes.append(taken)
                readers.create_task(self._read(taken, readers))
                return

    async def _read_codes(self, lane: Lane) -> None:
        """Parties named by the run, or touched since the lower bound, in the order of their codes."""
        run = self._run
        if run.row["codes"] is not None:
            codes: Sequence[str] = sorted(set(run.row["codes"]))
        elif self._since is not None:
            codes = await self._changed(self._since)
        else:
            codes = []
        await self._read_these(lane, codes)

    async def _changed(self, since: datetime) -> Sequence[str]:
        """Codes every lane of the source names; each party is read once, whole."""
        codes: set[str] = set()
        async for changes in self._run.source.changes(since):
            codes.update(changes.codes)
        return sorted(codes)

    async def _read_these(self, lane: Lane, codes: Sequence[str]) -> None:
        after = lane.after
        left = [code for code in codes if after is None or code > after]
        async for page in self._run.source.by_codes(left):
            await self._put(lane, page)
            if self._run.stopping:
                return
        await self._put(lane, SourcePage((), (), None), last=True)

    async def _put(self, lane: Lane, page: SourcePage, *, last: bool = False) -> None:
        await self._pages.put(Page(lane, page, last))
