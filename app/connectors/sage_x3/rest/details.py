"""Whole records where the list shows too little: one `$details` call per record, several in flight.

Source: reference/sage-x3.md 5.2 ("e-mail and address are not guaranteed in the list").
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from app.connectors.sage_x3.failures import QueryFailed, final
from app.connectors.sage_x3.rest.answers import is_gone
from app.connectors.sage_x3.rest.client import Api1
from app.connectors.sage_x3.rest.paths import Record
from app.domain.errors import ConnectorError
from app.domain.party import Refusal

T = TypeVar("T")

_AT_ONCE = 8  # tasks; how many calls are in flight is the pacer's business
_ABOUT_ONE_RECORD = {
    "x3_internal": "x3_row_unreadable",
    "x3_shape": "x3_row_unreadable",
    "x3_forbidden": "x3_row_refused",
    "x3_rights": "x3_row_refused",
    "x3_not_found": "x3_row_refused",
    "x3_bad_request": "x3_row_refused",
}
"""Errors that may be one record's own, and what it is then refused as."""


class Whole(msgspec.Struct, frozen=True):
    """The record with its details, or why there are none; neither when it is gone meanwhile."""

    record: Record | None = None
    refusal: Refusal | None = None
    failure: ConnectorError | None = None


class Details:
    """Reads the details of one class."""

    def __init__(self, api: Api1, name: str, representation: str, key: str) -> None:
        self._api = api
        self._name = name
        self._representation = representation
        self._key = key

    async def complete(self, records: Sequence[Record]) -> list[Whole]:
        """The same records whole, in order. One that X3 fails on is refused; when it fails on many, it is not theirs.

        Raises:
            NeedsTenant, Transient, ProtocolMismatch.
        """
        found = await gathered([self._reader(record) for record in records], _AT_ONCE)
        broken = [one.failure for one in found if one.failure is not None]
        if len(broken) > max(1, len(records) // 10):
            raise broken[0]
        return found

    def _reader(self, record: Record) -> Callable[[], Awaitable[Whole]]:
        return lambda: self._whole(record)

    async def _whole(self, record: Record) -> Whole:
        code = str(record[self._key])
        try:
            found, said = await self._read(self._api.details_url(self._name, self._representation, code))
        except ConnectorError as error:
            reason = _ABOUT_ONE_RECORD.get(error.code)
            if reason is None:
                raise
            return Whole(refusal=Refusal(code.strip(), reason, error.message), failure=error)
        if found is not None:
            return Whole({**record, **found})
        if said is None or is_gone(said):
            return Whole()
        message = f"Sage X3 refuses this record to the API user: {said}"
        return Whole(refusal=Refusal(code.strip(), "x3_row_refused", message))

    async def _read(self, url: str) -> tuple[Record | None, str | None]:
        """A failure inside X3 is tried once more only: it is likely to be this record's."""
        found = await self._api.patience.retried(lambda: self._once(url))
        if isinstance(found, ConnectorError):
            found = await self._api.patience.retried(lambda: self._once(url))
        if isinstance(found, ConnectorError):
            raise found
        return found

    async def _once(self, url: str) -> tuple[Record | None, str | None] | ConnectorError:
        try:
            return await self._api.record(url)
        except QueryFailed as error:
            return final(error)
        except ConnectorError as error:
            if error.code in _ABOUT_ONE_RECORD:
                return error
            raise


async def gathered(calls: Sequence[Callable[[], Awaitable[T]]], limit: int) -> list[T]:
    """Results in order, at most `limit` calls under way; the first failure ends the others."""
    gate = asyncio.Semaphore(limit)

    async def run(call: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await call()

    tasks = [asyncio.ensure_future(run(call)) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
