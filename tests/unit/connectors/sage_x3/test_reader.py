"""X3Source against a sandbox X3 in this process: nothing missed, nothing twice, faults survived or named."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient
from app.domain.party import Changes, Party, Selection, SourcePage
from sandbox.x3.state import Settings
from tests.unit.connectors.sage_x3.conftest import FULL, SLIM, FakeX3, fake_x3


async def parties(pages: AsyncIterator[SourcePage]) -> list[Party]:
    return [party async for page in pages for party in page.parties]


async def refusals(pages: AsyncIterator[SourcePage]) -> list[tuple[str, str]]:
    return [(refusal.code, refusal.reason) async for page in pages for refusal in page.refused]


async def touched(changes: AsyncIterator[Changes]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    async for change in changes:
        found.setdefault(change.lane, set()).update(change.codes)
    return found


def codes(found: Sequence[Party]) -> list[str]:
    return [party.code for party in found]


async def test_a_scan_gives_every_party_once_in_key_order(x3: FakeX3) -> None:
    source = x3.source(settings={"page_size": 25})

    assert codes(await parties(source.scan(None, None))) == x3.codes
    assert await source.count() == len(x3.codes)
    assert await source.bounds() == (x3.codes[0], x3.codes[-1])


async def test_ranges_that_share_a_bound_are_disjoint_and_complete(x3: FakeX3) -> None:
    source, bound = x3.source(settings={"page_size": 25}), x3.codes[47]

    low = codes(await parties(source.scan(None, bound)))
    high = codes(await parties(source.scan(bound, None)))

    assert low[-1] == bound
    assert low + high == x3.codes


async def test_a_scan_resumes_after_the_last_key_of_any_page(x3: FakeX3) -> None:
    source = x3.source(settings={"page_size": 25})
    pages = [page async for page in source.scan(None, None)]

    rest = codes(await parties(source.scan(pages[1].last_key, None)))

    assert codes(pages[0].parties) + codes(pages[1].parties) + rest == x3.codes


async def test_an_empty_stream_has_no_bounds_and_no_parties() -> None:
    x3 = fake_x3(customers=0, suppliers=0)
    source = x3.source()

    assert await source.bounds() is None
    assert await parties(source.scan(None, None)) == []


async def test_the_next_page_is_asked_for_while_this_one_is_in_use(x3: FakeX3) -> None:
    pages = x3.source(settings={"page_size": 25}).scan(None, None)
    await anext(pages)
    before = x3.asked
    for _ in range(200):
        await asyncio.sleep(0)

    assert x3.asked == before + 1
    await pages.aclose()


async def test_values_come_in_the_order_of_the_selection(x3: FakeX3) -> None:
    await x3.verify()
    row = x3.state.folder.customers.get(x3.codes[3])
    partner = x3.state.folder.partners.get(x3.codes[3])
    assert row is not None
    assert partner is not None

    (party,) = await parties(x3.source(FULL).by_codes([row.id]))

    assert party.values[0] == row.id
    assert party.values[1] == partner.names[0].strip()
    assert party.values[2] == row.category
    assert party.values[4] is row.active
    assert len(party.values) == len(FULL.fields)
    assert all(len(contact.values) == 2 for contact in party.contacts)


@pytest.mark.parametrize("generation", ["x3", "xtremX3"])
@pytest.mark.parametrize("stream", ["customers", "suppliers"])
async def test_both_generations_and_both_streams_are_read(generation: str, stream: str) -> None:
    x3 = fake_x3(Settings(generations=(generation,)))
    found = await x3.verify()
    fields = ("code", "name", "name2", "category", "default_address.city", "statistical_group_1")

    read = await parties(x3.source(Selection(stream, ("default_address.emails",), fields)).scan(None, None))

    table = x3.state.folder.customers if stream == "customers" else x3.state.folder.suppliers
    assert found.ok, found.checks
    assert found.facts["generation"] == generation
    assert codes(read) == table.keys
    for party in read:
        partner = x3.state.folder.partners.get(party.code)
        assert partner is not None
        assert party.values[1] == partner.names[0].strip()
        assert party.values[3] == table.get(party.code).category  # type: ignore[union-attr]  # it was read from there
        assert party.is_active is table.get(party.code).active  # type: ignore[union-attr]  # as above
    assert any(party.emails[0] for party in read)


async def test_a_prohibited_partner_or_default_contact_marks_the_party(x3: FakeX3) -> None:
    plain = next(code for code in x3.codes if (row := x3.state.folder.customers.get(code)) and row.default_contact)
    x3.edit(plain, is_prohibited=False, contact_is_prohibited=True)

    (by_contact,) = await parties(x3.source(SLIM).by_codes([plain]))
    (per_contact,) = await parties(x3.source(FULL).by_codes([plain]))

    assert by_contact.is_prohibited
    assert not per_contact.is_prohibited
    assert any(contact.is_prohibited for contact in per_contact.contacts)


async def test_a_change_in_any_row_of_a_party_is_seen(x3: FakeX3) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    contact_of = [code for code in x3.codes if (row := x3.state.folder.customers.get(code)) and row.default_contact]
    x3.edit(x3.codes[0], category="NEW")
    x3.edit(x3.codes[1], name="OTHER")
    x3.edit(x3.codes[2], emails=("other@acme.test",))
    x3.edit(contact_of[-1], contact_email="role@acme.test")
    x3.edit(contact_of[-2], contact_relationship_email="person@acme.test")

    found = await touched(x3.source().changes(since))

    assert x3.codes[0] in found["customer"]
    assert x3.codes[1] in found["businessPartner"]
    assert x3.codes[2] in found["customerAddress"]
    assert contact_of[-1] in found["customerContact"]
    assert contact_of[-2] in found["contactRelationship"]


async def test_nothing_changed_means_no_codes(x3: FakeX3) -> None:
    found = await touched(x3.source().changes(datetime.now(UTC) + timedelta(hours=1)))

    assert all(not changed for changed in found.values())


async def test_partners_that_are_only_suppliers_are_no_customers(x3: FakeX3) -> None:
    found = await touched(x3.source().changes(datetime(2000, 1, 1, tzinfo=UTC)))

    only_suppliers = {row.id for row in x3.state.folder.partners.rows.values() if not row.is_customer}
    assert only_suppliers
    assert not found["businessPartner"] & only_suppliers


async def test_changes_beyond_one_page_all_arrive(x3: FakeX3) -> None:
    found = await touched(x3.source(settings={"page_size": 10}).changes(datetime(2000, 1, 1, tzinfo=UTC)))

    assert found["customer"] == set(x3.codes)
    assert found["customerAddress"] == set(x3.codes)


async def test_a_node_that_rejects_sorting_by_stamp_is_read_by_key() -> None:
    x3 = fake_x3(Settings(unsortable_by_stamp=("customerAddress",)))
    since = datetime.now(UTC) - timedelta(minutes=1)
    x3.edit(x3.codes[2], emails=("other@acme.test",))

    found = await touched(x3.source().changes(since))

    assert found["customerAddress"] == {x3.codes[2]}


async def test_codes_that_are_gone_are_absent_and_the_rest_comes_sorted(x3: FakeX3) -> None:
    wanted = [x3.codes[7], "GONE", x3.codes[2], x3.codes[7]]

    assert codes(await parties(x3.source().by_codes(wanted))) == [x3.codes[2], x3.codes[7]]


@pytest.mark.parametrize("dialect", ["json", "relaxed"])
@pytest.mark.parametrize("code", ["AE'003", 'Q"1', "B\\2", "C\n3", "É漢", "'}],_id:{_gt:''}"])
async def test_a_hostile_code_neither_breaks_nor_widens_the_filter(code: str, dialect: str) -> None:
    x3 = fake_x3(Settings(filter_dialect=dialect))
    x3.edit(code, name="HOSTILE", emails=("h@acme.test",))
    source = x3.source(settings={"filter_dialect": dialect})

    assert codes(await parties(source.by_codes([code]))) == [code.strip()]
    assert codes(await parties(source.by_codes([code + "x"]))) == []


async def test_refused_rows_are_reported_once_and_cost_nobody_else(x3: FakeX3) -> None:
    refused = [x3.codes[3], x3.codes[4], x3.codes[60]]
    x3.fault("row_refusal", codes=tuple(refused), count=None)
    source = x3.source(settings={"page_size": 25})

    pages = [page async for page in source.scan(None, None)]

    assert [code for page in pages for code in codes(page.parties)] == [c for c in x3.codes if c not in refused]
    assert [(r.code, r.reason) for page in pages for r in page.refused] == [(c, "x3_row_refused") for c in refused]
    assert await refusals(source.by_codes(refused[:1])) == [(refused[0], "x3_row_refused")]


async def test_more_than_twenty_refusals_on_a_page_split_it(x3: FakeX3) -> None:
    refused = x3.codes[5:55]
    x3.fault("row_refusal", codes=tuple(refused), count=None)

    pages = [page async for page in x3.source(settings={"page_size": 100}).scan(None, None)]

    assert [code for page in pages for code in codes(page.parties)] == [c for c in x3.codes if c not in refused]
    assert [r.code for page in pages for r in page.refused] == refused


@pytest.mark.parametrize(
    "kind", ["html", "bad_gateway", "throttled", "unavailable", "error", "truncated", "close", "close_mid_body"]
)
async def test_a_passing_fault_loses_nothing(x3: FakeX3, kind: str, waits: list[float]) -> None:
    x3.fault(kind, count=2, after=1)

    assert codes(await parties(x3.source(settings={"page_size": 25}).scan(None, None))) == x3.codes
    assert len(waits) == 2


async def test_a_server_that_says_when_is_asked_again_no_sooner(x3: FakeX3, waits: list[float]) -> None:
    x3.fault("unavailable", count=1, retry_after=17)

    await parties(x3.source().scan(None, None))

    assert waits[0] >= 17


@pytest.mark.parametrize("kind", ["html", "unavailable", "graphql_errors", "error"])
async def test_a_lasting_fault_ends_as_transient(x3: FakeX3, kind: str) -> None:
    x3.fault(kind, count=None)

    with pytest.raises(Transient):
        await parties(x3.source().scan(None, None))


async def test_partial_data_is_not_taken_for_a_page(x3: FakeX3) -> None:
    x3.fault("partial_data", count=None)

    with pytest.raises(NeedsTenant) as raised:
        await parties(x3.source().scan(None, None))

    assert raised.value.code == "x3_rights"


async def test_a_passing_partial_answer_is_still_no_page(x3: FakeX3) -> None:
    x3.fault("graphql_errors", count=1, message="System error")

    assert codes(await parties(x3.source().scan(None, None))) == x3.codes


@pytest.mark.parametrize("kind", ["repeated_cursor", "empty_page"])
async def test_a_listing_that_never_ends_is_stopped(x3: FakeX3, kind: str) -> None:
    x3.fault(kind, count=None)

    with pytest.raises(ProtocolMismatch):
        await parties(x3.source(settings={"page_size": 25}).scan(None, None))


async def test_an_empty_page_that_passes_is_asked_for_again(x3: FakeX3) -> None:
    x3.fault("empty_page", count=2, after=1)

    assert codes(await parties(x3.source(settings={"page_size": 25}).scan(None, None))) == x3.codes


async def test_too_large_a_page_is_halved_and_everything_still_comes(x3: FakeX3) -> None:
    x3.fault("graphql_errors", count=2, message="The query exceeds the maximum volume")
    source = x3.source(settings={"page_size": 100})

    sizes = [len(page.parties) async for page in source.scan(None, None)]

    assert sizes[0] == 25
    assert sum(sizes) == len(x3.codes)


async def test_an_absent_path_is_dropped_with_a_warning(x3: FakeX3) -> None:
    fields = {"customers": {"custom.colour": "colour", "name": "companyName1"}}
    await x3.verify(settings={"fields": fields})
    selection = Selection("customers", ("default_address.emails",), ("custom.colour", "name"))

    source = x3.source(selection, settings={"fields": fields})
    read = await parties(source.by_codes(x3.codes[:1]))

    assert "customers.custom.colour" in x3.facts["missing_paths"]
    assert read[0].values[0] is None
    assert read[0].values[1]
    assert any("custom.colour" in warning for warning in source.warnings)


async def test_a_path_unknown_to_x3_and_never_verified_stops_with_a_sentence(x3: FakeX3) -> None:
    selection = Selection("customers", (), ("custom.colour",))
    source = x3.source(selection, settings={"fields": {"customers": {"custom.colour": "colour"}}})

    with pytest.raises(NeedsTenant, match="colour"):
        await parties(source.scan(None, None))


async def test_a_collection_cut_short_is_completed(x3: FakeX3) -> None:
    code = x3.codes[0]
    addresses = x3.state.folder.customer_addresses
    (model,) = addresses.group("owner", code)[:1]
    for number in range(250):
        emails = tuple(f"a{number}.{slot}@acme.test" for slot in range(1 if number else 30))
        addresses.put(replace(model, id=f"{code}~A{number:03}", code=f"A{number:03}", emails=emails))

    (party,) = await parties(x3.source(Selection("customers", ("addresses.emails",))).by_codes([code]))

    assert {f"a{number}.0@acme.test" for number in range(250)} | {f"a0.{slot}@acme.test" for slot in range(30)} <= set(
        party.emails[0]
    )


async def test_the_clock_is_the_servers_and_never_late() -> None:
    x3 = fake_x3(Settings(clock_skew_seconds=-3600))

    told = await x3.source().clock()

    server = datetime.now(UTC) - timedelta(hours=1)
    assert server - timedelta(seconds=5) < told <= server


async def test_a_row_of_another_shape_is_refused_alone(x3: FakeX3) -> None:
    source = x3.source(
        Selection("customers", (), ("custom.blob",)), settings={"fields": {"customers": {"custom.blob": "currency"}}}
    )
    body = {
        "data": {"x3MasterData": {"customer": {"query": {
            "pageInfo": {"hasNextPage": False},
            "edges": [
                {"node": {"_id": "A", "code": {"code": "A"}, "currency": "EUR"}},
                {"node": {"_id": "B", "code": {"code": "B"}, "currency": {"code": "EUR"}}},
            ],
        }}}}
    }  # fmt: skip

    rows = source._document.read(msgspec.json.encode(body))

    assert [source._translation.party(row).values for row in rows.nodes] == [("EUR",)]
    assert [b'"B"' in raw for raw in rows.unreadable] == [True]
