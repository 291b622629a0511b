"""What belongs to documents and is read through nodes of its own: their lines and, in older schemas, their totals.

The name of the line collection on salesInvoice is not known, so lines are asked for by their documents' numbers.
Source: reference/sage-x3.md 4.7.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from app.connectors.sage_x3.documents import PageDocument
from app.connectors.sage_x3.filters import nested
from app.connectors.sage_x3.invoice_paths import HEADER_NODE, HEADER_ROOT, LINE_NODE
from app.connectors.sage_x3.invoice_rows import Lines, Totals, Unreadable, in_order
from app.connectors.sage_x3.paging import Listing, Pager
from app.connectors.sage_x3.paths import Path, parse_path
from app.connectors.sage_x3.queries import page_document, tree_of
from app.connectors.sage_x3.structs import Shape
from app.connectors.sage_x3.values import text
from app.domain.invoice import InvoiceLine

AT_ONCE = 40  # documents per request, as Sage's own examples have it

_HEADER_PATHS = tuple(map(parse_path, ("id", "totalAmountExcludingTax", "totalAmountIncludingTax")))


class Children:
    """Reads children of a page's documents, several requests side by side."""

    def __init__(self, root: str, pager: Pager, lines: Lines, owner: Path, *, separate_totals: bool) -> None:
        self._pager = pager
        self._lines = lines
        self._owner = owner
        self._line_document = PageDocument(
            page_document(root, LINE_NODE, lines.tree.text()), root, LINE_NODE, lines.shape.struct
        )
        self._separate_totals = separate_totals
        header = Shape(tree_of(_HEADER_PATHS))
        self._header = [header.one(path) for path in _HEADER_PATHS]
        self._header_document = PageDocument(
            page_document(HEADER_ROOT, HEADER_NODE, tree_of(_HEADER_PATHS).text()),
            HEADER_ROOT,
            HEADER_NODE,
            header.struct,
        )

    async def lines(self, numbers: Sequence[str]) -> tuple[dict[str, tuple[InvoiceLine, ...]], set[str]]:
        """Lines by document, and the documents some line of which cannot be read."""
        parts = [numbers[at : at + AT_ONCE] for at in range(0, len(numbers), AT_ONCE)]
        found: dict[str, list[InvoiceLine]] = {}
        odd: set[str] = set()
        for rows, unreadable in await asyncio.gather(*map(self._line_rows, parts)):
            for row in rows:
                self._sort_in(row, found, odd)
            if unreadable:
                odd.update(numbers)  # which document they belong to cannot be told
        return {number: in_order(lines) for number, lines in found.items()}, odd

    def _sort_in(self, row: Any, found: dict[str, list[InvoiceLine]], odd: set[str]) -> None:
        try:
            number, line = self._lines.line(row)
        except Unreadable:
            odd.add(self._lines.owner(row))
        else:
            found.setdefault(number, []).append(line)

    async def _line_rows(self, numbers: Sequence[str]) -> tuple[list[Any], bool]:
        return await self._rows(self._line_document, self._owner, numbers)

    async def totals(self, numbers: Sequence[str]) -> dict[str, Totals]:
        """(without tax, with tax) by document, where salesInvoice itself does not say."""
        if not self._separate_totals:
            return {}
        parts = [numbers[at : at + AT_ONCE] for at in range(0, len(numbers), AT_ONCE)]
        found: dict[str, Totals] = {}
        for rows, _ in await asyncio.gather(*map(self._header_rows, parts)):
            for row in rows:
                number, excluding, including = (read(row) for read in self._header)
                found[text(number) or ""] = (excluding, including)
        return found

    async def _header_rows(self, numbers: Sequence[str]) -> tuple[list[Any], bool]:
        return await self._rows(self._header_document, _HEADER_PATHS[0], numbers)

    async def _rows(self, document: PageDocument, owner: Path, numbers: Sequence[str]) -> tuple[list[Any], bool]:
        rows: list[Any] = []
        unreadable = False
        async for page in self._pager.pages(Listing(document, owner, (nested(owner, {"_in": list(numbers)}),))):
            rows += page.rows.nodes
            unreadable = unreadable or bool(page.rows.unreadable or page.refused)
        return rows, unreadable
