"""Sales invoices of the stand-in Sage X3, with one to four lines each; any selection becomes a template."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from graphql.language import FieldNode, SelectionSetNode

from bench.x3_rows import Keyed, Places

HEAD, LINE = "salesInvoice", "salesInvoiceLine"
COMPANY = "FR10"
CURRENCY = "EUR"
_CREDITS = {"creditMemo", "creditNote"}
_STAMP = "2026-01-05T06:07:08.000Z"
_FIRST_DAY = date(2025, 1, 1)
_DAYS = 500

# What stands in the leaves, by their path.
_LEAVES = {
    HEAD: {
        "_id": '"%(number)s"', "id": '"%(number)s"', "id.id": '"%(number)s"', "company.code": f'"{COMPANY}"',
        "salesSite.code": '"FR011"',
        "category": '"invoice"', "status": '"posted"', "invoiceDate": '"%(day)s"', "currency.code": f'"{CURRENCY}"',
        "totalAmountExcludingTax": '"%(net)s"', "totalAmountIncludingTax": '"%(gross)s"',
        "billToCustomer.code.code": '"%(customer)s"', "soldToCustomer.code.code": '"%(customer)s"',
        "customerSourceDocument": '""', "_createStamp": f'"{_STAMP}"', "_updateStamp": f'"{_STAMP}"',
    },
    LINE: {
        "_id": '"%(number)s~%(line)s"', "salesInvoice.id": '"%(number)s"', "salesInvoice._id": '"%(number)s"',
        "salesInvoice.company.code": f'"{COMPANY}"', "lineNumber": "%(line)s", "product.code": '"%(product)s"',
        "product.localizedDescription1": '"Stylo à bille %(product)s, corps laqué, marquage laser"',
        "product.description1": '"Stylo à bille %(product)s"', "productDescriptionInUserLanguage": '"Stylo à bille"',
        "quantityInSalesUnitInvoiced": '"%(quantity)s"', "netPrice": '"%(price)s"', "grossPrice": '"%(price)s"',
        "lineAmountExcludingTax": '"%(amount)s"',
    },
}  # fmt: skip


def template(selection: SelectionSetNode, node: str) -> bytes:
    """One edge, `{"node": {...}}`, with places for the values of the rows. Raises KeyError for an unknown leaf."""
    return ('{"node":' + _object(selection, _LEAVES[node], ()) + "}").encode()


def _object(selection: SelectionSetNode, leaves: Mapping[str, str], inside: tuple[str, ...]) -> str:
    made = []
    for field in selection.selections:
        assert isinstance(field, FieldNode)
        path = (*inside, field.name.value)
        inner = leaves[".".join(path)] if field.selection_set is None else _object(field.selection_set, leaves, path)
        made.append(f'"{field.name.value}":{inner}')
    return "{" + ",".join(made) + "}"


class Invoices(Keyed):
    """`count` invoices of `customers` customers and so many `products`. Money in cents."""

    def __init__(self, count: int, customers: int, products: int) -> None:
        super().__init__([f"INV{number:07d}" for number in range(1, count + 1)])
        self._customers = customers
        self._products = products

    def revenue(self) -> int:
        """The sum of all invoices with tax."""
        return sum(self._gross(number) for number in self.every)

    def chosen(self, conditions: Sequence[Any]) -> Places | None:
        """Invoices that meet all of these conditions; None when one of them is of no known kind."""
        places: Places = self.every
        for condition in conditions:
            found = self._one(condition)
            if found is None:
                return None
            if found is not self.every:
                kept = found if isinstance(found, range) else set(found)
                places = found if places is self.every else [place for place in places if place in kept]
        return places

    def _one(self, condition: Any) -> Places | None:
        match condition:
            case {"company": {"code": {"_in": [*codes]}}}:
                return self.every if COMPANY in codes else ()
            case {"category": {"_nin": [*codes]}} if set(codes) == _CREDITS:
                return self.every
            case {"category": {"_in": [*codes]}} if set(codes) == _CREDITS:
                return ()
            case {"_id": dict(limits)} if limits.keys() <= {"_gt", "_lte"}:
                return self.between(limits.get("_gt"), limits.get("_lte"))
            case {"id": {"_in": [*numbers]}} | {"salesInvoice": {"id": {"_in": [*numbers]}}}:
                return self.named(numbers)
            case {"_updateStamp": {"_gte": str(stamp)}}:
                return self.every if stamp <= _STAMP else ()
        return None

    def rows(self, form: bytes, places: Places) -> list[bytes]:
        """One edge each."""
        return [form % self._values(number) for number in places]

    def line_rows(self, form: bytes, places: Places) -> list[bytes]:
        """One edge for each line."""
        return [form % self._line(number, line) for number in places for line in self._lines(number)]

    def _values(self, number: int) -> dict[bytes, bytes]:
        day = _FIRST_DAY + timedelta(days=number % _DAYS)
        return {
            b"number": self.codes[number - 1].encode(),
            b"day": day.isoformat().encode(),
            b"net": _money(self._net(number)),
            b"gross": _money(self._gross(number)),
            b"customer": b"C%07d" % (number * 7919 % self._customers + 1),
        }

    def _line(self, number: int, line: int) -> dict[bytes, bytes]:
        price, quantity = self._price(number, line), self._quantity(number, line)
        return {
            b"number": self.codes[number - 1].encode(),
            b"line": b"%d" % (line * 1000),
            b"product": b"PEN%05d" % ((number * 31 + line * 17) % self._products),
            b"quantity": b"%d" % quantity,
            b"price": _money(price),
            b"amount": _money(price * quantity),
        }

    def _lines(self, number: int) -> range:
        return range(1, number % 4 + 2)

    def _price(self, number: int, line: int) -> int:
        return 100 + (number * 37 + line * 11) % 9000

    def _quantity(self, number: int, line: int) -> int:
        return (number + line) % 50 + 1

    def _net(self, number: int) -> int:
        return sum(self._price(number, line) * self._quantity(number, line) for line in self._lines(number))

    def _gross(self, number: int) -> int:
        return self._net(number) * 6 // 5


def _money(cents: int) -> bytes:
    return b"%d.%02d" % divmod(cents, 100)
