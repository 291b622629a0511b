"""Sales documents read from a sandbox X3: every one once, exact money, lines where they belong, what was touched."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.connectors.sage_x3.invoice_opening import open_invoices
from app.connectors.sage_x3.invoices import InvoiceSource
from app.domain.errors import NeedsTenant
from app.domain.fields import INVOICE
from app.domain.invoice import Invoice, InvoicePage, InvoiceSelection
from sandbox.data import generate
from sandbox.x3.app import x3_app
from sandbox.x3.export import export
from sandbox.x3.state import Settings, X3State
from tests.unit.connectors.sage_x3.conftest import FakeX3

FIELDS = tuple(field.name for field in INVOICE)


def fake(settings: Settings | None = None, invoices: int = 230) -> FakeX3:
    state = X3State(generate(customers=40, invoices=invoices, seed=5), settings)
    return FakeX3(state, httpx.AsyncClient(transport=httpx.ASGITransport(x3_app(state))))


@pytest.fixture
async def x3() -> AsyncIterator[FakeX3]:
    made = fake()
    yield made
    await made.http.aclose()


def source(x3: FakeX3, *companies: str, **changes: Any) -> InvoiceSource:
    selection = InvoiceSelection(FIELDS, companies or None)
    found = open_invoices(selection=selection, **x3.given(**changes))
    assert isinstance(found, InvoiceSource)
    return found


async def gathered(pages: AsyncIterator[InvoicePage]) -> list[Invoice]:
    return [invoice async for page in pages for invoice in page.invoices]


async def everything(reader: InvoiceSource) -> list[Invoice]:
    return [*await gathered(reader.scan("credits", None, None)), *await gathered(reader.scan("others", None, None))]


def flat(invoice: Invoice) -> dict[str, Any]:
    return {
        "number": invoice.number, "company": invoice.company, "category": invoice.category, "status": invoice.status,
        "date": invoice.day.isoformat() if invoice.day else None, "customer": invoice.customer,
        "currency": invoice.currency, "excluding_tax": invoice.excluding_tax, "including_tax": invoice.including_tax,
        "reference": invoice.reference,
    }  # fmt: skip


def told(row: dict[str, Any]) -> dict[str, Any]:
    texts = {name: row[name] for name in ("number", "company", "category", "status", "date", "customer", "currency")}
    money = {name: Decimal(row[name]) for name in ("excluding_tax", "including_tax")}
    return {**texts, **money, "reference": row["reference"].strip()}


@pytest.mark.parametrize("generation", ["x3", "xtremX3"])
async def test_every_document_is_read_once_as_x3_has_it(generation: str) -> None:
    x3 = fake(Settings(generations=(generation,)))
    read = {i.number: i for i in await everything(source(x3, settings={"generation": generation}))}
    truth = {row["number"]: row for row in export(x3.state.folder, "invoices")}

    assert read.keys() == truth.keys()
    assert len(read) == 230
    for number, invoice in read.items():
        row = truth[number]
        assert flat(invoice) == told(row)
        if invoice.category != "creditMemo":
            assert [(line.id, line.product, line.quantity, line.amount, line.price) for line in invoice.lines] == [
                (str(line["number"]), line["product"], Decimal(line["quantity"]), Decimal(line["excluding_tax"]),
                 Decimal(line["net_price"]))
                for line in row["lines"]
            ]  # fmt: skip
            assert all(line.title for line in invoice.lines)
    await x3.http.aclose()


async def test_only_the_companies_of_the_selection_are_read_but_any_document_by_its_number(x3: FakeX3) -> None:
    reader = source(x3, "GB20")
    truth = list(export(x3.state.folder, "invoices"))
    british = {row["number"] for row in truth if row["company"] == "GB20"}
    french = next(row["number"] for row in truth if row["company"] == "FR10" and row["category"] == "invoice")

    assert {invoice.number for invoice in await everything(reader)} == british
    assert await reader.count() == len(british)
    assert await reader.bounds("others") is not None
    asked = await gathered(reader.by_codes([french, "no such number"], "others"))
    assert [invoice.number for invoice in asked] == [french]
    assert await gathered(reader.by_codes([french], "credits")) == []


async def test_ranges_are_disjoint_and_complete(x3: FakeX3) -> None:
    reader = source(x3)
    bounds = await reader.bounds("others")
    assert bounds is not None
    middle = sorted(x3.state.folder.invoices.keys)[100]

    low = await gathered(reader.scan("others", None, middle))
    high = await gathered(reader.scan("others", middle, None))

    assert (low[0].number, high[-1].number) == bounds
    assert [i.number for i in (*low, *high)] == [i.number for i in await gathered(reader.scan("others", None, None))]


async def test_a_page_holds_no_more_than_can_be_written_in_a_while(x3: FakeX3) -> None:
    sizes = [len(page.invoices) async for page in source(x3).scan("others", None, None)]

    assert max(sizes) <= 100
    assert len(sizes) > 2


@pytest.mark.parametrize("touched", ["invoice", "line"])
async def test_a_touched_document_or_line_is_found_by_its_stamp(x3: FakeX3, touched: str) -> None:
    folder, now = x3.state.folder, int(x3.state.now())
    number = next(row.id for row in folder.invoices.rows.values() if row.company == "FR10")
    line = folder.lines.group("invoice", number)[0]
    (
        folder.invoices.touch(folder.invoices.rows[number], now)
        if touched == "invoice"
        else folder.lines.touch(line, now)
    )
    since = datetime.fromtimestamp(now - 5, UTC)

    found = [code async for changes in source(x3, "FR10").changes(since) for code in changes.codes]
    elsewhere = [code async for changes in source(x3, "US30").changes(since) for code in changes.codes]

    assert found == [number]
    assert elsewhere == []


async def test_broken_money_costs_one_document_and_no_neighbour(x3: FakeX3) -> None:
    folder = x3.state.folder
    posted = [row for row in folder.invoices.rows.values() if row.category == "invoice"]
    posted[0].including_tax = "12,5O"
    folder.lines.group("invoice", posted[1].id)[0].quantity = "NaN"

    pages = [page async for page in source(x3).scan("others", None, None)]

    refused = {refusal.code: refusal.reason for page in pages for refusal in page.refused}
    assert refused == {posted[0].id: "x3_row_unreadable", posted[1].id: "x3_row_unreadable"}
    others = len([row for row in folder.invoices.rows.values() if row.category != "creditMemo"])
    assert sum(len(page.invoices) for page in pages) == others - 2


async def test_another_path_may_hold_the_reference(x3: FakeX3) -> None:
    reader = source(x3, settings={"fields": {"invoices": {"customer_reference": "billToCustomerCity"}}})
    (invoice, *_) = await gathered(reader.scan("others", None, None))

    assert invoice.reference != ""


async def test_a_field_that_orders_need_and_x3_lacks_is_named(x3: FakeX3) -> None:
    x3.facts = {"generation": "x3", "paths": {"invoices": {"number": "id"}, "invoices.lines": {}}}
    with pytest.raises(NeedsTenant, match=r"invoices\.company"):
        source(x3)


@pytest.mark.parametrize("introspection", [True, False])
@pytest.mark.parametrize("generation", ["x3", "xtremX3"])
async def test_verification_finds_the_paths_of_documents(generation: str, introspection: bool) -> None:
    x3 = fake(Settings(generations=(generation,), introspection=introspection), invoices=30)
    verdict = await x3.verify()

    assert verdict.ok, verdict.checks
    assert [name for name in x3.facts["missing_paths"] if name.startswith("invoices")] == []
    assert x3.facts["paths"]["invoices"]["bill_to_customer"] == "billToCustomer.code.code"
    assert len(await everything(source(x3))) == 30
    await x3.http.aclose()
