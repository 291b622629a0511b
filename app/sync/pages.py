"""A run's place: its lanes, and the pages between reading and remembering."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from app.domain.brake import Would
from app.domain.member import Skip
from app.domain.party import SourcePage
from app.domain.planning import Decision

AT_ONCE = 4  # pages in one transaction, when several are complete


class Lane(msgspec.Struct, gc=False):
    """One span of keys (`scan`), or one sorted list of codes (`codes`, `waiting`, `again`, `recheck`) or of keys that
    X3 no longer names (`absent`), read in order by one reader.

    `after` is the last key of the unbroken prefix of remembered pages: where a resumed run goes on.
    """

    kind: str  # scan | codes | waiting | again | recheck | absent
    after: str | None = None
    until: str | None = None
    done: bool = False


class Position(msgspec.Struct):
    """What a resumed run needs; stored with every remembered page.

    `also` are codes to look at once more at the end, `again` those that are being looked at once more, `later` the keys
    that wait for that and are not counted yet, `looks` how often that has been done, `shadowed` the codes of a run over
    codes that were skipped behind another owner, `gone` (key, code) of what X3 no longer names.
    `copied`: the audience was copied for comparing.

    `waiting` are codes of records that wait for the brake; when they become too many, everything is to be read `twice`,
    and `second` is that reading. `would` is what the brake counts, and `measured` says that it lets the run go.
    """

    lanes: list[Lane] = []
    also: list[str] = []
    again: list[str] = []
    later: list[str] = []
    looks: int = 0
    shadowed: list[str] = []
    gone: list[tuple[str, str]] = []
    copied: bool = False
    waiting: list[str] = []
    twice: bool = False
    second: bool = False
    would: Would = msgspec.field(default_factory=Would)
    measured: bool = False

    def stored(self) -> str:
        """JSON text for the run row."""
        return msgspec.json.encode(self).decode()


PositionT = TypeVar("PositionT", bound=Position)


def restored(stored: Any, kind: type[PositionT]) -> PositionT | None:
    """The position of a run row, None for a run that has not begun."""
    if stored is None:
        return None
    if isinstance(stored, str):
        return msgspec.json.decode(stored, type=kind)
    return msgspec.convert(stored, kind)


@dataclass(eq=False, slots=True)
class Page:
    """A page on its way. It is complete when it was planned and no decision of it is open any more."""

    lane: Lane
    source: SourcePage
    last_of_lane: bool
    given: Sequence[Skip] = ()  # what is to be decided when the source was not read for it
    decisions: list[Decision] = field(default_factory=list)
    later: list[Decision] = field(default_factory=list)  # to be made once more, after all others
    waiting: list[Decision] = field(default_factory=list)  # would change something, while the brake is not ruled out
    open: int = 1  # one for the planning itself
    number: int = 0  # the order of planning
    held: list[bytes] = field(default_factory=list)  # addresses nobody planned later may decide about
    batches: set[UUID] = field(default_factory=set)
    remembered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def complete(self) -> bool:
        return self.open == 0


class InOrder:
    """Completed pages, handed out in lane order, so that a position never runs past an unfinished page."""

    def __init__(self) -> None:
        self._lanes: dict[int, deque[Page]] = {}
        self._wake = asyncio.Event()

    def add(self, page: Page) -> None:
        """Pages must be added in the order in which their lane was read."""
        self._lanes.setdefault(id(page.lane), deque()).append(page)

    def kick(self) -> None:
        """Some page may have become complete."""
        self._wake.set()

    def ready(self) -> Sequence[Page]:
        """Every complete page that has only complete pages before it in its lane, a few at a time."""
        taken: list[Page] = []
        for lane in self._lanes.values():
            taken.extend(takewhile(lambda page: page.complete, lane))
        return taken[:AT_ONCE]

    def remove(self, pages: Sequence[Page]) -> None:
        """These pages, handed out by ready(), have been remembered."""
        for page in pages:
            self._lanes[id(page.lane)].popleft()

    def unfinished(self) -> Page | None:
        """Some page that is not remembered yet."""
        return next((lane[-1] for lane in self._lanes.values() if lane), None)

    async def wait(self) -> None:
        """Until the next kick."""
        await self._wake.wait()
        self._wake.clear()
