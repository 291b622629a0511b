"""Customers, products and orders as Mailchimp's JSON.

Keys come sorted, so equal objects give equal bytes to hash and to send. Money leaves as JSON numbers with the digits
it came with. `opt_in_status` is always false: consent is never recorded through a store.

Source: Marketing API, "E-commerce"; the address keys differ from those of the merge field ADDRESS.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from app.domain.commerce import Order, OrderLine, PostalAddress, Product, StoreCustomer, Variant

MAX_CUSTOMER_ID = 50

_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


def customer_body(customer: StoreCustomer) -> bytes:
    """Raises ValueError when the id is longer than Mailchimp keeps."""
    if len(customer.id) > MAX_CUSTOMER_ID:
        raise ValueError(f"a customer id has at most {MAX_CUSTOMER_ID} characters")
    names = {"company": customer.company, "first_name": customer.first_name, "last_name": customer.last_name}
    head = {"id": customer.id, "email_address": customer.email, "opt_in_status": False}
    return _encode({**head, **_filled(names), **_address("address", customer.address)})


def product_body(product: Product) -> bytes:
    """A product with all its variants."""
    variants = [_variant(variant) for variant in product.variants]
    return _encode({"id": product.id, "title": product.title, "variants": variants})


def order_body(order: Order) -> bytes:
    """An order of a customer the store already has: only its id goes along."""
    head = {
        "id": order.id,
        "customer": {"id": order.customer_id},
        "currency_code": order.currency,
        "order_total": order.total,
        "lines": [_line(line) for line in order.lines],
    }
    rest = {
        "tax_total": order.tax,
        "shipping_total": order.shipping,
        "discount_total": order.discount,
        "financial_status": order.financial_status,
        "fulfillment_status": order.fulfillment_status,
        "processed_at_foreign": order.processed_at,
        "updated_at_foreign": order.updated_at,
        "cancelled_at_foreign": order.cancelled_at,
    }
    billing = _address("billing_address", order.billing_address)
    return _encode({**head, **_filled(rest), **billing, **_address("shipping_address", order.shipping_address)})


def cancellation_body(at: datetime) -> bytes:
    """Any `cancelled_at_foreign` cancels an order."""
    gone = {"cancelled_at_foreign": at, "financial_status": "cancelled"}
    return _encode({**gone, "order_total": 0, "tax_total": 0, "discount_total": 0})


def store_body(store_id: str, list_id: str, name: str, currency: str) -> bytes:
    """A store of one currency that starts out syncing, so that nothing is mailed to anybody."""
    return _encode({"id": store_id, "list_id": list_id, "name": name, "currency_code": currency, "is_syncing": True})


def encode(parts: Mapping[str, Any]) -> bytes:
    """A change of single properties."""
    return _encode(parts)


def _variant(variant: Variant) -> dict[str, Any]:
    return {"id": variant.id, "title": variant.title, **_filled({"price": variant.price, "sku": variant.sku})}


def _line(line: OrderLine) -> dict[str, Any]:
    made = {"id": line.id, "product_id": line.product_id, "product_variant_id": line.variant_id}
    return {**made, "quantity": line.quantity, "price": line.price, **_filled({"discount": line.discount})}


def _address(key: str, address: PostalAddress | None) -> dict[str, Any]:
    if address is None:
        return {}
    parts = {
        "address1": address.line1,
        "address2": address.line2,
        "city": address.city,
        "province": address.state,
        "postal_code": address.postal_code,
        "country_code": address.country,
        "country": address.country_name,
    }
    filled = _filled(parts)
    return {key: filled} if filled else {}


def _filled(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parts.items() if value is not None and value != ""}
