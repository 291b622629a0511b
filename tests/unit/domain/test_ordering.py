"""What a sales document is worth to a store, to the last digit."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.mailchimp.commerce_payloads import order_body
from app.domain.errors import InvalidDefinition
from app.domain.filters import parse_filter
from app.domain.invoice import Invoice, InvoiceLine
from app.domain.order_mapping import compile_orders, require_companies
from app.domain.ordering import OTHER, Credit, Rules, companies_of, exact, products_of, to_order, why_not
from app.domain.parsing import parse_mapping

D = Decimal
FR10 = {"field": "company", "in": ["FR10"]}


def a_line(quantity: str = "2", price: str | None = "50", amount: str = "100", **given: Any) -> InvoiceLine:
    return InvoiceLine(
        **{"id": "1000", "product": "ITM1", "title": "Pen", **given},
        quantity=D(quantity),
        price=None if price is None else D(price),
        amount=D(amount),
    )


def an_invoice(*lines: InvoiceLine, **given: Any) -> Invoice:
    values: dict[str, Any] = {
        "number": "FR10-1",
        "company": "FR10",
        "category": "invoice",
        "status": "posted",
        "day": date(2026, 1, 31),
        "currency": "EUR",
        "excluding_tax": D("100"),
        "including_tax": D("120"),
        "customer": "C1",
        "reference": "",
        "updated_at": None,
        **given,
    }
    return Invoice(**values, values=(values["company"],), lines=lines or (a_line(),))


RULES = Rules(lambda values: values[0] == "FR10", "EUR")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, None),
        ({"category": "creditMemo"}, None),
        ({"company": "GB20"}, "filtered"),
        ({"category": "proforma"}, "proforma"),
        ({"category": "debitNote"}, "debit_note"),
        ({"category": "somethingNew"}, "other_category"),
        ({"status": "notPosted"}, "not_posted"),
        ({"status": "notUsed"}, "cancelled"),
        ({"status": "somethingNew"}, "not_posted"),
        ({"currency": "USD"}, "currency_mismatch"),
        ({"customer": ""}, "no_customer"),
        ({"including_tax": D("-1")}, "negative_total"),
        ({"including_tax": D(0)}, None),
    ],
)
def test_only_posted_invoices_of_the_stores_currency_count(given: dict[str, Any], reason: str | None) -> None:
    assert why_not(an_invoice(**given), RULES) == reason


def test_an_order_is_worth_the_total_with_tax_and_tax_is_the_difference() -> None:
    order = to_order(an_invoice())

    assert (order.id, order.customer_id, order.currency) == ("FR10-1", "C1", "EUR")
    assert (order.total, order.tax, order.financial_status) == (D(120), D(20), "paid")
    assert order.processed_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert [(line.product_id, line.quantity, line.price) for line in order.lines] == [("ITM1", 2, D(50))]


@pytest.mark.parametrize(
    ("back", "worth", "tax", "status"),
    [
        (Credit(D("12"), D("2")), "108", "18", "partially_refunded"),
        (Credit(D("120"), D("20")), "0", "0", "refunded"),
        (Credit(D("500"), D("80")), "0", "0", "refunded"),
    ],
)
def test_credit_memos_take_their_amount_back(back: Credit, worth: str, tax: str, status: str) -> None:
    order = to_order(an_invoice(), back)

    assert (order.total, order.tax, order.financial_status) == (D(worth), D(tax), status)


@pytest.mark.parametrize(
    ("line", "pieces", "price"),
    [
        (a_line("3", "33.333", "100"), 3, "33.333"),
        (a_line("1.5", "20", "30"), 1, "30"),
        (a_line("0", "20", "0"), 1, "0"),
        (a_line("0.0001", None, "5"), 1, "5"),
        (a_line("4", None, "10"), 4, "2.5"),
        (a_line("3", None, "10"), 3, "3.3333"),
        (a_line("2.000", "5", "10"), 2, "5"),
        (a_line("1E+12", "0", "0"), 1, "0"),
    ],
)
def test_fractions_of_a_piece_become_one_piece_at_the_amount_of_the_line(
    line: InvoiceLine, pieces: int, price: str
) -> None:
    (made,) = to_order(an_invoice(line)).lines

    assert (made.quantity, made.price) == (pieces, D(price))


def test_rebates_are_a_discount_and_no_line() -> None:
    order = to_order(an_invoice(a_line(), a_line("1", "-10", "-10", id="2000", product="REB")))

    assert [line.id for line in order.lines] == ["1000"]
    assert order.discount == D(10)


def test_what_has_no_product_stands_under_a_product_of_its_own() -> None:
    invoice = an_invoice(a_line(product="", title="Transport"))
    nothing = msgspec.structs.replace(invoice, lines=())

    assert to_order(invoice).lines[0].product_id == OTHER.id
    assert products_of([invoice]) == {OTHER.id: OTHER}
    assert [(line.product_id, line.price) for line in to_order(nothing).lines] == [(OTHER.id, D(100))]
    assert products_of([nothing]) == {OTHER.id: OTHER}


def test_every_product_of_a_page_is_named_once() -> None:
    found = products_of([an_invoice(a_line(), a_line(id="2000", product="ITM2", title="")), an_invoice()])

    assert {(p.id, p.title, p.variants[0].id, p.variants[0].sku) for p in found.values()} == {
        ("ITM1", "Pen", "ITM1", "ITM1"),
        ("ITM2", "ITM2", "ITM2", "ITM2"),
    }


@given(st.decimals(min_value="-1E12", max_value="1E12", places=4, allow_nan=False))
def test_a_number_has_one_spelling_and_keeps_its_value(value: Decimal) -> None:
    assert exact(value) == value
    assert "E" not in str(exact(value)).upper()
    assert str(exact(exact(value) * D("1.000"))) == str(exact(value))


def test_money_is_sent_with_the_digits_it_has() -> None:
    invoice = an_invoice(a_line("1", "0.10", "0.10"), excluding_tax=D("0.10"), including_tax=D("0.30"))

    assert b'"order_total":0.3,' in order_body(to_order(invoice))
    assert b'"tax_total":0.2' in order_body(to_order(invoice))
    assert b'"order_total":368.62,' in order_body(to_order(an_invoice(including_tax=D("368.620"))))


@pytest.mark.parametrize(
    ("filter_", "companies"),
    [
        (None, None),
        (FR10, ("FR10",)),
        ({"field": "company", "equals": "FR10"}, ("FR10",)),
        ({"field": "company", "not_in": ["FR10"]}, None),
        ({"field": "site", "in": ["FR011"]}, None),
        ({"all": [{"field": "site", "in": ["FR011"]}, {"field": "company", "in": ["GB20", "FR10"]}]}, ("FR10", "GB20")),
        ({"all": [FR10, {"field": "company", "in": ["GB20", "FR10"]}]}, ("FR10",)),
        ({"any": [FR10, {"field": "company", "in": ["GB20"]}]}, ("FR10", "GB20")),
        ({"any": [FR10, {"field": "site", "in": ["FR011"]}]}, None),
        ({"not": FR10}, None),
    ],
)
def test_the_companies_a_filter_permits_are_known(filter_: Any, companies: tuple[str, ...] | None) -> None:
    assert companies_of(parse_filter(filter_, "invoices")) == companies


def test_a_sync_of_every_company_is_refused() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        require_companies(parse_filter({"field": "category", "in": ["invoice"]}, "invoices"))
    assert refused.value.pointer == "/filter"


def test_a_mapping_of_invoices_reads_the_billed_customer() -> None:
    definition = parse_mapping({"stream": "invoices"})
    orders = compile_orders(definition, parse_filter(FR10, "invoices"))

    assert parse_mapping(definition.document()) == definition
    assert orders.customers.selection.stream == "customers"
    assert orders.selection.companies == ("FR10",)
    fields = orders.customers.selection.fields
    values = tuple(
        {"name": " Acme ", "default_address.city": "LYON", "default_address.country": "FR"}.get(f) for f in fields
    )
    customer = orders.customer("C1", "ada@acme.test", values)
    assert (customer.id, customer.email, customer.company) == ("C1", "ada@acme.test", "Acme")
    assert customer.address is not None
    assert (customer.address.city, customer.address.country, customer.address.line1) == ("LYON", "FR", "")


def test_a_customer_without_an_address_has_none() -> None:
    orders = compile_orders(parse_mapping({"stream": "invoices", "fields": []}), parse_filter(FR10, "invoices"))

    assert orders.customer("C1", "ada@acme.test", ()).address is None
