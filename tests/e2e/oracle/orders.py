"""What a store must hold, worked out from X3's export a second time and without the product's own code."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.e2e.oracle.people import Nobody, Rules, candidates

Row = Mapping[str, Any]
CREDITS = ("creditMemo", "creditNote")
SOURCES = ("default_address.emails", "default_contact.email", "contacts.email")
BY_CATEGORY = {"proforma": "proforma", "debitNote": "debit_note"}
BY_STATUS = {"notPosted": "not_posted", "notUsed": "cancelled"}


@dataclass
class Expected:
    """Orders by number, customers by code (with their address), products, credit memos that count, and why everything
    else is left out. `read` is the number of documents of the companies."""

    orders: dict[str, Row] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    products: set[str] = field(default_factory=set)
    credits: set[str] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)
    read: int = 0

    @property
    def revenue(self) -> Decimal:
        return sum((order["total"] for order in self.orders.values()), Decimal(0))


def expect_store(
    documents: Iterable[Row], customers: Iterable[Row], companies: set[str], currency: str, closed: Iterable[str] = ()
) -> Expected:
    """`closed` are addresses for which no customer may be made: archived or forgotten ones."""
    ours = {row["number"]: row for row in documents if row["company"] in companies}
    buyers = buyers_of(customers, set(closed))
    counting = {number for number, row in ours.items() if _reason(row, currency) is None}
    invoices = {number for number in counting if ours[number]["category"] == "invoice"}
    back = _taken_back([ours[number] for number in counting], invoices)
    found = Expected(read=len(ours))
    for number, row in sorted(ours.items()):
        reason = _reason(row, currency)
        if reason is None and row["category"] in CREDITS:
            reason = None if row["reference"] in invoices else "credit_memo_unreferenced"
            found.credits |= {number} if reason is None else set()
        elif reason is None:
            email, reason = buyers.get(row["customer"], (None, "customer_missing"))
            if reason is None:
                found.orders[number] = _order(row, *back.get(number, (Decimal(0), Decimal(0))))
                found.customers[row["customer"]] = email or ""
                found.products |= {line["product"] for line in row["lines"]}
        if reason is not None:
            found.skipped[reason] += 1
    return found


def buyers_of(customers: Iterable[Row], closed: set[str]) -> dict[str, tuple[str | None, str | None]]:
    """(address, why it may not be used) of each customer."""
    rules = Rules({"email": {"sources": SOURCES, "mode": "per_party"}, "fields": [], "tags": []})
    found: dict[str, tuple[str | None, str | None]] = {}
    for person in candidates(customers, rules):
        if isinstance(person, Nobody):
            found[person.key] = (None, "no_email")
        elif person.is_prohibited:
            found[person.key] = (person.email, "mailing_prohibited")
        else:
            found[person.key] = (person.email, "archived" if person.email.lower() in closed else None)
    return found


def _reason(row: Row, currency: str) -> str | None:
    if row["category"] not in ("invoice", *CREDITS):
        return BY_CATEGORY[row["category"]]
    if row["status"] != "posted":
        return BY_STATUS[row["status"]]
    return "currency_mismatch" if row["currency"] != currency else None


def _taken_back(rows: Iterable[Row], invoices: set[str]) -> dict[str, tuple[Decimal, Decimal]]:
    """(total, tax) that credit memos take back of each invoice."""
    back: dict[str, tuple[Decimal, Decimal]] = {}
    for row in rows:
        if row["category"] in CREDITS and row["reference"] in invoices:
            total, tax = back.get(row["reference"], (Decimal(0), Decimal(0)))
            back[row["reference"]] = (total + Decimal(row["including_tax"]), tax + _tax(row))
    return back


def _tax(row: Row) -> Decimal:
    return Decimal(row["including_tax"]) - Decimal(row["excluding_tax"])


def _order(row: Row, back: Decimal, tax_back: Decimal) -> Row:
    total = max(Decimal(row["including_tax"]) - back, Decimal(0))
    status = "paid" if not back else "partially_refunded" if total else "refunded"
    return {
        "customer": row["customer"],
        "currency": row["currency"],
        "total": total,
        "tax": min(max(_tax(row) - tax_back, Decimal(0)), total),
        "status": status,
        "day": row["date"],
        "lines": sorted(_line(line) for line in row["lines"]),
    }


def _line(line: Row) -> tuple[str, str, int, Decimal]:
    quantity = Decimal(line["quantity"])
    if quantity != int(quantity) or quantity < 1:
        return (str(line["number"]), line["product"], 1, Decimal(line["excluding_tax"]))
    return (str(line["number"]), line["product"], int(quantity), Decimal(line["net_price"]))


def as_expected(order: Row) -> Row:
    """An order as the store shows it, in the words of this oracle; money by its written digits."""
    lines = [
        (line["id"], line["product_id"], line["quantity"], Decimal(str(line["price"])))
        for line in order["lines"].values()
    ]
    return {
        "customer": order["customer"]["id"],
        "currency": order["currency_code"],
        "total": Decimal(str(order["order_total"])),
        "tax": Decimal(str(order["tax_total"])),
        "status": order["financial_status"],
        "day": order["processed_at_foreign"][:10],
        "lines": sorted(lines),
    }


def standing(store: Row) -> dict[str, Row]:
    """The orders of a store that are not cancelled, by number."""
    return {number: as_expected(o) for number, o in store["orders"].items() if not o.get("cancelled_at_foreign")}
