"""Ping a real X3 over api1: does it let us in, what do its lists and records show, does it tell changes."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, get_args

from app.connectors.sage_x3.failures import QueryFailed, final
from app.connectors.sage_x3.inquiry import Inquiry, now
from app.connectors.sage_x3.paging import PageSize
from app.connectors.sage_x3.patience import FOR_A_PERSON
from app.connectors.sage_x3.rest.answers import ListPage
from app.connectors.sage_x3.rest.columns import KEYS, resolve
from app.connectors.sage_x3.rest.lanes import LaneReader, lanes
from app.connectors.sage_x3.rest.listing import Listing, Pager
from app.connectors.sage_x3.rest.opening import key_of, open_api
from app.connectors.sage_x3.rest.paths import Record
from app.connectors.sage_x3.rest.settings import RestClass, Rows, rest_class
from app.connectors.sage_x3.settings import read_settings
from app.domain.errors import ConnectorError, NeedsTenant, ProtocolMismatch

_LISTED, _DETAILED = 20, 3  # records looked at for what columns there are


class RestInquiry(Inquiry):
    """Facts: `generation` (`api1`), `clock_skew_seconds`, `missing_paths`, `page_size`, `tells_changes` and, per stream
    in `rest`, class and representation with the columns `listed` and `detailed`."""

    async def run(self, given: Mapping[str, Any]) -> None:
        settings = read_settings(given["settings"])
        parts = {name: given[name] for name in ("url", "credential", "outbound", "pacer")}
        api = open_api(settings=settings, patience=FOR_A_PERSON, **parts)
        self.settings, self.pager = settings, Pager(api, PageSize(settings.page_size))
        self.classes: dict[Rows, RestClass] = {rows: rest_class(settings.rest, rows) for rows in get_args(Rows)}
        self.facts["generation"] = "api1"
        await self._clock()
        self.step = "schema"
        await self._schema()
        self.step = "delta"
        await self._delta()
        self.step = "page_size"
        await self._reading()

    def _listing(self, stream: str, *, ordered: bool = True) -> Listing:
        class_ = self.classes[stream]  # type: ignore[index]  # streams are among the rows
        return Listing(class_.name, class_.representation, order=key_of(class_, stream) if ordered else "")

    async def _clock(self) -> None:
        self.step = "reachability"
        started = now()
        url = self.pager.url(self._listing(self.stream, ordered=False), 1)
        api = self.pager.api
        told, from_server = await api.patiently(lambda: api.clock(url))
        self.answered(started, told, from_server=from_server)

    async def _schema(self) -> None:
        seen: dict[str, object] = {}
        missing: list[str] = []
        for stream in KEYS:
            try:
                seen[stream], lacking = await self._seen(stream)
                missing += lacking
            except ConnectorError as error:
                if stream == self.stream:
                    raise
                self.passed(f"The {stream} cannot be read: {error.message}")
        self.facts["rest"] = seen
        self.step = "paths"
        self.missing(missing)

    async def _seen(self, stream: str) -> tuple[dict[str, object], list[str]]:
        """Columns in lists and in records of a stream, and the fields that are in neither."""
        class_ = self.classes[stream]  # type: ignore[index]  # as above
        key = key_of(class_, stream)
        page = await self._asked(self._listing(stream), _LISTED)
        listed = _columns(page.records)
        if page.records and key not in listed:
            raise NeedsTenant("x3_schema", f"The list of {class_.name} does not show {key}.")
        keys = [record[key] for record in page.records[:_DETAILED]]
        detailed = _columns(await asyncio.gather(*(self._record(class_, one) for one in keys)))
        facts = {"class": class_.name, "representation": class_.representation}
        if not page.records:
            self.passed(f"{class_.name} can be asked for; there is no record yet to see its columns.")
            return {**facts, "listed": [], "detailed": []}, []
        paths, lacking = resolve(stream, class_.paths, listed | detailed)
        alone = [name for name, path in paths.items() if not path.columns & (listed | detailed) <= listed]
        how = f"{len(alone)} fields are shown by single records only: a call each." if alone else "It shows all fields."
        self.passed(f"The list of {class_.name} shows {len(listed)} columns. {how}")
        return {**facts, "listed": sorted(listed), "detailed": sorted(detailed)}, [f"{stream}.{n}" for n in lacking]

    async def _record(self, class_: RestClass, key: object) -> Record:
        """A whole record, empty where X3 gives none."""
        api = self.pager.api
        url = api.details_url(class_.name, class_.representation, str(key))
        try:
            found, _ = await api.patiently(lambda: api.record(url))
        except (NeedsTenant, ProtocolMismatch):
            return {}
        return found or {}

    async def _delta(self) -> None:
        class_ = self.classes[self.stream]  # type: ignore[index]  # as above
        said: list[str] = []
        reader = LaneReader(lanes(self.stream, key_of(class_, self.stream)), self.classes, self.pager, said.append)
        tells = self.facts["tells_changes"] = await reader.can_tell()
        self.passed(" ".join([*said, "Changes can be read by their stamps."] if tells else said))

    async def _reading(self) -> None:
        async with aclosing(self.pager.pages(self._listing(self.stream))) as pages:
            page = await anext(pages)
        self.facts["page_size"] = self.pager.size.current
        self.passed(f"Pages of {self.pager.size.current} are answered.")
        self.step = "reading"
        self.passed("Records can be read." if page.records else "Records can be asked for; there is none yet.")

    async def _asked(self, listing: Listing, count: int) -> ListPage:
        try:
            return await self.pager.first(listing, count)
        except QueryFailed as error:
            raise final(error) from None


def _columns(records: Sequence[Record]) -> set[str]:
    """Names of X3's own columns in these records; titles of references are not."""
    return {name for record in records for name in record if not name.startswith("$") and not name.endswith("_REF")}
