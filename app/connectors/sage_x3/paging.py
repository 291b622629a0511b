"""Pages of a node: the size that this X3 can bear, rows it refuses, orders it rejects, and a sure end.

Source: reference/sage-x3.md 3.4, 3.5 and 6; loop guards are D8 of reference/reliability.md.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from typing import TypeVar

import msgspec

from app.connectors.sage_x3.documents import PageDocument, Rows
from app.connectors.sage_x3.failures import QueryFailed, final
from app.connectors.sage_x3.filters import Condition, Dialect, both, encoded, nested, ordered
from app.connectors.sage_x3.graphql import GraphQL
from app.connectors.sage_x3.paths import Path, Step
from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient

FLOOR = 10
_EXCLUSIONS_PER_PAGE = 20
_EMPTY_TRIES = 3
_ID: Path = (Step("_id"),)
_STAMP: Path = (Step("_updateStamp"),)

T = TypeVar("T")


class PageSize:
    """Rows per page: halved when X3 runs out of time or volume, a quarter more after ten good full-size pages."""

    def __init__(self, wanted: int) -> None:
        self.wanted = max(1, wanted)
        self.floor = min(FLOOR, self.wanted)
        self.current = self.wanted
        self._good = 0

    def halve(self) -> bool:
        """False when it cannot get any smaller."""
        self._good = 0
        before, self.current = self.current, max(self.floor, self.current // 2)
        return self.current < before

    def succeeded(self) -> None:
        if self.current < self.wanted:
            self._good += 1
            if self._good >= 10:
                self._good = 0
                self.current = min(self.wanted, self.current + max(1, self.current // 4))


class Listing(msgspec.Struct, frozen=True):
    """What to page through. `party` is the path to the party's code, by which refused rows are excluded;
    `by_stamp` orders by change stamp where the node permits it."""

    document: PageDocument
    party: Path
    where: tuple[Condition, ...] = ()
    by_stamp: bool = False


class Page(msgspec.Struct):
    """Rows in order, and codes of parties refused on the way, each reported once per listing."""

    rows: Rows
    refused: Sequence[tuple[str, str]] = ()  # (code, what X3 said)


class Pager:
    """Reads listings of one X3; shared page size."""

    def __init__(self, graphql: GraphQL, size: PageSize, dialect: Dialect) -> None:
        self._graphql = graphql
        self.size = size
        self.dialect = dialect
        self._unsortable: set[str] = set()  # nodes that reject sorting by stamp

    def pages(self, listing: Listing) -> AsyncIterator[Page]:
        """All pages, the next one fetched while the caller works on this one."""
        return prefetched(_Walk(self, listing).pages())

    async def one(self, document: PageDocument, variables: dict[str, object]) -> Rows:
        """A page on its own, outside any listing."""

        return await self._graphql.patiently(lambda: self._graphql.page(document, variables))

    async def fetch(self, listing: Listing, excluded: Sequence[str], cursor: str | None, first: int | None) -> Rows:
        """One page, in sizes X3 can bear. Raises QueryFailed for refused rows only."""

        async def attempt() -> Rows:
            while True:
                size = min(self.size.current, first) if first else self.size.current
                try:
                    rows = await self._graphql.page(listing.document, self._variables(listing, excluded, cursor, size))
                except QueryFailed as error:
                    if error.kind == "rows":
                        raise
                    if error.kind == "volume" and self.size.halve():
                        continue
                    if error.kind in ("other", "volume") and self._drop_order(listing, cursor):
                        continue
                    raise final(error) from None
                except Transient as error:
                    if error.code == "x3_volume" and self.size.halve():
                        continue
                    if error.code == "x3_timeout":
                        self.size.halve()
                    if error.code == "x3_internal" and self._drop_order(listing, cursor):
                        continue
                    raise
                self.size.succeeded()
                return rows

        return await self._graphql.patience.retried(attempt)

    def _drop_order(self, listing: Listing, cursor: str | None) -> bool:
        """Some nodes answer a sort by stamp with a system error: read those by key, the filter stays."""
        if not listing.by_stamp or cursor is not None or listing.document.name in self._unsortable:
            return False
        self._unsortable.add(listing.document.name)
        return True

    def _variables(self, listing: Listing, excluded: Sequence[str], cursor: str | None, size: int) -> dict[str, object]:
        by_stamp = listing.by_stamp and listing.document.name not in self._unsortable
        refusal = nested(listing.party, {"_nin": list(excluded)}) if excluded else None
        where = both(*listing.where, refusal)
        return {
            "first": size,
            "after": cursor,
            "filter": encoded(where, self.dialect) if where else None,
            "orderBy": ordered(_STAMP, _ID) if by_stamp else ordered(_ID),
        }


class _Walk:
    """One pass through a listing."""

    def __init__(self, pager: Pager, listing: Listing) -> None:
        self._pager = pager
        self._listing = listing
        self._excluded: list[str] = []
        self._seen: set[str] = set()
        self._cursors: set[int] = set()

    async def pages(self) -> AsyncGenerator[Page, None]:
        cursor: str | None = None
        empty = 0
        while True:
            page = await self._page(cursor)
            rows = page.rows
            if rows.nodes or rows.unreadable or page.refused or not rows.more:
                empty = 0
                yield page
            else:
                empty += 1
                if empty >= _EMPTY_TRIES:
                    raise ProtocolMismatch("x3_endless", "Sage X3 keeps answering empty pages and says there is more.")
                continue
            if not rows.more:
                return
            cursor = self._next(rows.cursor)

    async def _page(self, cursor: str | None) -> Page:
        """One page without the rows X3 refuses: named ones are excluded and the page is asked for again."""
        refused: list[tuple[str, str]] = []
        first: int | None = None
        tries = 0
        while True:
            try:
                rows = await self._pager.fetch(self._listing, self._excluded, cursor, first)
            except QueryFailed as error:
                tries += 1
                fresh = [code for code in error.codes if code not in self._seen]
                if not fresh:
                    raise NeedsTenant(
                        "x3_rights", f"Sage X3 refuses rows although they are left out: {error.said}"
                    ) from None
                self._seen.update(fresh)
                self._excluded = [*self._excluded[-10 * _EXCLUSIONS_PER_PAGE :], *fresh]
                refused += [(code, error.said) for code in fresh]
                if tries % _EXCLUSIONS_PER_PAGE == 0:
                    first = max(1, (first or self._pager.size.current) // 2)
                continue
            return Page(rows, refused)

    def _next(self, cursor: str | None) -> str:
        if not cursor:
            raise ProtocolMismatch("x3_endless", "Sage X3 says there are more rows but not where.")
        mark = hash(cursor)
        if mark in self._cursors:
            raise ProtocolMismatch("x3_endless", "Sage X3 repeats a page position.")
        self._cursors.add(mark)
        return cursor


async def prefetched(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same items; the next one is under way while the current one is in use."""
    async with aclosing(source):
        task = asyncio.ensure_future(_advance(source))
        try:
            while (found := await task) is not None:
                task = asyncio.ensure_future(_advance(source))
                yield found[0]
        finally:
            if not task.done():
                task.cancel()
            with suppress(BaseException):
                await task


async def _advance(source: AsyncGenerator[T, None]) -> tuple[T] | None:
    try:
        return (await anext(source),)
    except StopAsyncIteration:
        return None
