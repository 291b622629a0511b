"""One e-commerce store: products, then customers, then orders, each step finished before the next.

Every write is a PUT on our own id, so repeating it changes nothing. While `is_syncing` is on Mailchimp starts no
automation for this store.

Source: Marketing API, "E-commerce".
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec

from app.connectors.mailchimp import commerce_payloads as payloads
from app.connectors.mailchimp.batches import Batches
from app.connectors.mailchimp.bulk import Bulk, Call
from app.connectors.mailchimp.client import Answer, MailchimpClient
from app.connectors.mailchimp.errors import MemberRefused
from app.connectors.mailchimp.shapes import Store
from app.domain.commerce import Cancellation, Order, Product, StoreCustomer, StoredOrder
from app.domain.errors import NeedsTenant, RecordRejected

_PAGE_ROWS = 1000


class _OrdersPage(msgspec.Struct):
    orders: list[StoredOrder]
    total_items: int = 0


class _CustomersPage(msgspec.Struct):
    customers: list["_Done"]
    total_items: int = 0


class _Done(msgspec.Struct):
    id: str = ""


_store = Answer(Store)
_orders = Answer(_OrdersPage)
_customers = Answer(_CustomersPage)
_done = Answer(_Done)
_order_done = msgspec.json.Decoder(_Done)


class MailchimpStore:
    """The store `store_id` of one account."""

    def __init__(self, client: MailchimpClient, store_id: str) -> None:
        self._client = client
        self._id = store_id
        self._root = f"/ecommerce/stores/{quote(store_id, safe='')}"

    async def read(self) -> Store | None:
        """The store, None when there is none of that id."""
        try:
            return await self._client.ask(self._root, _store, {"fields": "id,list_id,name,currency_code,is_syncing"})
        except NeedsTenant as error:
            if error.code != "mailchimp_store_gone":
                raise
            return None

    async def create(self, list_id: str, name: str, currency: str) -> Store:
        """Make the store, syncing; one of that id that is already there is taken as it is.

        A store has one currency, and its audience can never be changed.
        """
        body = payloads.store_body(self._id, list_id, name, currency)
        try:
            return await self._client.send("POST", "/ecommerce/stores", _store, body=body)
        except RecordRejected:
            found = await self.read()
            if found is None:
                raise
            return found

    async def set_syncing(self, on: bool) -> None:
        """On before a back-fill; off after it, also when it failed."""
        await self._client.send("PATCH", self._root, _done, body=payloads.encode({"is_syncing": on}))

    async def put_product(self, product: Product) -> None:
        """Create or change a product with its variants."""
        await self._put(f"{self._root}/products/{quote(product.id, safe='')}", payloads.product_body(product))

    async def put_customer(self, customer: StoreCustomer) -> None:
        """Create or change a customer, never opting anybody in.

        Mailchimp does not let a customer's address change: such a customer is deleted and made anew under the same id.
        """
        path, body = self._customer(customer.id), payloads.customer_body(customer)
        try:
            await self._put(path, body)
        except MemberRefused as refused:
            if refused.code != "address_fixed":
                raise
            await self.remove_customer(customer.id)
            await self._put(path, body)

    async def customers_named(self, email: str) -> list[str]:
        """Ids of the customers with this address."""
        params: dict[str, str | int] = {
            "email_address": email,
            "count": _PAGE_ROWS,
            "fields": "customers.id,total_items",
        }
        return [row.id for row in (await self._client.ask(f"{self._root}/customers", _customers, params)).customers]

    async def put_order(self, order: Order) -> None:
        """Create or change an order.

        Raises:
            MemberRefused: `product_missing` when a product or variant is not in the store yet.
        """
        call = self._call_of(order)
        await self._put(call.path, call.body)

    async def refund(self, order_id: str) -> bool:
        """Mark an order as refunded; False when the store does not have it."""
        body = payloads.encode({"financial_status": "refunded"})
        try:
            await self._client.send("PATCH", self._order(order_id), _done, body=body)
        except RecordRejected as error:
            if error.code != "not_found":
                raise
            return False
        return True

    async def cancel_order(self, order_id: str, at: datetime) -> None:
        """Cancel an order and take its worth away, for lists and sums add up what orders are worth; an absent one
        counts as done."""
        call = self._call_of(Cancellation(order_id, at))
        try:
            await self._client.send(call.method, call.path, _done, body=call.body)
        except RecordRejected as error:
            if error.code != "not_found":
                raise

    def bulk(self, batches: Batches, *, oauth: bool = False) -> Bulk[Order | Cancellation, str]:
        """What put_order() and cancel_order() do, many in one batch; the answer is the order's id."""
        return Bulk(batches, self._call_of, lambda text: _order_done.decode(text).id, oauth=oauth)

    async def remove_customer(self, customer_id: str) -> None:
        """Delete a customer; an absent one counts as done."""
        await self._remove(self._customer(customer_id))

    async def remove_order(self, order_id: str) -> None:
        """Delete an order; an absent one counts as done."""
        await self._remove(self._order(order_id))

    async def orders(self) -> AsyncIterator[Sequence[StoredOrder]]:
        """Every order in pages of at most 1000, for comparing; offsets may shift while somebody writes."""
        names = ("id", "order_total", "currency_code", "financial_status")
        fields = ",".join([*(f"orders.{name}" for name in names), "total_items"])
        offset = 0
        while True:
            params: dict[str, str | int] = {"count": _PAGE_ROWS, "offset": offset, "fields": fields}
            rows = (await self._client.ask(f"{self._root}/orders", _orders, params)).orders
            if rows:
                yield rows
            if len(rows) < _PAGE_ROWS:
                return
            offset += _PAGE_ROWS

    async def _put(self, path: str, body: bytes) -> None:
        try:
            await self._client.send("PUT", path, _done, body=body)
        except RecordRejected as error:
            if error.code != "not_found":  # a PUT makes what is missing: only the store itself can be
                raise
            raise NeedsTenant(
                "mailchimp_store_gone", "The store no longer exists at Mailchimp.", error.detail
            ) from None

    async def _remove(self, path: str) -> None:
        try:
            await self._client.do("DELETE", path)
        except RecordRejected as error:
            if error.code != "not_found":
                raise

    def _call_of(self, change: Order | Cancellation) -> Call:
        if isinstance(change, Order):
            return Call("PUT", self._order(change.id), payloads.order_body(change))
        return Call("PATCH", self._order(change.id), payloads.cancellation_body(change.at))

    def _customer(self, customer_id: str) -> str:
        return f"{self._root}/customers/{quote(customer_id, safe='')}"

    def _order(self, order_id: str) -> str:
        return f"{self._root}/orders/{quote(order_id, safe='')}"
