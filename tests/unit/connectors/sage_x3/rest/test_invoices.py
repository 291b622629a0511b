"""Sales documents over api1: the same as over GraphQL, to the cent, whatever the lists show."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.connectors.sage_x3.invoice_opening import AnyInvoices, open_invoices
from app.connectors.sage_x3.rest.invoices import RestInvoices
from app.domain.errors import NeedsTenant
from app.domain.fields import INVOICE
from app.domain.invoice import Invoice, InvoicePage, InvoiceSelection, Kind
from app.domain.ordering import products_of, to_order
from sandbox.data import generate
from sandbox.x3.state import Settings, X3State
from tests.unit.connectors.sage_x3.rest.conftest import RestX3

FIELDS = tuple(field.name for field in INVOICE)
KINDS: tuple[Kind, ...] = ("credits", "others")


def fake(settings: Settings | None = None, invoices: int = 130) -> RestX3:
    return RestX3(X3State(generate(customers=40, invoices=invoices, seed=5), settings))


@pytest.fixture
async def x3() -> AsyncIterator[RestX3]:
    made = fake()
    yield made
    await made.http.aclose()


def over_rest(x3: RestX3, *companies: str, **changes: Any) -> RestInvoices:
    found = open_invoices(selection=InvoiceSelection(FIELDS, companies or None), **x3.given(**changes))
    assert isinstance(found, RestInvoices)
    return found


def over_graphql(x3: RestX3, *companies: str) -> AnyInvoices:
    return open_invoices(selection=InvoiceSelection(FIELDS, companies or None), **(x3.over_graphql() | {"facts": {}}))


async def gathered(pages: AsyncIterator[InvoicePage]) -> list[Invoice]:
    return [invoice async for page in pages for invoice in page.invoices]


async def everything(reader: AnyInvoices) -> dict[str, list[Invoice]]:
    return {kind: await gathered(reader.scan(kind, None, None)) for kind in KINDS}


def companies_of(x3: RestX3) -> list[str]:
    return sorted({row.company for row in x3.state.folder.invoices.rows.values()})


@pytest.fixture(params=[{}, {"rest_list_is_narrow": True}, {"rest_page_maximum": 9}])
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    given: dict[str, Any] = request.param
    return given


@pytest.mark.parametrize("verified", [True, False])
async def test_both_ways_in_give_the_same_documents(settings: dict[str, Any], verified: bool) -> None:
    x3 = fake(Settings(**settings))
    if verified:
        assert (await x3.verify()).ok

    rest, graphql = await everything(over_rest(x3)), await everything(over_graphql(x3))

    assert rest == graphql
    assert len(rest["credits"]) + len(rest["others"]) == len(x3.state.folder.invoices)
    assert all(invoice.lines for invoice in rest["others"])


async def test_both_ways_in_give_the_same_orders_and_products_spelled_alike(x3: RestX3) -> None:
    rest, graphql = await everything(over_rest(x3)), await everything(over_graphql(x3))

    assert repr([to_order(one) for one in rest["others"]]) == repr([to_order(one) for one in graphql["others"]])
    assert products_of(rest["others"]) == products_of(graphql["others"])


async def test_products_are_called_what_the_product_is_called_and_asked_for_once(x3: RestX3) -> None:
    product = next(iter(x3.state.folder.products.rows.values()))
    product.description = "RENAMED"

    found = (await everything(over_rest(x3)))["others"]

    titles = {line.title for invoice in found for line in invoice.lines if line.product == product.id}
    assert titles == {"RENAMED"}
    assert sum("ITMMASTER" in request.url.path for request in x3.requests) <= 3


async def test_without_products_the_lines_own_texts_serve() -> None:
    x3 = fake(Settings(rest_hides_classes=("ITMMASTER",)))
    reader = over_rest(x3)

    found = (await everything(reader))["others"]

    texts = {row.product: row.description for row in x3.state.folder.lines.rows.values()}
    assert all(line.title == texts[line.product] for invoice in found for line in invoice.lines)
    assert any("ITMMASTER cannot be read" in warning for warning in reader.warnings)


async def test_only_the_companies_asked_for_come_in_ranges_but_any_by_number(settings: dict[str, Any]) -> None:
    x3 = fake(Settings(**settings))
    one, *others = companies_of(x3)
    reader = over_rest(x3, one)

    found = await everything(reader)

    assert {invoice.company for kind in KINDS for invoice in found[kind]} == {one}
    assert found == await everything(over_graphql(x3, one))
    elsewhere = [row.id for row in x3.state.folder.invoices.rows.values() if row.company in others][:5]
    assert [invoice.number for invoice in await gathered(reader.by_codes(elsewhere))] == sorted(elsewhere)


async def test_ranges_are_disjoint_complete_and_resumed_after_any_page(settings: dict[str, Any]) -> None:
    x3 = fake(Settings(**settings))
    reader = over_rest(x3, settings={"page_size": 20})
    whole = [invoice.number for invoice in await gathered(reader.scan("others", None, None))]
    bounds = await reader.bounds("others")
    assert bounds is not None
    assert (bounds[0] <= whole[0], bounds[1] >= whole[-1]) == (True, True)

    pages = [page async for page in reader.scan("others", None, whole[60])]
    low = [invoice.number for page in pages for invoice in page.invoices]
    high = [invoice.number for invoice in await gathered(reader.scan("others", whole[60], None))]
    assert low + high == whole
    rest = [invoice.number for invoice in await gathered(reader.scan("others", pages[0].last_key, None))]
    assert [invoice.number for invoice in pages[0].invoices] + rest == whole


async def test_a_touched_document_is_named(settings: dict[str, Any]) -> None:
    x3 = fake(Settings(**settings))
    table = x3.state.folder.invoices
    row = table.rows[table.keys[17]]
    table.touch(row, int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()))
    reader = over_rest(x3, row.company)

    assert await reader.can_tell_changes()
    found = [code async for change in reader.changes(datetime(2026, 5, 31, tzinfo=UTC)) for code in change.codes]

    assert found == [row.id]


async def test_a_hidden_stamp_means_no_delta() -> None:
    x3 = fake(Settings(rest_hides=("UPDDATTIM",)))

    assert not await over_rest(x3).can_tell_changes()


async def test_documents_by_number_are_of_the_kind_asked_for(x3: RestX3) -> None:
    reader, numbers = over_rest(x3), [*x3.state.folder.invoices.keys[:90], "NOBODY"]

    memos = await gathered(reader.by_codes(numbers, "credits"))
    others = await gathered(reader.by_codes(numbers, "others"))
    bare = await gathered(reader.by_codes(numbers, lines=False))

    assert {invoice.category for invoice in memos} == {"creditMemo"}
    assert sorted(invoice.number for invoice in memos + others) == numbers[:90] == [one.number for one in bare]
    assert not any(invoice.lines for invoice in memos + bare)


async def test_a_document_x3_refuses_or_garbles_costs_no_other(x3: RestX3) -> None:
    rows = [row for row in x3.state.folder.invoices.rows.values() if row.category == "invoice"]
    x3.fault("row_refusal", codes=(rows[3].id,), count=None)
    x3.state.folder.lines.group("invoice", rows[5].id)[0].quantity = "1e40"

    pages = [page async for page in over_rest(x3).scan("others", None, None)]

    refused = {refusal.code: refusal.reason for page in pages for refusal in page.refused}
    assert refused == {rows[3].id: "x3_row_refused", rows[5].id: "x3_row_unreadable"}
    memos = sum(row.category == "creditMemo" for row in x3.state.folder.invoices.rows.values())
    assert sum(len(page.invoices) for page in pages) == len(x3.state.folder.invoices) - memos - 2


async def test_money_is_exact(x3: RestX3) -> None:
    found = await everything(over_rest(x3))

    for kind in KINDS:
        for invoice in found[kind]:
            row = x3.state.folder.invoices.rows[invoice.number]
            assert (invoice.excluding_tax, invoice.including_tax) == (
                Decimal(row.excluding_tax),
                Decimal(row.including_tax),
            )


async def test_a_representation_without_lines_is_refused_with_advice(x3: RestX3) -> None:
    rest = {"invoices": {"paths": {"line.number": "YLINES[].SIDLIN"}}}

    with pytest.raises(NeedsTenant, match="EDISIHTR"):
        await everything(over_rest(x3, settings={"rest": rest}))


async def test_another_representation_may_be_chosen(x3: RestX3) -> None:
    rest = {"invoices": {"representation": "EDISIHTR"}}

    assert (await everything(over_rest(x3, settings={"rest": rest})))["others"]
    assert all("EDISIHTR" in str(request.url) for request in x3.requests if "SINVOICEV" in request.url.path)


async def test_a_column_that_orders_need_and_x3_hides_is_named() -> None:
    x3 = fake(Settings(rest_hides=("INVSTA",)))
    found = await x3.verify()
    assert "invoices.status" in found.facts["missing_paths"]  # type: ignore[operator]  # a list

    with pytest.raises(NeedsTenant, match=r"invoices\.status"):
        over_rest(x3)


async def test_a_condition_on_a_column_that_is_hidden_since_is_dropped_with_a_warning() -> None:
    x3 = fake()
    await x3.verify()
    one = companies_of(x3)[0]
    expected = await everything(over_graphql(x3, one))
    x3.state.settings.rest_list_is_narrow = True
    reader = over_rest(x3, one)

    assert await everything(reader) == expected
    assert any("CPY" in warning for warning in reader.warnings)
    assert any("INVTYP" in warning for warning in reader.warnings)
    assert await reader.can_tell_changes()
    stamp = datetime(2000, 1, 1, tzinfo=UTC)
    found = [code async for change in over_rest(x3, one).changes(stamp) for code in change.codes]
    assert found == x3.state.folder.invoices.keys  # the condition is gone; the filter of the sync remains


async def test_details_may_be_forbidden_for_documents_too(x3: RestX3) -> None:
    reader = over_rest(x3, settings={"rest": {"invoices": {"details_per_row": False}}})

    found = await everything(reader)

    assert x3.details == 0
    assert not any(invoice.lines for invoice in found["others"])
    assert any("SIVSID" in warning for warning in reader.warnings)
