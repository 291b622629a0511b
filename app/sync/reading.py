"""The readers of a run: which lanes there are, and their pages in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from app.domain.drift import DELETED
from app.domain.keyspace import cuts, fraction
from app.domain.member import Skip
from app.domain.party import Party, SourcePage
from app.sync.opened import OpenRun
from app.sync.pages import Lane, Page, Position

SMALL = 2000  # parties; fewer are not worth several readers
WORTH_TAKING = 4.0  # pages another reader must still have before it; taking a half costs it the page it has prefetched
MOST_LANES = 64
SKIPS_A_PAGE = 500


@dataclass(slots=True)
class Span:
    """How far the reader of a lane of keys has come."""

    low: str | None
    reached: str | None
    pages: int = 0

    def left(self, until: str) -> float:
        """Pages this reader still has before it, estimated from those it has read; 0 while that is unknown."""
        if self.reached is None or self.low is None:
            return 0.0
        done = fraction(self.low, self.reached, until)
        return self.pages * (1 - done) / done if done else 0.0


class Reader:
    """Reads the lanes of a position; one task per lane of keys, so several ranges are read at once.

    A reader that has finished takes over the upper half of the longest way another one still has before it. Bounds
    are compared by the source, so a bad guess of where to cut costs speed only.
    """

    def __init__(self, run: OpenRun, position: Position, changed_since: datetime | None) -> None:
        self._run = run
        self._position = position
        self._since = changed_since
        self._pages: asyncio.Queue[Page | Exception | None] = asyncio.Queue(maxsize=2)
        self._spans: dict[int, Span] = {}  # lanes of keys that are being read, by identity
        self._bounds: tuple[str, str] | None = None

    async def lanes(self) -> list[Lane]:
        """The lanes of a run that begins."""
        run = self._run
        if run.row["codes"] is not None or self._since is not None:
            return [Lane("codes")]
        if run.pace.readers < 2:
            return [Lane("scan")]
        count, bounds = await asyncio.gather(run.source.count(), run.source.bounds())
        if count is not None and count < SMALL:
            return [Lane("scan")]
        self._bounds = bounds
        inner = cuts(*self._bounds, run.pace.readers) if self._bounds else []
        edges = [None, *inner, None]
        return [Lane("scan", low, high) for low, high in pairwise(edges)]

    async def pages(self) -> AsyncGenerator[Page, None]:
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
        elif lane.kind == "waiting":
            await self._read_these(lane, sorted(set(self._position.waiting)))
        elif lane.kind in ("again", "recheck"):
            await self._read_these(lane, self._position.again)
        elif lane.kind == "absent":
            await self._give_absent(lane)
        else:
            await self._scan(lane)
            self._help_another(readers)

    async def _scan(self, lane: Lane) -> None:
        """Read a span; begin anew behind the last key when another reader has taken its upper half."""
        low = lane.after or (self._bounds[0] if self._bounds else None)
        span = self._spans[id(lane)] = Span(low, lane.after)
        while not self._run.stopping:
            until = lane.until
            if await self._scan_until(lane, span, until):
                del self._spans[id(lane)]
                await self._put(lane, SourcePage((), (), None), last=True)
                return

    async def _scan_until(self, lane: Lane, span: Span, until: str | None) -> bool:
        async for page in self._run.source.scan(span.reached, until):
            if lane.until != until:
                return False
            span.reached = page.last_key or span.reached  # before anybody may cut behind it
            span.pages += 1
            await self._put(lane, page)
            if self._run.stopping or lane.until != until:
                return False
        return lane.until == until

    def _help_another(self, readers: asyncio.TaskGroup) -> None:
        """Take over half of what the reader with the longest way has before it, if that is worth a reader."""
        if self._run.stopping or len(self._position.lanes) >= MOST_LANES:
            return
        reading = [(lane, self._spans[id(lane)]) for lane in self._position.lanes if id(lane) in self._spans]
        longest = max(reading, key=lambda each: each[1].left(self._end(each[0])), default=None)
        if longest is None or longest[1].left(self._end(longest[0])) < WORTH_TAKING:
            return
        lane, span = longest
        for middle in cuts(span.reached or "", self._end(lane), 2):
            taken = Lane("scan", middle, lane.until)
            lane.until = middle
            self._position.lanes.append(taken)
            readers.create_task(self._read(taken, readers))

    def _end(self, lane: Lane) -> str:
        return lane.until or (self._bounds[1] if self._bounds else "")

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

    async def _give_absent(self, lane: Lane) -> None:
        """Records X3 no longer names, as pages of skips in the order of their keys."""
        left = [Skip(key, code, DELETED, is_active=False) for key, code in sorted(self._position.gone)]
        left = [skip for skip in left if lane.after is None or skip.key > lane.after]
        for start in range(0, len(left), SKIPS_A_PAGE):
            part = left[start : start + SKIPS_A_PAGE]
            await self._pages.put(Page(lane, SourcePage((), (), part[-1].key), False, given=part))
            if self._run.stopping:
                return
        await self._put(lane, SourcePage((), (), None), last=True)

    async def _put(self, lane: Lane, page: SourcePage, *, last: bool = False) -> None:
        await self._pages.put(Page(lane, page, last))
