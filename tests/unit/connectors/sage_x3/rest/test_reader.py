"""RestSource against a sandbox X3 in this process: nothing missed, nothing twice, refusals named."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from app.domain.errors import NeedsTenant, Transient
from app.domain.party import Party, Selection, SourcePage
from sandbox.x3.state import Settings
from tests.unit.connectors.sage_x3.conftest import FULL, SLIM
from tests.unit.connectors.sage_x3.rest.conftest import RestX3, rest_x3

DEEP = Selection("customers", ("contacts.email",), ("code", "name"), contacts=True)


async def parties(pages: AsyncIterator[SourcePage]) -> list[Party]:
    return [party async for page in pages for party in page.parties]


async def refusals(pages: AsyncIterator[SourcePage]) -> list[tuple[str, str]]:
    return [(refusal.code, refusal.reason) async for page in pages for refusal in page.refused]


def codes(found: Sequence[Party]) -> list[str]:
    return [party.code for party in found]


async def test_a_scan_gives_every_party_once_in_key_order(x3: RestX3) -> None:
    source = x3.rest(settings={"page_size": 25})

    assert codes(await parties(source.scan(None, None))) == x3.codes
    assert await source.count() is None
    assert await source.bounds() == (x3.codes[0], x3.codes[-1])


async def test_every_bound_cuts_into_ranges_that_are_disjoint_and_complete(x3: RestX3) -> None:
    source = x3.rest(settings={"page_size": 40})

    for bound in x3.codes[::9]:
        low = codes(await parties(source.scan(None, bound)))
        high = codes(await parties(source.scan(bound, None)))
        assert low[-1] == bound
        assert low + high == x3.codes


@pytest.mark.parametrize("selection", [SLIM, DEEP])
async def test_a_scan_resumes_after_the_last_key_of_any_page(x3: RestX3, selection: Selection) -> None:
    source = x3.rest(selection, settings={"page_size": 25})
    pages = [page async for page in source.scan(None, None)]

    for at, page in enumerate(pages):
        rest = codes(await parties(source.scan(page.last_key, None)))
        assert [code for done in pages[: at + 1] for code in codes(done.parties)] + rest == x3.codes


async def test_an_empty_stream_has_no_bounds_and_no_parties() -> None:
    x3 = rest_x3(customers=0, suppliers=0)

    assert await x3.rest().bounds() is None
    assert await parties(x3.rest().scan(None, None)) == []


async def test_the_next_page_is_asked_for_while_this_one_is_in_use(x3: RestX3) -> None:
    pages = x3.rest(settings={"page_size": 10}).scan(None, None)
    await anext(pages)
    asked = len(x3.requests)
    for _ in range(500):
        await asyncio.sleep(0)

    assert asked < len(x3.requests) <= asked + 3
    await pages.aclose()


async def test_a_list_that_shows_everything_costs_no_call_per_record(x3: RestX3) -> None:
    await parties(x3.rest().scan(None, None))

    assert x3.details == 0


async def test_what_only_single_records_show_is_fetched_for_each_and_only_then() -> None:
    x3 = rest_x3(Settings(rest_list_is_narrow=True))
    wide = await parties(rest_x3().rest(FULL).scan(None, None))

    narrow = await parties(x3.rest(FULL).scan(None, None))

    assert narrow == wide
    assert x3.details == len(x3.codes)


async def test_a_made_to_measure_representation_saves_the_calls(x3: RestX3) -> None:
    x3.state.settings.rest_list_is_narrow = True
    rest = {"customers": {"representation": "YMLCUST"}}

    found = await parties(x3.rest(settings={"rest": rest}).scan(None, None))

    assert codes(found) == x3.codes
    assert any(party.emails[0] for party in found)
    assert x3.details == 0


async def test_details_may_be_forbidden_and_what_is_lacking_is_said() -> None:
    x3 = rest_x3(Settings(rest_list_is_narrow=True))
    source = x3.rest(settings={"rest": {"customers": {"details_per_row": False}}})

    found = await parties(source.scan(None, None))

    assert codes(found) == x3.codes
    assert not any(party.emails[0] for party in found)
    assert x3.details == 0
    assert any("WEB1" in warning for warning in source.warnings)


async def test_details_may_be_demanded(x3: RestX3) -> None:
    await parties(x3.rest(settings={"rest": {"customers": {"details_per_row": True}}}).scan(None, None))

    assert x3.details == len(x3.codes)


async def test_a_column_that_verification_saw_nowhere_is_dropped_with_a_warning() -> None:
    x3 = rest_x3(Settings(rest_hides=("BCGCOD", "BPCNAM2")))
    await x3.verify()
    assert {"customers.category", "customers.name2"} <= set(x3.facts["missing_paths"])
    before = x3.details

    source = x3.rest(Selection("customers", ("default_address.emails",), ("name", "category")))
    found = await parties(source.scan(None, None))

    assert codes(found) == x3.codes
    assert {party.values[1] for party in found} == {None}
    assert x3.details == before
    assert any("category" in warning for warning in source.warnings)


async def test_a_record_x3_refuses_becomes_a_refusal_and_its_neighbours_go_on(x3: RestX3) -> None:
    x3.fault("row_refusal", codes=(x3.codes[3], x3.codes[50]), count=None)

    pages = [page async for page in x3.rest(DEEP, settings={"page_size": 20}).scan(None, None)]

    assert [(refusal.code, refusal.reason) for page in pages for refusal in page.refused] == [
        (x3.codes[3], "x3_row_refused"),
        (x3.codes[50], "x3_row_refused"),
    ]
    refused = {x3.codes[3], x3.codes[50]}
    assert [party.code for page in pages for party in page.parties] == [c for c in x3.codes if c not in refused]


async def test_a_record_x3_fails_on_is_refused_after_a_second_try(x3: RestX3, waits: list[float]) -> None:
    x3.fault("error", count=None, path=r"C000007")

    found = await refusals(x3.rest(DEEP).scan(None, None))

    assert [reason for _, reason in found] == ["x3_row_unreadable"]
    assert waits == []


async def test_an_x3_that_fails_on_many_records_is_at_fault_itself(x3: RestX3) -> None:
    x3.fault("error", count=None, path=r"\('C0000")

    with pytest.raises(Transient):
        await parties(x3.rest(DEEP).scan(None, None))


async def test_a_record_deleted_between_list_and_details_is_simply_gone(x3: RestX3) -> None:
    source = x3.rest(DEEP)
    gone = x3.codes[5]
    details = source._details.complete

    async def delete_first(records: Sequence[dict[str, object]]) -> object:
        if gone in x3.state.folder.customers.rows:
            x3.state.folder.customers.remove(gone)
        return await details(records)

    source._details.complete = delete_first  # type: ignore[assignment,method-assign]  # the moment between two calls
    found = [page async for page in source.scan(None, None)]

    assert gone not in [party.code for page in found for party in page.parties]
    assert not any(page.refused for page in found)


async def test_named_parties_come_in_batches_and_unknown_ones_are_absent(x3: RestX3) -> None:
    wanted = [*x3.codes, "NOBODY", "Z'ERO"]

    pages = [page async for page in x3.rest().by_codes(wanted)]

    assert codes([party for page in pages for party in page.parties]) == x3.codes
    assert len(pages) == 3  # forty codes at a time, and none for those who are not there


async def test_parties_that_exist_under_no_such_code_bring_no_page(x3: RestX3) -> None:
    assert [page async for page in x3.rest().by_codes(["NOBODY"])] == []


async def test_inactive_and_prohibited_are_read_from_menus_of_numbers(x3: RestX3) -> None:
    folder = x3.state.folder
    found = await parties(x3.rest().scan(None, None))

    for party in found:
        row, partner = folder.customers.rows[party.code], folder.partners.rows[party.code]
        contact = folder.customer_contacts.get(row.default_contact)
        person = folder.persons.rows[contact.person] if contact is not None else None
        assert party.is_active is row.active
        assert party.is_prohibited is (partner.prohibited or (person is not None and person.prohibited))
    assert not all(party.is_active for party in found)
    assert any(party.is_prohibited for party in found)


async def test_the_clock_is_the_servers_and_early_rather_than_late() -> None:
    x3 = rest_x3(Settings(clock_skew_seconds=-300))

    told = await x3.rest().clock()

    assert -304 <= (told - datetime.now(UTC)).total_seconds() <= -300


@pytest.mark.parametrize("kind", ["html", "bad_gateway", "throttled", "unavailable", "truncated", "close"])
async def test_an_x3_that_fails_for_a_while_loses_nothing(x3: RestX3, kind: str, waits: list[float]) -> None:
    x3.fault(kind, count=2, after=1)

    assert codes(await parties(x3.rest(settings={"page_size": 30}).scan(None, None))) == x3.codes
    assert len(waits) == 2


async def test_a_wrong_password_is_the_tenants_to_put_right(x3: RestX3) -> None:
    source = x3.rest(credential={"username": "MLC", "password": "wrong"})

    with pytest.raises(NeedsTenant, match="credential") as refused:
        await parties(source.scan(None, None))
    assert refused.value.code == "x3_unauthorised"


async def test_a_class_that_does_not_exist_is_named(x3: RestX3) -> None:
    source = x3.rest(settings={"rest": {"customers": {"class": "YNOCLASS"}}})

    with pytest.raises(NeedsTenant, match="YNOCLASS"):
        await parties(source.scan(None, None))


async def test_pages_follow_links_that_hold_an_inner_host() -> None:
    x3 = rest_x3(Settings(rest_link_host="srv-x3:8124"))

    assert codes(await parties(x3.rest(settings={"page_size": 10}).scan(None, None))) == x3.codes
    assert {request.url.host for request in x3.requests} == {"x3.acme.test"}
