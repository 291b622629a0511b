from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx
import pytest

from app.connectors.mailchimp.paging import PAGE_ROWS
from app.connectors.mailchimp.shapes import MemberRow, MembersPage
from tests.unit.connectors.mailchimp.scripted import Script, a_member, ok

Change = Callable[[list[int]], None]


class Shelf:
    """Members by number in order of opt-in; a change may happen right before the n-th read."""

    def __init__(self, size: int, **changes: Change) -> None:
        self.people = list(range(size))
        self.changes = changes
        self.offsets: list[int] = []

    async def __call__(self, offset: int) -> MembersPage:
        self.offsets.append(offset)
        change = self.changes.get(f"before_{len(self.offsets)}")
        if change is not None:
            change(self.people)
        rows = [MemberRow(f"{person}@x.test", "cleaned", f"{person:032x}") for person in self.people]
        return MembersPage(rows[offset : offset + PAGE_ROWS], len(rows))


async def read(shelf: Shelf) -> list[int]:
    from app.connectors.mailchimp.paging import all_pages

    pages: list[Sequence[MemberRow]] = [rows async for rows in all_pages(shelf)]
    return [int(row.id, 16) for rows in pages for row in rows]


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 1998, 1999, 2000, 5432])
async def test_everybody_comes_exactly_once_while_nothing_changes(size: int) -> None:
    assert await read(Shelf(size)) == list(range(size))


@pytest.mark.parametrize("gone", [1, 3, 150, 700])
@pytest.mark.parametrize("read_number", [2, 3, 4])
async def test_nobody_is_missed_when_members_leave_meanwhile(gone: int, read_number: int) -> None:
    def leave(people: list[int]) -> None:
        del people[:gone]

    shelf = Shelf(5432, **{f"before_{read_number}": leave})
    assert set(await read(shelf)) == set(range(5432))


async def test_nobody_is_missed_when_members_come_or_move_to_the_end() -> None:
    def move(people: list[int]) -> None:
        people.append(people.pop(10))
        people.extend(range(9000, 9003))

    found = await read(Shelf(3500, before_3=move))
    assert set(found) == {*range(3500), 9000, 9001, 9002}


async def test_the_request_asks_for_little_and_in_a_steady_order() -> None:
    script = Script(ok({"members": [a_member()], "total_items": 1}))
    since = datetime(2026, 3, 1, 12, tzinfo=UTC)
    pages = [rows async for rows in script.audience().members(since=since)]

    assert [row.email for row in pages[0]] == ["ada@acme.test"]
    assert dict(script.requests[0].url.params) == {
        "count": "1000",
        "offset": "0",
        "sort_field": "timestamp_opt",
        "sort_dir": "ASC",
        "since_last_changed": "2026-03-01T12:00:00+00:00",
        "fields": "members.id,members.email_address,members.status,members.last_changed,total_items",
    }


async def test_whole_members_bring_merge_fields_and_tags() -> None:
    member = a_member(merge_fields={"FNAME": "Ada", "N": 3}, tags=[{"id": 1, "name": "vip"}], tags_count=1)
    script = Script(ok({"members": [member], "total_items": 1}), ok({"members": [], "total_items": 0}))
    (row,) = [row async for rows in script.audience().members(since=None, whole=True) for row in rows]
    assert (row.merge_fields, row.tags) == ({"FNAME": "Ada", "N": 3}, ("vip",))


@pytest.mark.parametrize("listed", [True, False])
async def test_archived_members_come_whether_or_not_an_unfiltered_list_holds_them(listed: bool) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        live, gone = [a_member("a@x.test")], [a_member("z@x.test", status="archived")]
        chosen = gone if request.url.params.get("status") == "archived" else live + gone * listed
        return ok({"members": chosen, "total_items": len(chosen)})

    script = Script(page)
    rows = [row async for page_rows in script.audience().members(since=None) for row in page_rows]
    assert sorted((row.email, row.status) for row in rows) == [("a@x.test", "transactional"), ("z@x.test", "archived")]
    assert len(script.requests) == (1 if listed else 2)


async def test_stopping_early_leaves_no_request_behind() -> None:
    def page(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params["offset"])
        rows = [a_member(f"p{place}@x.test") for place in range(offset, offset + PAGE_ROWS)]
        return ok({"members": rows, "total_items": 9000})

    pages = Script(page).audience().members(since=None)
    async for rows in pages:
        assert len(rows) == PAGE_ROWS
        break
    await pages.aclose()  # type: ignore[attr-defined]  # an async generator behind the protocol
