"""From a sales document to what a store should hold: is it an order, which one, and what is it worth. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal

import msgspec

from app.domain.commerce import Order, OrderLine, Product, Variant
from app.domain.filters import Condition, Filter, Group, Predicate
from app.domain.invoice import CREDITS, Invoice, InvoiceLine

ZERO = Decimal(0)
PRICE_STEP = Decimal("0.0001")
MOST_PIECES = Decimal(1_000_000_000)
NOON = time(12, tzinfo=UTC)  # the day X3 names stays that day in nearly every time zone

OTHER = Product("x3-other", "Other", (Variant("x3-other", "Other"),))
"""Stands for lines without a product: an order needs at least one line, and a line a product."""

CANCELLED = "cancelled"
CATEGORIES = {"proforma": "proforma", "debitNote": "debit_note"}
STATUSES = {"notUsed": CANCELLED, "notPosted": "not_posted"}


class Rules(msgspec.Struct, frozen=True):
    """What decides for one sync: its filter over Invoice.values, and the one currency of its store."""

    carried: Predicate
    currency: str


class Credit(msgspec.Struct, frozen=True, gc=False):
    """What posted credit memos take back of one invoice, all of them together."""

    total: Decimal = ZERO
    tax: Decimal = ZERO


NOTHING_BACK = Credit()


def why_not(invoice: Invoice, rules: Rules) -> str | None:
    """Why a document counts for nothing in this store; None when it does.

    filtered | proforma | debit_note | other_category | cancelled | not_posted | currency_mismatch | no_customer |
    negative_total
    """
    if not rules.carried(invoice.values):
        return "filtered"
    if invoice.category != "invoice" and invoice.category not in CREDITS:
        return CATEGORIES.get(invoice.category, "other_category")
    if invoice.status != "posted":
        return STATUSES.get(invoice.status, "not_posted")
    if invoice.currency != rules.currency:
        return "currency_mismatch"
    if not invoice.customer:
        return "no_customer"
    if invoice.including_tax < 0 and invoice.category == "invoice":
        return "negative_total"
    return None


def to_order(invoice: Invoice, credit: Credit = NOTHING_BACK) -> Order:
    """The order an invoice becomes: worth what it says less what credit memos took back, never less than nothing.

    Tax is the difference of both totals. Lines with a negative amount (rebates) become the order's discount.
    """
    total = max(invoice.including_tax - credit.total, ZERO)
    tax = min(max(invoice.tax - credit.tax, ZERO), total)
    sold = [line for line in invoice.lines if line.amount >= 0]
    rebate = -sum((line.amount for line in invoice.lines if line.amount < 0), ZERO)
    return Order(
        id=invoice.number,
        customer_id=invoice.customer,
        currency=invoice.currency,
        total=exact(total),
        lines=tuple(map(order_line, sold)) or (_whole(invoice),),
        tax=exact(tax),
        discount=exact(rebate),
        financial_status=_status(credit, total),
        processed_at=None if invoice.day is None else datetime.combine(invoice.day, NOON),
    )


def _status(credit: Credit, total: Decimal) -> str:
    if credit.total <= 0:
        return "paid"
    return "partially_refunded" if total > 0 else "refunded"


def order_line(line: InvoiceLine) -> OrderLine:
    """Whole pieces keep quantity and price of one; anything else (1.5 m, nothing at all) is one piece at the line's
    amount, since a store counts whole pieces only."""
    product = line.product or OTHER.id
    pieces = line.quantity
    if pieces < 1 or pieces > MOST_PIECES or pieces != pieces.to_integral_value():
        return OrderLine(line.id, product, product, 1, exact(line.amount))
    price = line.amount / pieces if line.price is None or line.price < 0 else line.price
    return OrderLine(line.id, product, product, int(pieces), exact(price.quantize(PRICE_STEP)))


def _whole(invoice: Invoice) -> OrderLine:
    """An invoice without a line that could be sold is one piece of something."""
    return OrderLine("1", OTHER.id, OTHER.id, 1, exact(max(invoice.excluding_tax, ZERO)))


def products_of(invoices: Iterable[Invoice]) -> dict[str, Product]:
    """Every product these invoices' orders need, by id; a variant is named like its product."""
    found: dict[str, Product] = {}
    for invoice in invoices:
        sold = [line for line in invoice.lines if line.amount >= 0]
        for line in sold:
            if line.product and line.product not in found:
                title = line.title or line.product
                found[line.product] = Product(line.product, title, (Variant(line.product, title, sku=line.product),))
        if not sold or any(not line.product for line in sold):
            found[OTHER.id] = OTHER
    return found


def exact(value: Decimal) -> Decimal:
    """The same number in its one shortest spelling, never with an exponent: 12.50 and 12.5 are 12.5, 1E+2 is 100."""
    shortest = value.normalize()
    exponent = shortest.as_tuple().exponent
    return shortest.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else shortest


def companies_of(filter_: Filter | None) -> tuple[str, ...] | None:
    """The companies a filter permits at most, sorted; None when it permits any."""
    found = None if filter_ is None else _companies(filter_.root)
    return None if found is None else tuple(sorted(found))


def _companies(node: Condition | Group) -> frozenset[str] | None:
    if isinstance(node, Condition):
        is_list = node.field == "company" and node.operator == "in" and not node.negated
        return frozenset(str(value) for value in node.values) if is_list else None
    if node.kind == "not":
        return None
    inner: Sequence[frozenset[str] | None] = [_companies(member) for member in node.members]
    named = [companies for companies in inner if companies is not None]
    if node.kind == "all":
        return frozenset.intersection(*named) if named else None
    return frozenset.union(*named) if len(named) == len(inner) and named else None
