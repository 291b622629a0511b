"""The store of the stand-in Mailchimp: products, customers and orders by PUT, answered in real size, added up."""

from decimal import Decimal
from typing import Any

import msgspec

STORE_ID = "x3-eur"
_ROOT = f"/3.0/ecommerce/stores/{STORE_ID}"
_API = f"https://us6.api.mailchimp.com{_ROOT}"


class _Line(msgspec.Struct, gc=False):
    id: str
    product_id: str


class _Order(msgspec.Struct, gc=False):
    order_total: Decimal
    lines: list[_Line]
    customer: dict[str, str]


class _Customer(msgspec.Struct, gc=False):
    email_address: str
    opt_in_status: bool


_order = msgspec.json.Decoder(_Order)
_customer = msgspec.json.Decoder(_Customer)


def _links(path: str, *names: str) -> bytes:
    """Links as Mailchimp puts them under every object, about 200 bytes each."""
    schema = "https://us6.api.mailchimp.com/schema/3.0/Definitions/Ecommerce"
    made = [
        {"rel": name, "href": f"{_API}/{path}", "method": "GET", "targetSchema": f"{schema}/{name}/Response.json"}
        for name in names
    ]
    return msgspec.json.encode(made)


_LINE = (
    b'{"id":"%b","product_id":"%b","product_title":"Stylo \xc3\xa0 bille %b, corps laqu\xc3\xa9","_links":'
    + _links("orders/x/lines/1", "self", "parent", "update", "delete").replace(b"%", b"%%")
)
_AFTER = b',"store_id":"x3-eur","customer_stats":{"orders_count":3,"total_spent":1234.5},"_links":' + _links(
    "orders/x", "self", "parent", "update", "delete", "lines"
)


class Store:
    """What was put, by id; nothing of its content is kept but an order's worth."""

    def __init__(self) -> None:
        self.orders: dict[str, Decimal] = {}
        self.customers: dict[str, str] = {}
        self.products: set[str] = set()
        self.puts = 0
        self.opted_in = self.dangling = 0  # customers opted in by us; orders of unknown customers or products
        self.is_syncing = False

    def statistics(self) -> dict[str, Any]:
        return {
            "orders": len(self.orders),
            "revenue": str(sum(self.orders.values(), Decimal(0))),
            "customers": len(self.customers),
            "products": len(self.products),
            "puts": self.puts,
            "opted_in": self.opted_in,
            "dangling": self.dangling,
        }

    def answer(self, method: str, path: str, body: bytes) -> tuple[str, bytes] | None:
        """(what it was, the answer); None for a request nobody made this for."""
        kind, _, id_ = path.removeprefix(_ROOT).lstrip("/").partition("/")
        match method, kind:
            case "GET", _ if f"{path}/{STORE_ID}" == _ROOT:
                return "GET stores", b'{"stores":[%b],"total_items":1}' % self._store(b"")
            case "GET" | "PATCH", "" if path.startswith(_ROOT):
                return f"{method} store", self._store(body)
            case "PUT", "orders":
                return "PUT order", self._put_order(id_, body)
            case "PUT", "customers":
                return "PUT customer", self._put_customer(id_, body)
            case "PUT", "products":
                self.products.add(id_)
                self.puts += 1
                return "PUT product", body[:-1] + b',"_links":' + _links("products/x", "self", "parent") + b"}"
        return None

    def _store(self, body: bytes) -> bytes:
        if body:
            self.is_syncing = msgspec.json.decode(body)["is_syncing"]
        shown = {"id": STORE_ID, "list_id": "a6b5da1054", "name": "Bench", "currency_code": "EUR"}
        return msgspec.json.encode({**shown, "is_syncing": self.is_syncing})

    def _put_order(self, id_: str, body: bytes) -> bytes:
        order = _order.decode(body)
        self.orders[id_] = order.order_total
        self.puts += 1
        known = order.customer["id"] in self.customers and all(line.product_id in self.products for line in order.lines)
        self.dangling += not known
        lines = b",".join(
            _LINE % (line.id.encode(), line.product_id.encode(), line.product_id.encode()) + b"}"
            for line in order.lines
        )
        return body[:-1] + b',"lines_shown":[' + lines + b"]" + _AFTER + b"}"

    def _put_customer(self, id_: str, body: bytes) -> bytes:
        customer = _customer.decode(body)
        self.customers[id_] = customer.email_address
        self.opted_in += customer.opt_in_status
        self.puts += 1
        return body[:-1] + b',"orders_count":3,"total_spent":1234.5,"_links":' + _links("customers/x", "self") + b"}"
