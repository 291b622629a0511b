"""Names of products: what an order's line is called in the store, whatever the invoice's text says."""

from collections.abc import Callable, Collection, Mapping

from app.connectors.sage_x3.rest.listing import Listing, Pager
from app.connectors.sage_x3.rest.paths import Path, first
from app.connectors.sage_x3.rest.settings import RestClass
from app.connectors.sage_x3.values import text
from app.domain.errors import NeedsTenant

_AT_ONCE = 40
_MOST_KEPT = 100_000


class Products:
    """Reads ITMMASTER by code and keeps what it found; a site that does not show it has the lines' own texts."""

    def __init__(
        self, class_: RestClass, key: str, paths: Mapping[str, Path], pager: Pager, warn: Callable[[str], None]
    ) -> None:
        self._class = class_
        self._key = key
        self._title = first(paths["title"]) if "title" in paths else None
        self._pager = pager
        self._warn = warn
        self._found: dict[str, str] = {}
        self._asked: set[str] = set()

    async def titles(self, codes: Collection[str]) -> Mapping[str, str]:
        """Titles by code, blank where a product has none; products that are not found are absent.

        Raises:
            Transient, ProtocolMismatch.
        """
        if len(self._asked) > _MOST_KEPT:
            self._asked.clear()
            self._found.clear()
        wanted = sorted(set(codes) - self._asked)
        for at in range(0, len(wanted), _AT_ONCE):
            await self._read(wanted[at : at + _AT_ONCE])
        return self._found

    async def _read(self, codes: list[str]) -> None:
        title = self._title
        if title is None:
            return
        try:
            async for page in self._pager.among(
                Listing(self._class.name, self._class.representation), self._key, codes
            ):
                self._found.update(
                    (code, text(title(record)) or "")
                    for record in page.records
                    if (code := text(record.get(self._key))) is not None
                )
        except NeedsTenant:
            self._title = None
            self._warn(f"{self._class.name} cannot be read; products are called what the invoices' lines say.")
        self._asked.update(codes)
