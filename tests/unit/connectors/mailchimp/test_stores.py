from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.connectors.mailchimp import commerce_payloads as payloads
from app.connectors.mailchimp.stores import MailchimpStore
from app.domain.commerce import Order, OrderLine, PostalAddress, Product, StoreCustomer, Variant
from app.domain.errors import NeedsTenant, RecordRejected
from tests.unit.connectors.mailchimp.scripted import Script, ok, problem

CUSTOMER = StoreCustomer("BPC1", "ada@acme.test", "Acme", address=PostalAddress("1 rue X", city="Lyon", country="FR"))
LINE = OrderLine("1", "ITM1", "ITM1", 2, Decimal("50.00"))
ORDER = Order("INV/1", "BPC1", "EUR", Decimal("121.00"), (LINE,), tax=Decimal("21.00"), financial_status="paid")
FIXED = problem(400, "Bad Request", "The email address can not be changed.")


def store(script: Script) -> MailchimpStore:
    return MailchimpStore(script.client(), "x3-eur")


def asked(script: Script) -> list[tuple[str, str]]:
    return [(request.method, request.url.raw_path.decode().partition("/stores/")[2]) for request in script.requests]


async def test_a_customer_is_never_opted_in() -> None:
    script = Script(ok({"id": "BPC1"}))
    await store(script).put_customer(CUSTOMER)
    assert script.body() == {
        "id": "BPC1",
        "email_address": "ada@acme.test",
        "opt_in_status": False,
        "company": "Acme",
        "address": {"address1": "1 rue X", "city": "Lyon", "country_code": "FR"},
    }


async def test_a_customer_whose_address_changed_is_made_anew_under_the_same_id() -> None:
    script = Script(FIXED, ok(), ok({"id": "BPC1"}))
    await store(script).put_customer(CUSTOMER)
    path = "x3-eur/customers/BPC1"
    assert asked(script) == [("PUT", path), ("DELETE", path), ("PUT", path)]


async def test_an_order_keeps_its_digits_and_its_id_keeps_its_place() -> None:
    script = Script(ok({"id": "INV/1"}))
    await store(script).put_order(ORDER)
    assert asked(script) == [("PUT", "x3-eur/orders/INV%2F1")]
    assert b'"order_total":121.00' in script.requests[0].content
    assert script.body() == {
        "id": "INV/1",
        "customer": {"id": "BPC1"},
        "currency_code": "EUR",
        "order_total": 121.0,
        "tax_total": 21.0,
        "financial_status": "paid",
        "lines": [{"id": "1", "product_id": "ITM1", "product_variant_id": "ITM1", "quantity": 2, "price": 50.0}],
    }


def test_instants_of_an_order_are_written_with_their_zone() -> None:
    instant = datetime(2026, 1, 31, 8, tzinfo=UTC)
    order = Order("I", "C", "EUR", Decimal(1), (LINE,), processed_at=instant, cancelled_at=instant)
    assert payloads.order_body(order).count(b"2026-01-31T08:00:00Z") == 2


async def test_an_order_ahead_of_its_product_says_so() -> None:
    refusal = problem(400, "Bad Request", "A product with the provided ID does not exist in the account for this list.")
    with pytest.raises(RecordRejected) as raised:
        await store(Script(refusal)).put_order(ORDER)
    assert raised.value.code == "product_missing"


async def test_a_product_carries_its_variants() -> None:
    script = Script(ok({"id": "ITM1"}))
    await store(script).put_product(Product("ITM1", "Mug", (Variant("ITM1", "Mug", Decimal("9.90"), "SKU"),)))
    variant = {"id": "ITM1", "title": "Mug", "price": 9.9, "sku": "SKU"}
    assert script.body() == {"id": "ITM1", "title": "Mug", "variants": [variant]}


async def test_a_store_that_is_gone_concerns_the_tenant() -> None:
    for call in (store(Script(problem(404))).put_order(ORDER), store(Script(problem(404))).set_syncing(True)):
        with pytest.raises(NeedsTenant):
            await call
    assert await store(Script(problem(404))).read() is None


async def test_a_store_starts_out_syncing_and_is_made_once() -> None:
    there = {"id": "x3-eur", "list_id": "L", "currency_code": "EUR", "is_syncing": False}
    script = Script(ok(there))
    await store(script).create("L", "X3 EUR", "EUR")
    assert script.body()["is_syncing"] is True

    again = Script(problem(400, "Bad Request", "A store with this id exists."), ok(there))
    assert (await store(again).create("L", "X3 EUR", "EUR")).list_id == "L"


async def test_refunds_and_removals_of_the_absent_do_no_harm() -> None:
    assert await store(Script(problem(404))).refund("INV9") is False
    await store(Script(problem(404))).remove_customer("C")
    await store(Script(problem(404))).remove_order("O")


async def test_a_cancelled_order_is_worth_nothing_and_an_absent_one_is_done() -> None:
    script = Script(ok({"id": "INV/1"}))
    await store(script).cancel_order("INV/1", datetime(2026, 1, 31, 8, tzinfo=UTC))
    assert asked(script) == [("PATCH", "x3-eur/orders/INV%2F1")]
    assert script.body() == {
        "cancelled_at_foreign": "2026-01-31T08:00:00Z",
        "financial_status": "cancelled",
        "order_total": 0,
        "tax_total": 0,
        "discount_total": 0,
    }
    await store(Script(problem(404))).cancel_order("INV9", datetime(2026, 1, 31, tzinfo=UTC))


async def test_orders_are_read_to_the_last_page() -> None:
    full = ok({"orders": [{"id": str(place), "order_total": 1.5} for place in range(1000)]})
    script = Script(full, ok({"orders": [{"id": "last", "order_total": 2}]}))
    found = [order async for page in store(script).orders() for order in page]
    assert (len(found), found[-1].order_total) == (1001, 2.0)


def test_a_customer_id_longer_than_mailchimp_keeps_is_refused_here() -> None:
    with pytest.raises(ValueError, match="50"):
        payloads.customer_body(StoreCustomer("C" * 51, "a@x.test"))
