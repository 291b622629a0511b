"""Reads all members of an audience, several pages at a time, although the audience changes meanwhile.

Offsets shift when members leave, so pages overlap by one row: the first row of a page must be the last of the page
before. Where it is not, that stretch is read again from further back. Ordered by opt-in time, a field that only grows:
new members land at the end, where a later page finds them.

Source: Marketing API, Lists, "List members info" (GET /lists/{list_id}/members).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from app.connectors.mailchimp.shapes import MemberRow, MembersPage

log = structlog.get_logger(__name__)

PAGE_ROWS = 1000
_STEP = PAGE_ROWS - 1
_BACK_STEPS = (100, 500, PAGE_ROWS)

Fetch = Callable[[int], Awaitable[MembersPage]]
"""Reads the page at an offset."""


async def all_pages(fetch: Fetch, in_flight: int = 3) -> AsyncIterator[Sequence[MemberRow]]:
    """Every row at least once, in order; a row shows up twice only where a stretch was read again."""
    first = await fetch(0)
    yield first.members
    if len(first.members) < PAGE_ROWS:
        return
    async for rows in _later_pages(fetch, first, in_flight):
        yield rows


async def _later_pages(fetch: Fetch, page: MembersPage, in_flight: int) -> AsyncIterator[Sequence[MemberRow]]:
    offset = _STEP
    ahead: deque[asyncio.Task[MembersPage]] = deque()
    try:
        while True:
            last = _name(page.members[-1])
            while len(ahead) < in_flight and (not ahead or offset + len(ahead) * _STEP < page.total_items):
                ahead.append(asyncio.ensure_future(_fetched(fetch, offset + len(ahead) * _STEP)))
            page = await ahead.popleft()
            rows = _after(page.members, last)
            if rows is None:
                async for missed in _again(fetch, offset, last):
                    yield missed
                rows = page.members
            if rows:
                yield rows
            if len(page.members) < PAGE_ROWS:
                return
            offset += _STEP
    finally:
        await _drop(ahead)


async def _fetched(fetch: Fetch, offset: int) -> MembersPage:
    return await fetch(offset)


async def _again(fetch: Fetch, offset: int, last: str) -> AsyncIterator[Sequence[MemberRow]]:
    """What lies between `last` and `offset` after rows before it went away."""
    for back in _BACK_STEPS:
        rows = _after((await fetch(max(0, offset - back))).members, last)
        if rows is not None:
            yield rows
            return
    log.warning("members.order_lost", offset=offset)


def _after(rows: Sequence[MemberRow], last: str) -> Sequence[MemberRow] | None:
    """The rows behind `last`, or None when it is not among them."""
    if rows and _name(rows[0]) == last:
        return rows[1:]
    place = next((place for place, row in enumerate(rows) if _name(row) == last), None)
    return None if place is None else rows[place + 1 :]


def _name(row: MemberRow) -> str:
    return row.id or row.email_address.lower()


async def _drop(tasks: deque[asyncio.Task[MembersPage]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
