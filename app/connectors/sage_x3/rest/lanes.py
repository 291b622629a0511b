"""Who was touched since an instant: the class itself, its business partner, addresses, contacts and persons.

E-mails live in rows with stamps of their own, so a delta is complete only where the stamps of all of them can be read.
Source: reference/sage-x3.md 5.3 and 6 (trap 1); decision 0012.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from app.connectors.sage_x3.failures import QueryFailed, final
from app.connectors.sage_x3.paging import prefetched
from app.connectors.sage_x3.rest import where
from app.connectors.sage_x3.rest.answers import ListPage
from app.connectors.sage_x3.rest.listing import Listing, Pager
from app.connectors.sage_x3.rest.paths import parse_path
from app.connectors.sage_x3.rest.settings import RestClass, Rows
from app.connectors.sage_x3.values import flag, text
from app.domain.errors import ConnectorError, NeedsTenant, Transient
from app.domain.party import Changes

_AT_ONCE = 40


class Lane(NamedTuple):
    """`owner` is the column of the party's code. `flag` names the menu that says no where a row is not of this stream;
    it is compared here, for a menu misunderstood in `where` would lose changes silently. `only` is a condition for X3,
    dropped where the class does not show its column. Persons have no owner: their parties are found in the contacts."""

    rows: Rows
    owner: str
    flag: str | None = None
    only: str = ""


class Through(NamedTuple):
    """The class that leads from persons to parties: `person` in it equals the lane's owner."""

    rows: Rows
    person: str
    owner: str


THROUGH = Through("contacts", "CCNCRM", "BPANUM")


def lanes(stream: str, key: str) -> tuple[Lane, ...]:
    """The lanes of a stream; the first is its own class. Rows of other streams are harmless: nobody has their codes."""
    own: Rows = "customers" if stream == "customers" else "suppliers"
    return (
        Lane(own, key),
        Lane("partners", "BPRNUM", "BPCFLG" if stream == "customers" else "BPSFLG"),
        Lane("addresses", "BPANUM"),
        Lane("contacts", "BPANUM"),
        Lane("persons", "CNTNUM"),
    )


_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_OFFERED = frozenset(
    {"x3_schema", "x3_not_found", "x3_bad_request", "x3_forbidden", "x3_rights", "x3_query_failed", "x3_internal"}
)


class LaneReader:
    """All lanes of one stream. `classes` says where each kind of rows is."""

    def __init__(
        self, lanes_: Sequence[Lane], classes: Mapping[Rows, RestClass], pager: Pager, warn: Callable[[str], None]
    ) -> None:
        self._lanes = lanes_
        self._classes = classes
        self._pager = pager
        self._warn = warn
        self._usable: list[Lane] | None = None
        self._hidden: list[str] = []

    async def hidden(self) -> tuple[str, ...]:
        """Classes that do not show when their rows were changed; found out by asking, once.

        Raises:
            Transient, ProtocolMismatch.
        """
        if self._usable is None:
            usable = []
            for lane in self._lanes:
                class_ = self._classes[lane.rows]
                if not class_.delta_where:
                    continue
                if (shown := await self._shown(lane)) is None:
                    self._hidden.append(class_.name)
                else:
                    usable.append(shown)
            self._usable = usable
        return tuple(self._hidden)

    async def can_tell(self) -> bool:
        """Whether `changes` will name every party that was touched, or the tenant vouches for it."""
        own = self._classes[self._lanes[0].rows]
        if not own.delta_where:
            self._warn("settings.rest says that changes cannot be told (delta_where is empty): every record is read.")
            return False
        hidden = await self.hidden()
        if not hidden:
            return True
        names = ", ".join(hidden)
        if own.name in hidden or not own.is_delta_given:
            self._warn(f"{names} does not show when a row was changed, so every record is read and compared.")
            return False
        self._warn(f"{names} does not show when a row was changed; changes there are found by reconciling only.")
        return True

    def changes(self, since: datetime) -> AsyncGenerator[Changes, None]:
        """Codes touched, in pages; codes may repeat. The next page is read while one is in use."""
        return prefetched(self._all(since))

    async def _all(self, since: datetime) -> AsyncGenerator[Changes, None]:
        if not await self.can_tell():
            raise NeedsTenant("x3_no_delta", "This X3 does not show any more what was changed: start a full run.")
        for lane in self._usable or ():
            async for codes in self._touched(lane, since):
                yield Changes(self._classes[lane.rows].name, codes)

    async def _touched(self, lane: Lane, since: datetime) -> AsyncGenerator[tuple[str, ...], None]:
        async for page in self._pager.pages(self._listing(lane, since)):
            codes = self._codes(lane.rows, page, self._owner(lane), lane.flag)
            if lane.rows != "persons":
                yield codes
                continue
            for at in range(0, len(codes), _AT_ONCE):
                async for owners in self._through(codes[at : at + _AT_ONCE]):
                    yield owners

    async def _through(self, persons: Sequence[str]) -> AsyncGenerator[tuple[str, ...], None]:
        class_ = self._classes[THROUGH.rows]
        listing = Listing(class_.name, class_.representation)
        async for page in self._pager.among(listing, _column(class_, "person", THROUGH.person), persons):
            yield self._codes(THROUGH.rows, page, _column(class_, "owner", THROUGH.owner))

    def _listing(self, lane: Lane, since: datetime) -> Listing:
        class_ = self._classes[lane.rows]
        return Listing(
            class_.name, class_.representation, where.both(where.since(class_.delta_where, since), lane.only)
        )

    def _owner(self, lane: Lane) -> str:
        return _column(self._classes[lane.rows], "owner", lane.owner)

    def _codes(self, rows: Rows, page: ListPage, owner: str, flagged: str | None = None) -> tuple[str, ...]:
        """Raises:
        NeedsTenant: a row does not say whose it is: its change would be lost.
        """
        if any(owner not in record for record in page.records):
            raise NeedsTenant(
                "x3_schema", f"{self._classes[rows].name} does not show {owner}, so whose row was changed is unknown."
            )
        concerned = (record for record in page.records if flagged is None or flag(record.get(flagged)) is not False)
        return tuple(dict.fromkeys(code for record in concerned if (code := text(record[owner])) is not None))

    async def _shown(self, lane: Lane) -> Lane | None:
        """The lane as it can be read, None when it cannot: one row is asked for with the very condition of a delta."""
        try:
            page = await self._pager.first(self._listing(lane, _EVER))
            self._codes(lane.rows, page, self._owner(lane))
            if lane.rows == "persons":
                await self._check_through()
        except QueryFailed as error:
            if error.kind == "volume":
                raise final(error) from None
            if error.kind != "unknown_field" or lane.only.split(" ")[0] not in error.fields:
                return None
            self._warn(f"{self._classes[lane.rows].name} does not show {error.fields[0]}; its condition is dropped.")
            return await self._shown(lane._replace(only=""))
        except (NeedsTenant, Transient) as error:
            if error.code not in _NOT_OFFERED or not await self._is_well(error):
                raise
            return None
        return lane

    async def _check_through(self) -> None:
        class_ = self._classes[THROUGH.rows]
        page = await self._pager.first(Listing(class_.name, class_.representation))
        for column in (_column(class_, "owner", THROUGH.owner), _column(class_, "person", THROUGH.person)):
            self._codes(THROUGH.rows, page, column)

    async def _is_well(self, error: ConnectorError) -> bool:
        """A bare 500 may be about a property or about X3: whoever answers the plain list is well."""
        if error.code != "x3_internal":
            return True
        own = self._classes[self._lanes[0].rows]
        await self._pager.first(Listing(own.name, own.representation))
        return True


def _column(class_: RestClass, name: str, default: str) -> str:
    """The column of a role, which settings.rest may name otherwise."""
    written = class_.paths.get(name)
    return default if written is None else parse_path(written).branches[0][0].name
