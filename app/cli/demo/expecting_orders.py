"""What a store should hold, worked out from Sage X3's export alone."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from app.cli.demo.expecting import Row, address_of, is_prohibited

CREDITS = ("creditMemo", "creditNote")


def expect_orders(documents: Iterable[Row], customers: Iterable[Row], company: str, currency: str) -> dict[str, Row]:
    """Posted invoices of a company, in the store's currency, of customers who may be known to a store, by number.

    Each with `cents`: what it says less what posted credit memos took back of it.
    """
    posted = [row for row in documents if _counts(row, company, currency)]
    buyers = {row["code"] for row in customers if (email := address_of(row)) and not is_prohibited(row, email)}
    back: Counter[str] = Counter()
    for row in posted:
        if row["category"] in CREDITS:
            back[row["reference"]] += _cents(row["including_tax"])
    return {
        row["number"]: {**row, "cents": max(_cents(row["including_tax"]) - back[row["number"]], 0)}
        for row in posted
        if row["category"] == "invoice" and row["customer"] in buyers
    }


def _counts(row: Row, company: str, currency: str) -> bool:
    return (row["company"], row["currency"], row["status"]) == (company, currency, "posted")


def _cents(amount: str) -> int:
    return round(Decimal(amount) * 100)
