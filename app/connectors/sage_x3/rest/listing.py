"""Pages of a class: following the links, in sizes that this X3 can bear, with a sure end.

Source: reference/sage-x3.md 5.1 and 5.2; loop guards are D8 of reference/reliability.md.
"""

from collections.abc import AsyncGenerator, Sequence

import msgspec
from msgspec.structs import replace

from app.connectors.sage_x3.failures import QueryFailed, final
from app.connectors.sage_x3.paging import PageSize, prefetched
from app.connectors.sage_x3.rest import where
from app.connectors.sage_x3.rest.answers import ListPage
from app.connectors.sage_x3.rest.client import Api1
from app.connectors.sage_x3.rest.links import with_count
from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient

_EMPTY_TRIES = 3


class Listing(msgspec.Struct, frozen=True):
    """What to page through. Without `order` records come as their class orders them, which is by key."""

    name: str
    representation: str
    where: str = ""
    order: str = ""
    after: str | None = None


class Pager:
    """Reads listings of one X3; the page size is shared."""

    def __init__(self, api: Api1, size: PageSize) -> None:
        self.api = api
        self.size = size
        self._lists: bool | None = None  # whether this X3 knows `in ('A','B')`, which SData leaves optional

    def pages(self, listing: Listing) -> AsyncGenerator[ListPage, None]:
        """All pages, the next one fetched while the caller works on this one."""
        return prefetched(self._walk(listing))

    async def among(self, listing: Listing, column: str, values: Sequence[str]) -> AsyncGenerator[ListPage, None]:
        """Pages of the records whose column has one of these values, beside the listing's own condition."""
        if self._lists is None:
            self._lists = await self._knows_lists(replace(listing, where=where.one_of(column, values)))
        condition = (where.one_of if self._lists else where.any_of)(column, values)
        async for page in self.pages(replace(listing, where=where.both(listing.where, condition))):
            yield page

    async def _knows_lists(self, listing: Listing) -> bool:
        try:
            await self.first(listing)
        except QueryFailed as error:
            if error.kind in ("rights", "volume"):
                raise final(error) from None
            return False
        except (NeedsTenant, Transient) as error:
            if error.code not in ("x3_bad_request", "x3_internal"):
                raise
            return False
        return True

    async def first(self, listing: Listing, count: int = 1) -> ListPage:
        """One short page. A failure inside X3 is tried again once only: what is asked for may be its cause.

        Raises:
            QueryFailed: X3 says why it does not answer, a property the class does not show among the reasons.
            NeedsTenant, Transient, ProtocolMismatch.
        """
        url = self.url(listing, count)

        async def attempt() -> ListPage | Transient:
            try:
                return await self.api.page(url)
            except Transient as error:
                if error.code == "x3_internal":
                    return error
                raise

        found = await self.api.patience.retried(attempt)
        if isinstance(found, Transient):
            found = await self.api.patience.retried(attempt)
        if isinstance(found, Transient):
            raise found
        return found

    def url(self, listing: Listing, count: int) -> str:
        return self.api.list_url(
            listing.name,
            listing.representation,
            count=count,
            where=listing.where,
            order=listing.order,
            after=listing.after,
        )

    async def _walk(self, listing: Listing) -> AsyncGenerator[ListPage, None]:
        url, seen, empty = self.url(listing, self.size.current), set[int](), 0
        while True:
            page = await self._fetch(url)
            yield page
            if page.next_url is None:
                return
            empty = 0 if page.records else empty + 1
            url = self.api.next_url(url, page.next_url)
            mark = hash(with_count(url, 0))
            if mark in seen or empty >= _EMPTY_TRIES:
                raise ProtocolMismatch("x3_endless", "Sage X3 repeats a page or says there is more where nothing is.")
            seen.add(mark)

    async def _fetch(self, url: str) -> ListPage:
        async def attempt() -> ListPage:
            while True:
                try:
                    page = await self.api.page(with_count(url, self.size.current))
                except QueryFailed as error:
                    if error.kind == "volume" and self.size.halve():
                        continue
                    raise final(error) from None
                except Transient as error:
                    if error.code == "x3_volume" and self.size.halve():
                        continue
                    if error.code == "x3_timeout":
                        self.size.halve()
                    raise
                self.size.succeeded()
                return page

        return await self.api.patience.retried(attempt)
