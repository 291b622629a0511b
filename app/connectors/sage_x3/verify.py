"""Ping a real Sage X3: can it be reached, does it let us in, does it have what we read, and how is its clock."""

from collections.abc import Callable, Mapping
from typing import Any

from app.connectors.sage_x3.access import Access, open_access
from app.connectors.sage_x3.failures import QueryFailed, final
from app.connectors.sage_x3.inquiry import Inquiry, now
from app.connectors.sage_x3.paths import NODES, ROOTS
from app.connectors.sage_x3.patience import FOR_A_PERSON
from app.connectors.sage_x3.rest.verify import RestInquiry
from app.connectors.sage_x3.schema import Offer, explore
from app.connectors.sage_x3.settings import read_settings
from app.domain.errors import ProtocolMismatch
from app.domain.verification import Check, Verification


async def verify(*, stream: str = "customers", **given: Any) -> Verification:
    """Make every check in turn and stop at the first that leaves nothing to ask; takes what open_source() takes.

    Never raises for the vendor's failures. Facts: `generation`, `folders`, `graphql_url`, `clock_skew_seconds`,
    `missing_paths`, `paths` and `lanes` (per stream) with the `verified_fields` they hold for, `page_size`, `count`,
    `introspection`; over REST those of RestInquiry.
    """
    inquiry = RestInquiry(stream) if given.get("kind") == "rest_basic" else _GraphQLInquiry(stream)
    return await inquiry.made(given)


class _GraphQLInquiry(Inquiry):
    async def run(self, given: Mapping[str, Any]) -> None:
        settings = read_settings(given["settings"])
        access = open_access(**{**given, "settings": settings, "facts": {}, "patience": FOR_A_PERSON})
        self.step = "reachability"
        if access.folders is not None:
            folders = await access.folders()
            self.facts["folders"] = sorted(folders)
        self.facts["graphql_url"] = await access.locate()
        await self._clock(access)
        self.step = "schema"
        offer = await explore(access.graphql, settings.generation, settings.fields)
        self.facts["verified_fields"] = settings.fields
        self._offer(offer)
        root = ROOTS[offer.generation]
        await self._reading(access, root, settings.page_size)

    async def _clock(self, access: Access) -> None:
        started = now()
        told, from_server = await access.graphql.patiently(access.graphql.clock)
        self.answered(started, told, from_server=from_server)

    def _offer(self, offer: Offer) -> None:
        self.facts |= {
            "generation": offer.generation,
            "paths": offer.paths,
            "lanes": offer.lanes,
            "introspection": offer.introspected,
        }
        how = "" if offer.introspected else " Introspection is refused, so every path was tried."
        self.passed(f"The schema is {offer.generation}.{how}")
        self.step = "paths"
        if f"{self.stream}.code" in offer.missing:
            self.facts["missing_paths"] = offer.missing
            self.checks.append(Check("paths", False, f"The {NODES[self.stream]} node or its code cannot be read."))
        else:
            self.missing(offer.missing)

    async def _reading(self, access: Access, root: str, page_size: int) -> None:
        node = NODES[self.stream]
        self.step = "page_size"
        first = await self._rows(access, root, node, page_size)
        size = page_size
        while first is None and size > 10:
            size = max(10, size // 2)
            first = await self._rows(access, root, node, size)
        if first is None:
            self.checks.append(Check("page_size", False, "Sage X3 does not even answer a page of ten keys."))
            return
        self.facts["page_size"] = size
        self.passed(f"Pages of {size} are answered.")
        self.step = "reading"
        self.passed(f"{node} can be read." if first else f"{node} can be asked for; there is none yet.")
        self.step = "count"
        total = await self._count(access, root, node)
        self.facts["count"] = total
        self.passed(
            f"There are {total} rows." if total is not None else "Sage X3 does not say how many rows there are."
        )

    async def _rows(self, access: Access, root: str, node: str, size: int) -> list[object] | None:
        """Keys of the first page, None when X3 finds it too large."""
        text = f"query Keys{{{root}{{{node}{{query(first:{size}){{edges{{node{{_id}}}}}}}}}}}}"
        data = await self._asked(access, text, lambda error: error.kind == "volume")
        found = _dig(data, root, node, "query", "edges")
        if data is not None and not isinstance(found, list):
            raise ProtocolMismatch("x3_shape", "Sage X3 answered a page of keys in a shape we do not know.")
        return found if isinstance(found, list) else None

    async def _count(self, access: Access, root: str, node: str) -> int | None:
        text = f"query Count{{{root}{{{node}{{query(first:1){{totalCount}}}}}}}}"
        data = await self._asked(access, text, lambda error: error.kind in ("unknown_field", "volume"))
        found = _dig(data, root, node, "query", "totalCount")
        return found if isinstance(found, int) else None

    async def _asked(
        self, access: Access, text: str, tolerable: Callable[[QueryFailed], bool]
    ) -> dict[str, Any] | None:
        async def attempt() -> dict[str, Any] | None:
            try:
                return await access.graphql.ask(text)
            except QueryFailed as error:
                if tolerable(error):
                    return None
                raise final(error) from None

        return await access.graphql.patiently(attempt)


def _dig(data: object, *names: str) -> object:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data
