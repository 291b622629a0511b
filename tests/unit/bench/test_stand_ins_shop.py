"""The stand-ins' invoices and store answer what a run of invoices sends. No test looks at the time."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.connectors.mailchimp.auth import open_access
from app.connectors.mailchimp.client import MailchimpClient
from app.connectors.mailchimp.stores import MailchimpStore
from app.connectors.pacing import LocalPacer
from app.connectors.sage_x3.invoice_opening import AnyInvoices, open_invoices
from app.domain.commerce import StoreCustomer
from app.domain.invoice import Invoice, InvoiceSelection
from app.domain.ordering import products_of, to_order
from bench.mailchimp import API_KEY, Mailchimp
from bench.mailchimp_store import STORE_ID
from bench.x3 import X3
from bench.x3_invoices import COMPANY
from tests.unit.bench.test_stand_ins import Plain


@pytest.fixture
def x3() -> X3:
    return X3(records=50, page_seconds=0.0, invoices=250)


@pytest.fixture
async def shop() -> AsyncIterator[tuple[Mailchimp, MailchimpStore]]:
    app = Mailchimp()
    async with Plain(app).client() as http:
        access = open_access("api_key", {"base_url": "http://stand-in/3.0"}, {"api_key": API_KEY}, {})
        yield app, MailchimpStore(MailchimpClient(http, access, LocalPacer(8)), STORE_ID)


def documents(x3: X3) -> AnyInvoices:
    given: dict[str, Any] = {
        "kind": "graphql_basic",
        "url": "http://stand-in/xtrem/api",
        "settings": {},
        "credential": {"username": "a", "password": "b"},
        "outbound": Plain(x3),
        "pacer": LocalPacer(4),
    }
    return open_invoices(facts={}, selection=InvoiceSelection(("company",), (COMPANY,)), **given)


async def invoices(x3: X3) -> list[Invoice]:
    return [invoice async for page in documents(x3).scan("others", None, None) for invoice in page.invoices]


async def test_every_invoice_is_read_once_with_its_lines_and_adds_up(x3: X3) -> None:
    found = await invoices(x3)

    assert [invoice.number for invoice in found] == [f"INV{number:07d}" for number in range(1, 251)]
    assert {len(invoice.lines) for invoice in found} == {1, 2, 3, 4}
    assert all(sum(line.amount for line in each.lines) == each.excluding_tax for each in found)
    assert str(sum(invoice.including_tax for invoice in found)) == x3.statistics()["revenue"]
    assert {invoice.customer for invoice in found} <= set(x3.customers.codes)
    assert x3.traffic.unexpected == []


async def test_kinds_bounds_count_and_numbers_are_answered(x3: X3) -> None:
    source = documents(x3)

    assert await source.count() == 250
    assert await source.bounds("others") == ("INV0000001", "INV0000250")
    assert await source.bounds("credits") is None
    named = [i.number async for page in source.by_codes(["INV0000007", "GONE"]) for i in page.invoices]
    assert named == ["INV0000007"]
    assert x3.traffic.unexpected == []


async def test_a_store_adds_up_what_it_is_given(x3: X3, shop: tuple[Mailchimp, MailchimpStore]) -> None:
    app, store = shop
    found = (await invoices(x3))[:20]
    for product in products_of(found).values():
        await store.put_product(product)
    for code in {invoice.customer for invoice in found}:
        await store.put_customer(StoreCustomer(code, f"{code}@example-trade.eu"))
    for invoice in found * 2:
        await store.put_order(to_order(invoice))

    seen = app.statistics()["store"]
    assert (seen["orders"], seen["opted_in"], seen["dangling"]) == (20, 0, 0)
    assert Decimal(seen["revenue"]) == sum(invoice.including_tax for invoice in found)
    assert app.traffic.unexpected == []


async def test_an_order_of_nobody_is_noticed(x3: X3, shop: tuple[Mailchimp, MailchimpStore]) -> None:
    app, store = shop

    await store.put_order(to_order((await invoices(x3))[0]))

    assert app.statistics()["store"]["dangling"] == 1


async def test_the_store_is_told_and_strangers_are_noted(shop: tuple[Mailchimp, MailchimpStore]) -> None:
    app, store = shop

    await store.set_syncing(True)
    read = await store.read()
    async with Plain(app).client() as http:
        assert (await http.delete("/3.0/ecommerce/stores/x3-eur/orders/1")).status_code == httpx.codes.NOT_FOUND

    assert read is not None
    assert read.currency_code == "EUR"
    assert len(app.traffic.unexpected) == 1
