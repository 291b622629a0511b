"""Parties whose collections did not come whole: read again deeper, children through their own node.

Nested collections are cut without notice; only their pageInfo tells. Source: reference/sage-x3.md 3.4.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from app.connectors.sage_x3.documents import PageDocument, Rows
from app.connectors.sage_x3.filters import nested
from app.connectors.sage_x3.paging import Listing, Pager
from app.connectors.sage_x3.paths import KEY, parse_path
from app.connectors.sage_x3.queries import page_document
from app.connectors.sage_x3.structs import Shape
from app.connectors.sage_x3.translate import Translation

_CHILDREN = {"contacts": "Contact", "addresses": "Address"}


class Deepening:
    """Completes rows in place."""

    def __init__(
        self, root: str, node: str, translation: Translation, pager: Pager, warn: Callable[[str], None]
    ) -> None:
        self._root = root
        self._node = node
        self._translation = translation
        self._pager = pager
        self._warn = warn
        self._deep: PageDocument | None = None
        self._children: dict[str, PageDocument] = {}

    async def complete(self, rows: Rows) -> None:
        """Every row whose collections were cut is replaced by one that holds them all, or a warning is left."""
        cut_short = self._translation.cut_short
        if cut_short is None or not any(map(cut_short, rows.nodes)):
            return
        rows.nodes = [await self._whole(row) if cut_short(row) else row for row in rows.nodes]

    async def _whole(self, row: Any) -> Any:
        code = self._translation.code(row)
        if code is None:
            return row
        row = await self._deeper(code) or row
        shape = self._translation.shape
        for name, child in shape.inner.items():
            if name in _CHILDREN and child.tree.many:
                await self._continue(row, name, shape, code)
        cut_short = self._translation.cut_short
        if cut_short is not None and cut_short(row):
            self._warn(f"Record {code} has more rows in a collection than can be read.")
        return row

    async def _deeper(self, code: str) -> Any:
        """The party by itself, with room for many rows in every collection."""
        if self._deep is None:
            selection = self._translation.tree.text(deep=True)
            text = page_document(self._root, self._node, selection)
            self._deep = PageDocument(text, self._root, self._node, self._translation.shape.struct)
        async for page in self._pager.pages(Listing(self._deep, KEY, (nested(KEY, {"_in": [code]}),))):
            if page.rows.nodes:
                return page.rows.nodes[0]
        return None

    async def _continue(self, row: Any, name: str, shape: Shape, code: str) -> None:
        """All rows of a child collection from its root node, when even the deeper reading did not hold them."""
        collection = getattr(row, shape.attribute(name))
        page = None if collection is None else collection.query
        if page is None or page.pageInfo is None or not page.pageInfo.hasNextPage:
            return
        node = self._node + _CHILDREN[name]
        child = shape.inner[name]
        if name not in self._children:
            text = page_document(self._root, node, child.tree.text(deep=True))
            self._children[name] = PageDocument(text, self._root, node, child.struct)
        owner = parse_path(f"{self._node}.code.code")
        found: list[Any] = []
        listing = Listing(self._children[name], owner, (nested(owner, {"_in": [code]}),))
        async for part in self._pager.pages(listing):
            found += part.rows.nodes
        edge = type(page.edges[0]) if page.edges else None
        if edge is not None:
            page.edges = [edge(node=each) for each in found]
            page.pageInfo = msgspec.structs.replace(page.pageInfo, hasNextPage=False)
