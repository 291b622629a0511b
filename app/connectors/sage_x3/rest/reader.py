"""RestSource: one stream of one Sage X3 over api1, read whole, in ranges, by change stamps, or by code.

Source: reference/sage-x3.md 5; reference/reliability.md 6.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from app.connectors.sage_x3.failures import QueryFailed, final
from app.connectors.sage_x3.paging import prefetched
from app.connectors.sage_x3.rest import where
from app.connectors.sage_x3.rest.answers import ListPage
from app.connectors.sage_x3.rest.details import Details
from app.connectors.sage_x3.rest.lanes import Lane, LaneReader
from app.connectors.sage_x3.rest.listing import Listing, Pager
from app.connectors.sage_x3.rest.paths import Record
from app.connectors.sage_x3.rest.settings import RestClass, Rows
from app.connectors.sage_x3.rest.translate import Translation
from app.connectors.sage_x3.values import text
from app.domain.errors import NeedsTenant, Transient
from app.domain.party import Changes, Party, Refusal, SourcePage

log = structlog.get_logger(__name__)

_CODES_AT_ONCE = 40  # about 600 bytes of URL, which every proxy lets through
_WHOLE_AT_ONCE = 100  # records per page when each needs a call of its own, so that a run's position moves on


class RestSource:
    """Satisfies app.sync.ports.Source over api1. `known` are the columns verification saw, None when it has not."""

    def __init__(
        self,
        *,
        stream: str,
        key: str,
        class_: RestClass,
        pager: Pager,
        translation: Translation,
        lanes: Sequence[Lane],
        classes: Mapping[Rows, RestClass],
        listed: Collection[str] = (),
        known: Collection[str] | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        self._stream = stream
        self._key = key
        self._class = class_
        self._pager = pager
        self._translation = translation
        self._needed = translation.columns if known is None else translation.columns & frozenset(known)
        self._listed = set(listed)
        self._warnings = list(dict.fromkeys(warnings))
        self._details = Details(pager.api, class_.name, class_.representation, key)
        self._lanes = LaneReader(lanes, classes, pager, self._warn)

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

    async def bounds(self) -> tuple[str, str] | None:
        """None also where this X3 does not sort downwards: the stream is then read in one go."""
        ends = [await self._end(order) for order in (self._key, f"{self._key} desc")]
        return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])

    async def _end(self, order: str) -> str | None:
        try:
            page = await self._pager.first(Listing(self._class.name, self._class.representation, order=order))
        except QueryFailed:
            return None
        except (NeedsTenant, Transient) as error:
            if error.code not in ("x3_bad_request", "x3_internal"):
                raise
            return None
        return self._key_of(page.records[0]) if page.records else None

    async def scan(self, after: str | None, until: str | None) -> AsyncGenerator[SourcePage, None]:
        listing = self._listing(after, where.at_most(self._key, until) if until is not None else "")
        async for page in prefetched(self._scanned(listing)):
            yield page

    async def _scanned(self, listing: Listing) -> AsyncGenerator[SourcePage, None]:
        async for page in self._pager.pages(listing):
            records = self._keyed(page)
            step = _WHOLE_AT_ONCE if self._wants_details(records) else max(1, len(records))
            for at in range(0, len(records), step):
                yield await self._translated(records[at : at + step])

    async def can_tell_changes(self) -> bool:
        """Whether changes() names every party that was touched; asks X3."""
        try:
            return await self._lanes.can_tell()
        except QueryFailed as error:
            raise final(error) from None

    def changes(self, since: datetime) -> AsyncIterator[Changes]:
        return self._lanes.changes(since)

    async def by_codes(self, codes: Sequence[str]) -> AsyncGenerator[SourcePage, None]:
        async for page in prefetched(self._batches(sorted(set(codes)))):
            yield page

    async def _batches(self, codes: list[str]) -> AsyncGenerator[SourcePage, None]:
        """Every batch is one page in code order."""
        for at in range(0, len(codes), _CODES_AT_ONCE):
            batch = codes[at : at + _CODES_AT_ONCE]
            records: list[Record] = []
            async for page in self._pager.among(self._listing(), self._key, batch):
                records += self._keyed(page)
            if records:
                found = await self._translated(records)
                parties = sorted(found.parties, key=lambda party: party.code)
                yield SourcePage(tuple(parties), found.refused, batch[-1])

    async def _translated(self, records: Sequence[Record]) -> SourcePage:
        """One page; the last key is the last one listed, whatever became of its record."""
        refused: list[Refusal] = []
        whole = records
        if self._wants_details(records):
            found = await self._details.complete(records)
            whole = [one.record for one in found if one.record is not None]
            refused = [one.refusal for one in found if one.refusal is not None]
        parties: list[Party] = [self._translation.party(record) for record in whole]
        return SourcePage(tuple(parties), tuple(refused), self._key_of(records[-1]) if records else None)

    def _wants_details(self, records: Sequence[Record]) -> bool:
        """Whether the list lacks something that is needed and may be had."""
        self._listed.update(*records)
        lacking = sorted(self._needed - self._listed) if records else []
        if self._class.details_per_row is False and lacking:
            names = ", ".join(lacking)
            self._warn(f"details_per_row is false, so what the list does not show stays empty: {names}.")
        return bool(lacking) if self._class.details_per_row is None else self._class.details_per_row

    def _keyed(self, page: ListPage) -> list[Record]:
        """Records with a key; api1 cannot give the others whole, nor can a run resume behind them."""
        records = [record for record in page.records if text(self._key_of(record)) is not None]
        if len(records) < len(page.records):
            if not records and any(self._key not in record for record in page.records):
                raise NeedsTenant("x3_schema", f"The list of {self._class.name} does not show {self._key}.")
            self._warn("Rows without a code were left out.")
        return records

    def _key_of(self, record: Record) -> str | None:
        value: Any = record.get(self._key)
        return None if value is None else str(value)

    def _listing(self, after: str | None = None, condition: str = "") -> Listing:
        return Listing(self._class.name, self._class.representation, condition, self._key, after)

    def _warn(self, sentence: str) -> None:
        if sentence not in self._warnings:
            self._warnings.append(sentence)
            log.warning("x3.left_out", stream=self._stream, reason=sentence)
