"""RestInvoices: the sales documents of one Sage X3 over api1, with their lines, as app.sync.order_ports.Documents.

Lists of SINVOICEV show headers at best, lines are in single records. What a list does not show cannot be asked for by
`where` either: company and category are then compared here.
Source: reference/sage-x3.md 4.7 and 5.2.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime

import structlog

from app.connectors.sage_x3.failures import QueryFailed, final
from app.connectors.sage_x3.invoice_rows import Unreadable
from app.connectors.sage_x3.paging import prefetched
from app.connectors.sage_x3.rest import where
from app.connectors.sage_x3.rest.details import Details
from app.connectors.sage_x3.rest.invoice_rows import Rows
from app.connectors.sage_x3.rest.lanes import Lane, LaneReader
from app.connectors.sage_x3.rest.listing import Listing, Pager
from app.connectors.sage_x3.rest.paths import Path, Record
from app.connectors.sage_x3.rest.products import Products
from app.connectors.sage_x3.rest.settings import RestClass
from app.connectors.sage_x3.values import text
from app.domain.errors import NeedsTenant
from app.domain.invoice import CREDITS, Invoice, InvoicePage, Kind
from app.domain.party import Changes, Refusal

log = structlog.get_logger(__name__)

_AT_ONCE = 40


class RestInvoices:
    """Pages come in the order of the documents' numbers. `known` are the columns verification saw, None when it has
    not; `listed` those of lists."""

    def __init__(
        self,
        *,
        key: str,
        class_: RestClass,
        products: tuple[RestClass, str, dict[str, Path]],
        paths: dict[str, Path],
        fields: Sequence[str],
        companies: Sequence[str] | None,
        pager: Pager,
        listed: Collection[str] = (),
        known: Collection[str] | None = None,
    ) -> None:
        self._key = key
        self._class = class_
        self._paths = paths
        self._rows = Rows(key, paths, fields)
        self._companies = companies
        self._pager = pager
        self._listed = set(listed)
        self._known = known
        self._asked: set[str] = set()  # columns that conditions name
        self._unasked: set[str] = set()  # those they must not
        self._tried: set[str] = set()
        self._warnings = [f"{name} is not shown by {class_.name} and stays empty." for name in self._rows.missing]
        self._details = Details(pager.api, class_.name, class_.representation, key)
        self._products = Products(*products, pager, self._warn)

    @property
    def warnings(self) -> Sequence[str]:
        return tuple(self._warnings)

    async def clock(self) -> datetime:
        url = self._pager.url(self._listing(), 1)
        told, from_server = await self._pager.api.patiently(lambda: self._pager.api.clock(url))
        if not from_server:
            self._warn("X3 does not tell its time; ours is used, set back by two minutes.")
        return told

    async def count(self) -> int | None:
        """api1 does not say."""
        return None

    async def bounds(self, kind: Kind) -> tuple[str, str] | None:
        """Smallest and largest number of a kind; None also where this X3 does not sort downwards."""
        condition = await self._condition(kind)
        ends = [await self._end(condition, order) for order in (self._key, f"{self._key} desc")]
        return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])

    async def _end(self, condition: str, order: str) -> str | None:
        listing = Listing(self._class.name, self._class.representation, condition, order)
        try:
            page = await self._pager.first(listing)
        except QueryFailed:
            return None
        return text(page.records[0].get(self._key)) if page.records else None

    def scan(
        self, kind: Kind, after: str | None, until: str | None, *, lines: bool = True
    ) -> AsyncIterator[InvoicePage]:
        """All documents of a kind with after < number <= until; None is open."""
        return prefetched(self._scanned(kind, after, until, lines and kind == "others"))

    async def _scanned(
        self, kind: Kind, after: str | None, until: str | None, with_lines: bool
    ) -> AsyncGenerator[InvoicePage, None]:
        limit = where.at_most(self._key, until) if until is not None else ""
        condition = await self._condition(kind)
        async for page in self._pager.pages(self._listing(after, where.both(limit, condition))):
            records = self._keyed(page.records)
            if records:
                yield await self._whole(records, kind, with_lines=with_lines, within=True)

    async def can_tell_changes(self) -> bool:
        """Whether changes() names every document that was touched; asks X3."""
        return await (await self._lanes()).can_tell()

    def changes(self, since: datetime) -> AsyncIterator[Changes]:
        """Numbers of documents touched at or after `since`. A line's change shows in its document's totals, and so in
        its stamp."""
        return prefetched(self._changes(since))

    async def _changes(self, since: datetime) -> AsyncGenerator[Changes, None]:
        async for found in (await self._lanes()).changes(since):
            yield found

    async def _lanes(self) -> LaneReader:
        lane = Lane("invoices", self._key, only=await self._company_condition())
        return LaneReader((lane,), {"invoices": self._class}, self._pager, self._warn)

    def by_codes(
        self, codes: Iterable[str], kind: Kind | None = None, *, lines: bool = True
    ) -> AsyncIterator[InvoicePage]:
        """These documents (only those of a kind), of whichever company, in the order of their numbers; numbers that
        X3 no longer has are absent."""
        return prefetched(self._batches(sorted(set(codes)), kind, lines))

    async def _batches(self, codes: list[str], kind: Kind | None, lines: bool) -> AsyncGenerator[InvoicePage, None]:
        for at in range(0, len(codes), _AT_ONCE):
            batch = codes[at : at + _AT_ONCE]
            records: list[Record] = []
            async for page in self._pager.among(self._listing(), self._key, batch):
                records += self._keyed(page.records)
            if not records:
                continue
            found = await self._whole(records, kind, with_lines=lines and kind != "credits", within=False)
            if found.invoices or found.refused:
                invoices = sorted(found.invoices, key=lambda invoice: invoice.number)
                yield InvoicePage((), found.refused, batch[-1], tuple(invoices))

    async def _condition(self, kind: Kind) -> str:
        """What X3 can be asked for; the rest is compared here. Tried once: a column that has gone since is dropped."""
        condition = where.both(await self._company_condition(), await self._kind_condition(kind))
        if condition and condition not in self._tried:
            try:
                await self._pager.first(self._listing(None, condition))
            except QueryFailed as error:
                if self._asked.isdisjoint(error.fields):
                    raise final(error) from None
                self._drop(error.fields)
                return await self._condition(kind)
            self._tried.add(condition)
        return condition

    def _drop(self, columns: Sequence[str]) -> None:
        self._asked.difference_update(columns)
        self._unasked.update(columns)
        names = ", ".join(columns)
        self._warn(f"{self._class.name} does not show {names} any more; that condition is dropped and compared here.")

    async def _company_condition(self) -> str:
        column = await self._asked_for("company")
        return "" if column is None or self._companies is None else where.any_of(column, self._companies)

    async def _kind_condition(self, kind: Kind) -> str:
        column, menu = await self._asked_for("category"), self._paths["category"].menu
        if column is None:
            return ""
        numbers = [number for number, name in menu.items() if name in CREDITS]
        literals = numbers if menu else [where.text(name) for name in CREDITS]
        word, between = ("eq", " or ") if kind == "credits" else ("ne", " and ")
        return between.join(f"{column} {word} {literal}" for literal in literals)

    async def _asked_for(self, name: str) -> str | None:
        """The column of a field, when it is one that lists show."""
        if not self._listed:
            page = await self._pager.api.patiently(lambda: self._pager.first(self._listing()))
            self._listed.update(*page.records)
        branches = self._paths[name].branches
        column = branches[0][0].name
        if len(branches) > 1 or len(branches[0]) > 1 or column not in self._listed - self._unasked:
            return None
        self._asked.add(column)
        return column

    async def _whole(
        self, records: Sequence[Record], kind: Kind | None, *, with_lines: bool, within: bool
    ) -> InvoicePage:
        """A page's documents with lines; one that cannot be read is refused alone."""
        refused: list[Refusal] = []
        whole: Sequence[Record] = [record for record in records if self._may_be(record, kind, within=within)]
        if whole and self._wants_details(whole, with_lines=with_lines):
            found = await self._details.complete(whole)
            whole = [one.record for one in found if one.record is not None]
            refused += [one.refusal for one in found if one.refusal is not None]
            if with_lines:
                self._check_lines(whole)
            whole = [record for record in whole if self._may_be(record, kind, within=within)]
        codes = {code for record in whole for code in self._rows.products(record)} if with_lines else set()
        titles = await self._products.titles(codes)
        invoices: list[Invoice] = []
        for record in whole:
            try:
                invoices.append(self._rows.invoice(record, titles, with_lines=with_lines))
            except Unreadable as error:
                refused.append(_unreadable(self._rows.number(record), str(error)))
        return InvoicePage((), tuple(refused), str(records[-1][self._key]), tuple(invoices))

    def _may_be(self, record: Record, kind: Kind | None, *, within: bool) -> bool:
        """False only for what the record itself says it is not."""
        if within and self._is_elsewhere(record):
            return False
        if kind is None or not self._says(record, "category"):
            return True
        return (self._rows.category(record) in CREDITS) == (kind == "credits")

    def _is_elsewhere(self, record: Record) -> bool:
        if self._companies is None or not self._says(record, "company"):
            return False
        return self._rows.company(record) not in self._companies

    def _says(self, record: Record, name: str) -> bool:
        return not self._paths[name].columns.isdisjoint(record)

    def _wants_details(self, records: Sequence[Record], *, with_lines: bool) -> bool:
        needed = set(self._rows.columns)
        if with_lines and self._rows.array is not None:
            needed.add(self._rows.array)
        if self._known is not None:
            needed &= set(self._known)
        lacking = sorted(needed - set().union(*records))
        if self._class.details_per_row is False and lacking:
            names = ", ".join(lacking)
            self._warn(f"details_per_row is false, so what the list does not show stays empty: {names}.")
        return bool(lacking) if self._class.details_per_row is None else self._class.details_per_row

    def _check_lines(self, records: Sequence[Record]) -> None:
        """Raises:
        NeedsTenant: no document of the page shows lines: the representation is the wrong one.
        """
        array = self._rows.array
        if array is not None and records and not any(array in record for record in records):
            raise NeedsTenant(
                "x3_invoices",
                f"{self._class.representation} of {self._class.name} shows no lines ({array}); choose another in "
                "settings.rest.invoices.representation, such as EDISIHTR.",
            )

    def _keyed(self, records: Sequence[Record]) -> list[Record]:
        found = [record for record in records if text(record.get(self._key)) is not None]
        if len(found) < len(records):
            if not found:
                raise NeedsTenant("x3_schema", f"The list of {self._class.name} does not show {self._key}.")
            self._warn("Documents without a number were left out.")
        return found

    def _listing(self, after: str | None = None, condition: str = "") -> Listing:
        return Listing(self._class.name, self._class.representation, condition, self._key, after)

    def _warn(self, sentence: str) -> None:
        if sentence not in self._warnings:
            self._warnings.append(sentence)
            log.warning("x3.left_out", stream="invoices", reason=sentence)


def _unreadable(number: str, what: str) -> Refusal:
    return Refusal(
        number or "?", "x3_row_unreadable", f"Sage X3 gave this document in a shape that cannot be read: {what}."
    )
