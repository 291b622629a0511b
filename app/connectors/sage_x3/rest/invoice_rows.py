"""From a record of SINVOICEV to an Invoice with its lines; money as Decimal from what the JSON spells out."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from app.connectors.sage_x3.invoice_rows import as_day, as_decimal, as_instant, in_order
from app.connectors.sage_x3.rest.paths import Path, Record, array_of, first, rows_of, within
from app.connectors.sage_x3.rest.translate import as_instant as instant_text
from app.connectors.sage_x3.values import scalar, text
from app.domain.invoice import Invoice, InvoiceLine
from app.domain.ordering import exact

HEAD = ("number", "company", "category", "status", "date", "currency", "total_excluding_tax", "total_including_tax",
        "bill_to_customer", "customer_reference", "updated_at")  # fmt: skip
LINE = ("line.number", "line.product", "line.description", "line.quantity", "line.price", "line.amount")
VITAL = ("number", "company", "category", "status", "currency", "bill_to_customer", "line.number", "line.quantity",
         "line.amount")  # fmt: skip
_MONEY = frozenset({"total_excluding_tax", "total_including_tax"})
_INSTANTS = frozenset({"created_at", "updated_at"})

Read = Callable[[Record], Any]


class Rows:
    """How records become invoices; `fields` are those of InvoiceSelection. `columns` are needed of every document,
    `array` is the column of its lines."""

    def __init__(self, key: str, paths: Mapping[str, Path], fields: Sequence[str]) -> None:
        wanted = dict.fromkeys([*HEAD, *fields])
        self.missing = tuple(name for name in (*wanted, *LINE) if name not in paths)
        self.columns = frozenset().union(*(paths[name].columns for name in wanted if name in paths))
        self._key = key
        self._head = {name: _reader(name, paths) for name in HEAD}
        self._values = [_reader(name, paths) for name in fields]
        array = array_of(paths, LINE)
        self.array = None if array is None else array.name
        self._entries = (lambda _: []) if array is None else rows_of(array)
        self._line = {name: _inside(name, paths, array) for name in LINE}

    def number(self, record: Record) -> str:
        return text(self._head["number"](record)) or text(record.get(self._key)) or ""

    def category(self, record: Record) -> str:
        return text(self._head["category"](record)) or ""

    def company(self, record: Record) -> str:
        return text(self._head["company"](record)) or ""

    def products(self, record: Record) -> set[str]:
        """Codes of the products on its lines."""
        read = self._line["line.product"]
        return {code for entry in self._entries(record) if (code := text(read(entry))) is not None}

    def invoice(self, record: Record, titles: Mapping[str, str], *, with_lines: bool) -> Invoice:
        """`titles` are the names of the products that were found. Raises Unreadable."""
        head = self._head
        return Invoice(
            number=self.number(record),
            company=self.company(record),
            category=self.category(record),
            status=text(head["status"](record)) or "",
            day=as_day(head["date"](record)),
            currency=text(head["currency"](record)) or "",
            excluding_tax=as_decimal(head["total_excluding_tax"](record), "total_excluding_tax"),
            including_tax=as_decimal(head["total_including_tax"](record), "total_including_tax"),
            customer=text(head["bill_to_customer"](record)) or "",
            reference=text(head["customer_reference"](record)) or "",
            updated_at=as_instant(head["updated_at"](record)),
            values=tuple(scalar(read(record)) for read in self._values),
            lines=in_order([self._line_of(entry, titles) for entry in self._entries(record)]) if with_lines else (),
        )

    def _line_of(self, entry: Record, titles: Mapping[str, str]) -> InvoiceLine:
        number, product, description, quantity, price, amount = (self._line[name](entry) for name in LINE)
        code, said = text(product) or "", text(description) or ""
        return InvoiceLine(
            text(number) or "",
            code,
            titles.get(code, said),
            as_decimal(quantity, "quantity"),
            None if scalar(price) is None else as_decimal(price, "price"),
            as_decimal(amount, "amount"),
        )


def _reader(name: str, paths: Mapping[str, Path]) -> Read:
    path = paths.get(name)
    if path is None:
        return lambda _: None
    read = first(path)
    if name in _INSTANTS:
        return instant_text(read)
    return _plain_number(read) if name in _MONEY else read


def _inside(name: str, paths: Mapping[str, Path], array: Any) -> Read:
    path = within(paths[name], array) if array is not None and name in paths else None
    return (lambda _: None) if path is None else first(path)


def _plain_number(read: Read) -> Read:
    """A JSON number as GraphQL spells it: 363.0 is 363."""

    def plain(record: Record) -> Any:
        value = scalar(read(record))
        if value is None:
            return None
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            return value
        return str(exact(number)) if number.is_finite() else value

    return plain
