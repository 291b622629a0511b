"""From rows of salesInvoice and salesInvoiceLine to Invoice and InvoiceLine; money as Decimal, never as a float."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from app.connectors.sage_x3.getters import values_of
from app.connectors.sage_x3.paths import Path, Step
from app.connectors.sage_x3.queries import Tree, tree_of
from app.connectors.sage_x3.structs import Shape
from app.connectors.sage_x3.values import scalar, text
from app.domain.invoice import Invoice, InvoiceLine

_ID: Path = (Step("_id"),)
_LIMIT = Decimal(10) ** 18  # nothing anybody sells: a value beyond it is broken
_HEAD = ("number", "company", "category", "status", "date", "currency", "total_excluding_tax", "total_including_tax",
         "bill_to_customer", "customer_reference", "updated_at")  # fmt: skip
_LINE = ("invoice", "number", "product", "title", "description", "quantity", "price", "amount")

Totals = tuple[Any, Any]


class Unreadable(ValueError):
    """A document whose numbers are none; the sentence names the field, never the value."""


class Heads:
    """What to ask of salesInvoice for `fields`, and how its rows become invoices without lines."""

    def __init__(self, paths: Mapping[str, Path], fields: Sequence[str]) -> None:
        wanted = dict.fromkeys([*_HEAD, *fields])
        self.missing = tuple(name for name in wanted if name not in paths)
        self.tree: Tree = tree_of([_ID, *(paths[name] for name in wanted if name in paths)])
        self.shape = Shape(self.tree)
        self._read = values_of(self.shape, [paths.get(name) for name in (*_HEAD, *fields)])
        self._key = self.shape.one(_ID)
        self._number = self.shape.one(paths["number"])

    def key(self, row: Any) -> str | None:
        """The row's _id, after which a scan resumes."""
        return text(self._key(row))

    def number(self, row: Any) -> str | None:
        return text(self._number(row)) or self.key(row)

    def invoice(self, row: Any, totals: Totals | None = None) -> Invoice:
        """`totals` come from elsewhere in the older generation. Raises Unreadable."""
        found = self._read(row)
        number, company, category, status, day, currency, excluding, including, customer, reference, updated = found[
            : len(_HEAD)
        ]
        excluding, including = totals or (excluding, including)
        return Invoice(
            number=text(number) or self.key(row) or "",
            company=text(company) or "",
            category=text(category) or "",
            status=text(status) or "",
            day=as_day(day),
            currency=text(currency) or "",
            excluding_tax=as_decimal(excluding, "total_excluding_tax"),
            including_tax=as_decimal(including, "total_including_tax"),
            customer=text(customer) or "",
            reference=text(reference) or "",
            updated_at=as_instant(updated),
            values=tuple(scalar(value) for value in found[len(_HEAD) :]),
        )


class Lines:
    """What to ask of salesInvoiceLine, and how its rows become lines by the number of their document."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self.tree: Tree = tree_of([_ID, *(paths[name] for name in _LINE if name in paths)])
        self.shape = Shape(self.tree)
        self._read = values_of(self.shape, [paths.get(name) for name in _LINE])
        self._owner = self.shape.one(paths["invoice"])

    def owner(self, row: Any) -> str:
        """The number of the line's document."""
        return text(self._owner(row)) or ""

    def line(self, row: Any) -> tuple[str, InvoiceLine]:
        """(number of the document, line). Raises Unreadable."""
        invoice, number, product, title, description, quantity, price, amount = self._read(row)
        code = text(product) or ""
        return text(invoice) or "", InvoiceLine(
            text(number) or "",
            code,
            (text(title) or "") if code else (text(description) or ""),
            as_decimal(quantity, "quantity"),
            None if scalar(price) is None else as_decimal(price, "price"),
            as_decimal(amount, "amount"),
        )


def in_order(lines: Sequence[InvoiceLine]) -> tuple[InvoiceLine, ...]:
    """By line number, and each number once: a row may come again when pages shift."""
    once = {line.id: line for line in lines}
    return tuple(sorted(once.values(), key=_place))


def _place(line: InvoiceLine) -> tuple[int, str]:
    return (int(line.id), "") if line.id.isascii() and line.id.isdigit() else (0, line.id)


def as_decimal(value: Any, field: str) -> Decimal:
    """A decimal string, or a JSON number written out; blank is nothing, zero. Raises Unreadable."""
    found = scalar(value)
    if found is None:
        return Decimal(0)
    try:
        number = Decimal(str(found))
    except InvalidOperation:
        raise Unreadable(f"{field} is not a number") from None
    if not number.is_finite() or abs(number) >= _LIMIT:
        raise Unreadable(f"{field} is not a number of ordinary size")
    return number


def as_day(value: Any) -> date | None:
    found = _parsed(value, lambda written: date.fromisoformat(written[:10]))
    return found if isinstance(found, date) and found.year >= 1900 else None


def as_instant(value: Any) -> datetime | None:
    found = _parsed(value, datetime.fromisoformat)
    return found if isinstance(found, datetime) and found.tzinfo is not None else None


def _parsed(value: Any, parse: Callable[[str], date | datetime]) -> date | datetime | None:
    found = scalar(value)
    try:
        return parse(found) if isinstance(found, str) else None
    except ValueError:
        return None
