"""What a store should hold: customers, products, orders. Money is Decimal in the order's own currency."""

from datetime import datetime
from decimal import Decimal

import msgspec


class PostalAddress(msgspec.Struct, frozen=True, gc=False):
    """Where a customer is; `country` an ISO 3166 code, blanks are empty."""

    line1: str = ""
    line2: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    country_name: str = ""


class StoreCustomer(msgspec.Struct, frozen=True, gc=False):
    """An X3 customer as a customer of a store; `id` is the X3 code, at most 50 characters."""

    id: str
    email: str
    company: str = ""
    first_name: str = ""
    last_name: str = ""
    address: PostalAddress | None = None


class Variant(msgspec.Struct, frozen=True, gc=False):
    """What is really sold; a product without variants has one that is named like itself."""

    id: str
    title: str
    price: Decimal | None = None
    sku: str = ""


class Product(msgspec.Struct, frozen=True, gc=False):
    """A product with at least one variant."""

    id: str
    title: str
    variants: tuple[Variant, ...]


class OrderLine(msgspec.Struct, frozen=True, gc=False):
    """`price` is that of one piece; `quantity` is whole: the caller's rule has dealt with fractions."""

    id: str
    product_id: str
    variant_id: str
    quantity: int
    price: Decimal
    discount: Decimal | None = None


class Order(msgspec.Struct, frozen=True, gc=False):
    """An invoice as an order; `id` is the invoice number. Instants are aware.

    `processed_at` is what puts it into the activity feed; any `cancelled_at` cancels it.
    """

    id: str
    customer_id: str
    currency: str
    total: Decimal
    lines: tuple[OrderLine, ...]
    tax: Decimal | None = None
    shipping: Decimal | None = None
    discount: Decimal | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    processed_at: datetime | None = None
    updated_at: datetime | None = None
    cancelled_at: datetime | None = None
    billing_address: PostalAddress | None = None
    shipping_address: PostalAddress | None = None


class Cancellation(msgspec.Struct, frozen=True, gc=False):
    """An order is cancelled and worth nothing any more; `at` is aware."""

    id: str
    at: datetime


class StoredOrder(msgspec.Struct, frozen=True, gc=False):
    """What a store says of an order."""

    id: str
    order_total: Decimal = Decimal(0)
    currency_code: str = ""
    financial_status: str | None = None
