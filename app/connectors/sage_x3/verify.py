"""Ping a real Sage X3: can it be reached, does it let us in, does it have what we read, and how is its clock."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.connectors.sage_x3.access import Access, open_access
from app.connectors.sage_x3.failures import QueryFailed, final
from app.connectors.sage_x3.paths import NODES, ROOTS
from app.connectors.sage_x3.patience import FOR_A_PERSON
from app.connectors.sage_x3.schema import Offer, explore
from app.connectors.sage_x3.settings import read_settings
from app.domain.errors import ConnectorError, ProtocolMismatch
from app.domain.verification import Check, Verification

_SKEW_SECONDS = 60.0


async def verify(*, stream: str = "customers", **given: Any) -> Verification:
    """Make every check in turn and stop at the first that leaves nothing to ask; takes what open_source() takes.

    Never raises for the vendor's failures. Facts: `generation`, `folders`, `graphql_url`, `clock_skew_seconds`,
    `missing_paths`, `paths` and `lanes` (per stream) with the `verified_fields` they hold for, `page_size`, `count`,
    `introspection`.
    """
    inquiry = _Inquiry(stream)
    try:
        await inquiry.run(given)
    except ConnectorError as error:
        inquiry.failed(error)
    except httpx.HTTPError as error:
        inquiry.checks.append(Check(inquiry.step, False, f"No answer: {type(error).__name__}."))
    checks = tuple(inquiry.checks)
    return Verification(bool(checks) and all(check.ok for check in checks), checks, inquiry.facts)


class _Inquiry:
    """The checks made so far; `step` names the one under way, so that a failure is put where it belongs."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.step = "settings"
        self.checks: list[Check] = []
        self.facts: dict[str, object] = {}

    def passed(self, detail: str) -> None:
        self.checks.append(Check(self.step, True, detail))

    def failed(self, error: ConnectorError) -> None:
        if error.code.startswith(
            ("x3_token_", "x3_unauthorised", "x3_authorization", "x3_forbidden", "x3_application")
        ):
            if self.step == "reachability":
                self.passed("Sage X3 answers.")
            self.step = "authentication"
        self.checks.append(Check(self.step, False, error.message))

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
        started = datetime.now(UTC)
        told, from_server = await access.graphql.patiently(access.graphql.clock)
        self.passed("Sage X3 answers.")
        self.step = "authentication"
        self.passed("Sage X3 accepts the credential.")
        self.step = "clock"
        if not from_server:
            self.facts["clock_skew_seconds"] = None
            self.passed("Sage X3 does not tell its time; ours is used with an allowance.")
            return
        # `told` is early by at most the round trip and two seconds.
        skew = (told - started + timedelta(seconds=1)).total_seconds()
        self.facts["clock_skew_seconds"] = round(skew, 1)
        advice = "" if abs(skew) <= _SKEW_SECONDS else " Set the clocks right: tokens may be refused."
        self.passed(f"The clocks differ by about {abs(skew):.0f} s.{advice}")

    def _offer(self, offer: Offer) -> None:
        self.facts |= {
            "generation": offer.generation,
            "missing_paths": offer.missing,
            "paths": offer.paths,
            "lanes": offer.lanes,
            "introspection": offer.introspected,
        }
        how = "" if offer.introspected else " Introspection is refused, so every path was tried."
        self.passed(f"The schema is {offer.generation}.{how}")
        self.step = "paths"
        vital = [name for stream in NODES for name in ("code", "is_active") if f"{stream}.{name}" in offer.missing]
        missing = len(offer.missing)
        if f"{self.stream}.code" in offer.missing:
            self.checks.append(Check("paths", False, f"The {NODES[self.stream]} node or its code cannot be read."))
        elif missing:
            names = ", ".join(offer.missing[:10]) + (", ..." if missing > 10 else "")
            self.passed(
                f"{missing} fields are not offered and will be empty: {names}." + (" Check these." * bool(vital))
            )
        else:
            self.passed("Every field is offered.")

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
