"""X3Source: one stream of one Sage X3, read whole, in ranges, by change stamps, or by code.

Source: reference/sage-x3.md 3.4, 6 and 7; reference/reliability.md 6.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from app.connectors.sage_x3.deepening import Deepening
from app.connectors.sage_x3.documents import UNREADABLE, PageDocument, Rows
from app.connectors.sage_x3.filters import nested
from app.connectors.sage_x3.graphql import GraphQL
from app.connectors.sage_x3.lanes import LaneReader
from app.connectors.sage_x3.paging import Listing, Page, Pager, prefetched
from app.connectors.sage_x3.paths import KEY, Lane, Step
from app.connectors.sage_x3.queries import count_document, page_document
from app.connectors.sage_x3.translate import Translation
from app.domain.party import Changes, Party, Refusal, SourcePage

log = structlog.get_logger(__name__)

_ID = (Step("_id"),)
_CODES_AT_ONCE = 100  # lists of 500 are known to answer in half a second; the rows of each are what costs
_STAMP = (Step("_updateStamp"),)


class _KeyOnly(msgspec.Struct):
    key: str | None = msgspec.field(name="_id", default=None)


class _Inner(msgspec.Struct):
    code: str | None = None


class _CodeOnly(msgspec.Struct):
    code: _Inner | None = None


class X3Source:
    """Satisfies app.sync.ports.Source over GraphQL."""

    def __init__(
        self,
        *,
        stream: str,
        root: str,
        node: str,
        graphql: GraphQL,
        pager: Pager,
        translation: Translation,
        lanes: Sequence[Lane],
        warnings: Sequence[str] = (),
    ) -> None:
        self._stream = stream
        self._root = root
        self._node = node
        self._graphql = graphql
        self._pager = pager
        self._translation = translation
        self._warnings = list(dict.fromkeys(warnings))
        self._counted: int | None = None
        self._document = PageDocument(
            page_document(root, node, translation.tree.text()), root, node, translation.shape.struct
        )
        self._keys = PageDocument(page_document(root, node, "_id"), root, node, _KeyOnly)
        self._deepening = Deepening(root, node, translation, pager, self._warn)
        self._lanes = LaneReader(root, node, lanes, pager, self._warn)

    @property
    def warnings(self) -> Sequence[str]:
        return tuple(self._warnings)

    async def clock(self) -> datetime:
        told, from_server = await self._graphql.patiently(self._graphql.clock)
        if not from_server:
            self._warn("X3 does not tell its time; ours is used, set back by two minutes.")
        return told

    async def count(self) -> int | None:
        """Asked once in a source's life: X3 counts anew each time, and it serves for progress only."""
        if self._counted is None:
            self._counted = await self._count()
        return self._counted

    async def _count(self) -> int | None:
        data = await self._graphql.patiently(lambda: self._graphql.ask(count_document(self._root, self._node)))
        try:
            found = data[self._root][self._node]["query"]["totalCount"]
        except (KeyError, TypeError):
            return None
        return found if isinstance(found, int) else None

    async def bounds(self) -> tuple[str, str] | None:
        first, last = await asyncio.gather(self._end(1), self._end(-1))
        return None if first is None or last is None else (first, last)

    async def _end(self, direction: int) -> str | None:
        order = msgspec.json.encode({"_id": direction}).decode()
        variables: dict[str, object] = {"first": 1, "after": None, "filter": None, "orderBy": order}
        rows = await self._pager.one(self._keys, variables)
        return rows.nodes[0].key if rows.nodes else None

    async def scan(self, after: str | None, until: str | None) -> AsyncGenerator[SourcePage, None]:
        limits = {name: key for name, key in (("_gt", after), ("_lte", until)) if key is not None}
        where = (nested(_ID, limits),) if limits else ()
        async for page in self._pager.pages(Listing(self._document, KEY, where)):
            yield await self._translated(page)

    async def can_tell_changes(self) -> bool:
        """Every node has a stamp."""
        return True

    def changes(self, since: datetime) -> AsyncIterator[Changes]:
        stamp = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")  # cut to the second: early, never late
        return self._lanes.changes(nested(_STAMP, {"_gte": stamp}))

    async def by_codes(self, codes: Sequence[str]) -> AsyncGenerator[SourcePage, None]:
        async for page in prefetched(self._batches(sorted(set(codes)))):
            yield page

    async def _batches(self, codes: list[str]) -> AsyncGenerator[SourcePage, None]:
        """Batches shrink with the page size, so that one answer holds each; every batch is one page in code order."""
        while codes:
            some = min(_CODES_AT_ONCE, self._pager.size.current)
            batch, codes = codes[:some], codes[some:]
            parties: list[Party] = []
            refused: list[Refusal] = []
            listing = Listing(self._document, KEY, (nested(KEY, {"_in": batch}),))
            async for page in self._pager.pages(listing):
                translated = await self._translated(page)
                parties += translated.parties
                refused += translated.refused
            if parties or refused:
                parties.sort(key=lambda party: party.code)
                yield SourcePage(tuple(parties), tuple(refused), batch[-1])

    async def _translated(self, page: Page) -> SourcePage:
        rows = page.rows
        refused = [
            Refusal(code, "x3_row_refused", f"Sage X3 refuses this record to the API user: {said}")
            for code, said in page.refused
        ]
        refused += [_unreadable(raw) for raw in rows.unreadable]
        await self._deepening.complete(rows)
        translate = self._translation.party
        parties = [party for row in rows.nodes if (party := translate(row)).code]
        if len(parties) < len(rows.nodes):
            self._warn("Rows without a code were left out.")
        return SourcePage(tuple(parties), tuple(refused), self._last_key(rows))

    def _last_key(self, rows: Rows) -> str | None:
        """The largest position seen; an unreadable row at the end of a page is behind it too."""
        keys = [self._translation.key(rows.nodes[-1])] if rows.nodes else []
        keys += [key for raw in rows.unreadable if (key := _key_of(raw)) is not None and not rows.nodes]
        return keys[-1] if keys else None

    def _warn(self, sentence: str) -> None:
        if sentence not in self._warnings:
            self._warnings.append(sentence)
            log.warning("x3.left_out", stream=self._stream, reason=sentence)


def _key_of(raw: bytes) -> str | None:
    try:
        return msgspec.json.decode(raw, type=_KeyOnly).key
    except UNREADABLE:
        return None


def _unreadable(raw: bytes) -> Refusal:
    """A row that cannot be read; its code comes from whatever part of it can be."""
    try:
        inner = msgspec.json.decode(raw, type=_CodeOnly).code
    except UNREADABLE:
        inner = None
    code = inner.code if inner is not None and inner.code else _key_of(raw)
    return Refusal(code or "?", "x3_row_unreadable", "Sage X3 gave this record in a shape that cannot be read.")
