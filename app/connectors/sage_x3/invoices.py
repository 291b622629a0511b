"""InvoiceSource: the sales documents of one Sage X3 with their lines, whole, in ranges, by change stamps, or by number.

Documents of all companies of a folder come together: readings by range and by stamp are restricted to the companies of
the selection, readings by number are not, so that whoever asks sees what became of a document.

Source: reference/sage-x3.md 4.7, and 6 (traps 6 and 7).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from app.connectors.sage_x3.documents import UNREADABLE, PageDocument, Rows
from app.connectors.sage_x3.filters import Condition, both, encoded, nested, ordered
from app.connectors.sage_x3.graphql import GraphQL
from app.connectors.sage_x3.invoice_children import Children
from app.connectors.sage_x3.invoice_paths import NODE
from app.connectors.sage_x3.invoice_rows import Heads, Totals, Unreadable
from app.connectors.sage_x3.lanes import LaneReader
from app.connectors.sage_x3.paging import Listing, Page, Pager, prefetched
from app.connectors.sage_x3.paths import Lane, Path, Step
from app.connectors.sage_x3.queries import page_document
from app.domain.invoice import CREDITS, Invoice, InvoiceLine, InvoicePage, Kind
from app.domain.party import Changes, Refusal

log = structlog.get_logger(__name__)

_ID: Path = (Step("_id"),)
_STAMP: Path = (Step("_updateStamp"),)
_CODES_AT_ONCE = 100


class _Key(msgspec.Struct):
    key: str | None = msgspec.field(name="_id", default=None)
    id: str | None = None


class InvoiceSource:
    """Satisfies app.sync.order_ports.Documents over GraphQL. Pages come in the order of the documents' keys."""

    def __init__(
        self,
        *,
        root: str,
        graphql: GraphQL,
        pager: Pager,
        paths: dict[str, Path],
        heads: Heads,
        children: Children,
        lanes: Sequence[tuple[Lane, Path]],
        companies: Sequence[str] | None,
    ) -> None:
        self._root = root
        self._graphql = graphql
        self._pager = pager
        self._number = paths["number"]
        self._category = paths["category"]
        self._heads = heads
        self._children = children
        self._lanes = lanes
        self._companies = companies
        self._company = paths["company"]
        self._warnings = [f"{name} is not offered by this X3 and stays empty." for name in heads.missing]
        self._document = PageDocument(page_document(root, NODE, heads.tree.text()), root, NODE, heads.shape.struct)
        self._keys = PageDocument(page_document(root, NODE, "_id"), root, NODE, _Key)

    @property
    def warnings(self) -> Sequence[str]:
        return tuple(self._warnings)

    async def clock(self) -> datetime:
        told, from_server = await self._graphql.patiently(self._graphql.clock)
        if not from_server:
            self._warn("X3 does not tell its time; ours is used, set back by two minutes.")
        return told

    async def count(self) -> int | None:
        """Documents of every kind, of the selection's companies."""
        text = f"query Count($filter:String){{{self._root}{{{NODE}{{query(first:1,filter:$filter){{totalCount}}}}}}}}"
        filter_ = encoded(both(*self._within(None)), self._pager.dialect) if self._companies is not None else None
        data = await self._graphql.patiently(lambda: self._graphql.ask(text, {"filter": filter_}))
        try:
            found = data[self._root][NODE]["query"]["totalCount"]
        except (KeyError, TypeError):
            return None
        return found if isinstance(found, int) else None

    async def bounds(self, kind: Kind) -> tuple[str, str] | None:
        """Smallest and largest key of the documents of a kind."""
        first, last = await asyncio.gather(self._end(kind, descending=False), self._end(kind, descending=True))
        return None if first is None or last is None else (first, last)

    async def _end(self, kind: Kind, *, descending: bool) -> str | None:
        where = encoded(both(*self._within(kind)), self._pager.dialect)
        order = ordered(_ID, descending=descending)
        variables: dict[str, object] = {"first": 1, "after": None, "filter": where, "orderBy": order}
        rows = await self._pager.one(self._keys, variables)
        return rows.nodes[0].key if rows.nodes else None

    def scan(
        self, kind: Kind, after: str | None, until: str | None, *, lines: bool = True
    ) -> AsyncIterator[InvoicePage]:
        """All documents of a kind with after < key <= until; None is open."""
        limits = {name: key for name, key in (("_gt", after), ("_lte", until)) if key is not None}
        ranges = (nested(_ID, limits),) if limits else ()
        listing = Listing(self._document, self._number, (*ranges, *self._within(kind)))
        return prefetched(self._scanned(listing, lines and kind == "others"))

    async def _scanned(self, listing: Listing, with_lines: bool) -> AsyncGenerator[InvoicePage, None]:
        async for page in self._pager.pages(listing):
            yield await self._whole(page, with_lines=with_lines)

    async def can_tell_changes(self) -> bool:
        """Every node has a stamp."""
        return True

    def changes(self, since: datetime) -> AsyncIterator[Changes]:
        """Numbers of documents touched at or after `since`, in themselves or in a line of theirs."""
        return prefetched(self._changes(since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")))

    async def _changes(self, stamp: str) -> AsyncGenerator[Changes, None]:
        for lane, company in self._lanes:
            reader = LaneReader(self._root, NODE, (lane,), self._pager, self._warn)
            within = () if self._companies is None else (nested(company, {"_in": list(self._companies)}),)
            async for found in reader.changes(nested(_STAMP, {"_gte": stamp}), *within):
                yield found

    def by_codes(
        self, codes: Iterable[str], kind: Kind | None = None, *, lines: bool = True
    ) -> AsyncIterator[InvoicePage]:
        """These documents (only those of a kind), of whichever company, in the order of their numbers; numbers that
        X3 no longer has are absent."""
        return prefetched(self._batches(sorted(set(codes)), kind, lines))

    async def _batches(self, codes: list[str], kind: Kind | None, lines: bool) -> AsyncGenerator[InvoicePage, None]:
        while codes:
            some = min(_CODES_AT_ONCE, self._pager.size.current)
            batch, codes = codes[:some], codes[some:]
            where = (nested(self._number, {"_in": batch}), *self._of_kind(kind))
            found: list[Invoice] = []
            refused: list[Refusal] = []
            async for page in self._pager.pages(Listing(self._document, self._number, where)):
                read = await self._whole(page, with_lines=lines and kind != "credits")
                found += read.invoices
                refused += read.refused
            if found or refused:
                found.sort(key=lambda invoice: invoice.number)
                yield InvoicePage((), tuple(refused), batch[-1], tuple(found))

    def _within(self, kind: Kind | None) -> tuple[Condition, ...]:
        companies = () if self._companies is None else (nested(self._company, {"_in": list(self._companies)}),)
        return (*companies, *self._of_kind(kind))

    def _of_kind(self, kind: Kind | None) -> tuple[Condition, ...]:
        if kind is None:
            return ()
        return (nested(self._category, {"_in" if kind == "credits" else "_nin": list(CREDITS)}),)

    async def _whole(self, page: Page, *, with_lines: bool) -> InvoicePage:
        """A page's documents with totals and lines; one that cannot be read is refused alone."""
        heads, rows = self._heads, page.rows
        numbers = [number for row in rows.nodes if (number := heads.number(row)) is not None]
        totals = await self._children.totals(numbers)
        lines, odd = await self._children.lines(numbers) if with_lines else ({}, set())
        refused = [
            Refusal(code, "x3_row_refused", f"Sage X3 refuses this document: {said}") for code, said in page.refused
        ]
        refused += [_unreadable(_number_of(raw), "the row") for raw in rows.unreadable]
        found: list[Invoice] = []
        for row in rows.nodes:
            number = heads.number(row)
            if number in odd:
                refused.append(_unreadable(number, "a line"))
            else:
                self._read(row, totals, lines, found, refused)
        return InvoicePage((), tuple(refused), self._last_key(rows), tuple(found))

    def _read(
        self,
        row: Any,
        totals: dict[str, Totals],
        lines: dict[str, tuple[InvoiceLine, ...]],
        found: list[Invoice],
        refused: list[Refusal],
    ) -> None:
        number = self._heads.number(row) or ""
        try:
            invoice = self._heads.invoice(row, totals.get(number))
        except Unreadable as error:
            refused.append(_unreadable(number, str(error)))
            return
        found.append(msgspec.structs.replace(invoice, lines=lines.get(number, ())))

    def _last_key(self, rows: Rows) -> str | None:
        keys = [self._heads.key(rows.nodes[-1])] if rows.nodes else []
        return keys[-1] if keys else next((key for raw in reversed(rows.unreadable) if (key := _key_of(raw))), None)

    def _warn(self, sentence: str) -> None:
        if sentence not in self._warnings:
            self._warnings.append(sentence)
            log.warning("x3.left_out", stream="invoices", reason=sentence)


def _decoded(raw: bytes) -> _Key:
    try:
        return msgspec.json.decode(raw, type=_Key)
    except UNREADABLE:
        return _Key()


def _key_of(raw: bytes) -> str | None:
    return _decoded(raw).key


def _number_of(raw: bytes) -> str | None:
    found = _decoded(raw)
    return found.id or found.key


def _unreadable(number: str | None, what: str) -> Refusal:
    return Refusal(
        number or "?", "x3_row_unreadable", f"Sage X3 gave this document in a shape that cannot be read: {what}."
    )
