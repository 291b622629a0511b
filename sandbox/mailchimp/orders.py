"""E-commerce orders and their lines (reference, 4.4)."""

from sandbox.http import Answer
from sandbox.mailchimp.calls import NO_CONTENT, Call, Handlers
from sandbox.mailchimp.problems import Problem, invalid
from sandbox.mailchimp.stores import Store, Values, find_in, missing, save_customer, save_product, stamped, store_of


def order_view(order: Values) -> Values:
    return order | {"lines": list(order["lines"].values()), "_links": []}


def save_order(call: Call, store: Store, id_: str, body: Values, *, is_new_only: bool = False) -> Values:
    """Create or change an order. Raises Problem for an unknown product or variant, or when a part is missing."""
    old = store.orders.get(id_)
    if old is not None and is_new_only:
        raise invalid("An order with the provided ID already exists in the account for this store.")
    if old is None:
        missing(body, ("customer", "currency_code", "order_total", "lines"))
    lines: dict[str, Values] = dict(old["lines"]) if old is not None and "lines" not in body else {}
    for line in body.get("lines", ()):
        missing(line, ("id", "product_id", "product_variant_id"), "lines.")
        _check_line(call, store, line)
        lines[line["id"]] = {name: value for name, value in line.items() if name != "product"}
    if not lines:
        raise invalid("An order needs at least one line.", [("lines", "This value should not be blank.")])
    customer = _order_customer(call, store, body["customer"]) if "customer" in body else (old or {})["customer"]
    values = (old or {"financial_status": "", "fulfillment_status": "", "tax_total": 0}) | body
    store.orders[id_] = stamped(call, values | {"id": id_, "lines": lines, "customer": customer}, old)
    if not store.values.get("is_syncing") and values.get("financial_status"):
        call.state.counters["order_notifications"] += 1
    return store.orders[id_]


def _check_line(call: Call, store: Store, line: Values) -> None:
    if line["product_id"] not in store.products and line.get("product"):
        save_product(call, store, line["product_id"], line["product"])
    product = store.products.get(line["product_id"])
    if product is None:
        detail = "A product with the provided ID does not exist in the account for this list."
        raise Problem(400, "Bad Request", detail)
    if line["product_variant_id"] not in product["variants"]:
        detail = "A product variant with the provided variant ID does not exist in the account for this list."
        raise Problem(400, "Bad Request", detail)
    missing({"quantity": line.get("quantity"), "price": line.get("price")}, ("quantity", "price"), "lines.")


def _order_customer(call: Call, store: Store, customer: Values) -> Values:
    missing(customer, ("id",), "customer.")
    if customer["id"] not in store.customers:
        missing({"opt_in": str(customer.get("opt_in_status", ""))}, ("opt_in",), "customer.")
        save_customer(call, store, customer)
    elif len(customer) > 1:
        save_customer(call, store, customer)
    return {"id": customer["id"]}


def _order_page(call: Call, orders: list[Values], extra: Values) -> Answer:
    for name in ("customer_id", "campaign_id", "outreach_id"):
        if name in call.query:
            wanted = call.query[name]
            orders = [o for o in orders if (o["customer"]["id"] if name == "customer_id" else o.get(name)) == wanted]
    views = [order_view(order) for order in call.page(orders)]
    return call.answer(extra | {"orders": views, "total_items": len(orders)})


def get_all_orders(call: Call) -> Answer:
    orders = [
        order | {"store_id": id_} for id_, store in call.account.stores.items() for order in store.orders.values()
    ]
    return _order_page(call, orders, {})


def get_orders(call: Call) -> Answer:
    return _order_page(call, list(store_of(call).orders.values()), {"store_id": call.arguments[0]})


def post_order(call: Call) -> Answer:
    return call.answer(order_view(save_order(call, store_of(call), call.body["id"], call.body, is_new_only=True)))


def get_order(call: Call) -> Answer:
    return call.answer(order_view(find_in(store_of(call).orders, call.arguments[1])))


def put_order(call: Call) -> Answer:
    return call.answer(order_view(save_order(call, store_of(call), call.arguments[1], call.body)))


def patch_order(call: Call) -> Answer:
    store = store_of(call)
    find_in(store.orders, call.arguments[1])
    return call.answer(order_view(save_order(call, store, call.arguments[1], call.body)))


def delete_order(call: Call) -> Answer:
    store = store_of(call)
    find_in(store.orders, call.arguments[1])
    del store.orders[call.arguments[1]]
    return NO_CONTENT


def _lines(call: Call) -> dict[str, Values]:
    found: dict[str, Values] = find_in(store_of(call).orders, call.arguments[1])["lines"]
    return found


def get_lines(call: Call) -> Answer:
    found = list(_lines(call).values())
    page = {"store_id": call.arguments[0], "order_id": call.arguments[1], "lines": call.page(found)}
    return call.answer(page | {"total_items": len(found)})


def post_line(call: Call) -> Answer:
    lines, body = _lines(call), call.body
    if body["id"] in lines:
        raise invalid("A line with the provided ID already exists.")
    _check_line(call, store_of(call), body)
    lines[body["id"]] = body
    return call.answer(body)


def get_line(call: Call) -> Answer:
    return call.answer(find_in(_lines(call), call.arguments[2]))


def patch_line(call: Call) -> Answer:
    lines = _lines(call)
    changed = find_in(lines, call.arguments[2]) | call.body
    _check_line(call, store_of(call), changed)
    lines[call.arguments[2]] = changed
    return call.answer(changed)


def delete_line(call: Call) -> Answer:
    lines = _lines(call)
    find_in(lines, call.arguments[2])
    if len(lines) == 1:
        raise invalid("An order needs at least one line.")
    del lines[call.arguments[2]]
    return NO_CONTENT


HANDLERS: Handlers = {
    "getEcommerceOrders": get_all_orders,
    "getEcommerceStoresIdOrders": get_orders,
    "postEcommerceStoresIdOrders": post_order,
    "getEcommerceStoresIdOrdersId": get_order,
    "putEcommerceStoresIdOrdersId": put_order,
    "patchEcommerceStoresIdOrdersId": patch_order,
    "deleteEcommerceStoresIdOrdersId": delete_order,
    "getEcommerceStoresIdOrdersIdLines": get_lines,
    "postEcommerceStoresIdOrdersIdLines": post_line,
    "getEcommerceStoresIdOrdersIdLinesId": get_line,
    "patchEcommerceStoresIdOrdersIdLinesId": patch_line,
    "deleteEcommerceStoresIdOrdersIdLinesId": delete_line,
}
