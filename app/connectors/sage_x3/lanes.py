"""The delta lanes of a stream: which parties were touched since an instant, node by node.

Source: reference/sage-x3.md 6 (trap 1) and 7.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from app.connectors.sage_x3.documents import PageDocument
from app.connectors.sage_x3.filters import Condition, nested
from app.connectors.sage_x3.paging import Listing, Pager, prefetched
from app.connectors.sage_x3.paths import Lane, Path, Step, parse_path
from app.connectors.sage_x3.queries import page_document, tree_of
from app.connectors.sage_x3.structs import Shape
from app.connectors.sage_x3.values import flag, text
from app.domain.errors import NeedsTenant
from app.domain.party import Changes

_ID: Path = (Step("_id"),)
_STAMP: Path = (Step("_updateStamp"),)
_PERSONS_AT_ONCE = 40


class LaneReader:
    """All lanes of one stream, one after another; a lane this X3 does not have is left out with a warning."""

    def __init__(self, root: str, node: str, lanes: Sequence[Lane], pager: Pager, warn: Callable[[str], None]) -> None:
        self._root = root
        self._node = node
        self._lanes = lanes
        self._pager = pager
        self._warn = warn

    def changes(self, *since: Condition) -> AsyncGenerator[Changes, None]:
        """Codes touched, in pages; codes may repeat. The next page is read while one is in use."""
        return prefetched(self._all(since))

    async def _all(self, since: tuple[Condition, ...]) -> AsyncGenerator[Changes, None]:
        for lane in self._lanes:
            try:
                async for found in self._lane(lane, since):
                    yield found
            except NeedsTenant as error:
                # The stream's own node is not optional; a child node that is absent can bring no change.
                if error.code != "x3_schema" or lane.node == self._node:
                    raise
                self._warn(f"{lane.node} does not exist on this X3; its changes are found by reconciling only.")

    async def _lane(self, lane: Lane, since: tuple[Condition, ...]) -> AsyncGenerator[Changes, None]:
        flags = (parse_path(lane.flag),) if lane.flag else ()
        async for codes in self._codes(lane.node, lane.owner, since, flags, by_stamp=True):
            if lane.through is None:
                yield Changes(lane.node, codes)
                continue
            for at in range(0, len(codes), _PERSONS_AT_ONCE):
                persons = nested(parse_path("code.code"), {"_in": list(codes[at : at + _PERSONS_AT_ONCE])})
                owner = parse_path(f"{self._node}.code.code")
                async for owners in self._codes(lane.through, owner, (persons,), (), by_stamp=False):
                    yield Changes(lane.node, owners)

    async def _codes(
        self, node: str, owner: Path, where: tuple[Condition, ...], flags: tuple[Path, ...], *, by_stamp: bool
    ) -> AsyncGenerator[tuple[str, ...], None]:
        """Parties' codes of a node's rows. A refused row still names its party: what is wrong shows when it is read."""
        shape = Shape(tree_of([_ID, _STAMP, owner, *flags]))
        document = PageDocument(page_document(self._root, node, shape.tree.text()), self._root, node, shape.struct)
        code_of, flag_of = shape.one(owner), shape.one(flags[0]) if flags else None
        async for page in self._pager.pages(Listing(document, owner, where, by_stamp=by_stamp)):
            if page.rows.unreadable:
                self._warn(f"Some rows of {node} could not be read while looking for changes.")
            found = (text(code_of(row)) for row in page.rows.nodes if _concerns(flag_of, row))
            codes = dict.fromkeys(code for code in found if code)
            codes.update(dict.fromkeys(code for code, _ in page.refused))
            yield tuple(codes)


def _concerns(flag_of: Callable[[Any], Any] | None, row: Any) -> bool:
    """False only when the row says that it is not of this stream."""
    return flag_of is None or flag(flag_of(row)) is not False
