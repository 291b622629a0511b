"""E-commerce: stores, their customers, products with variants, and orders with lines (reference, section 4)."""

from typing import Any

import msgspec

from sandbox.http import Answer
from sandbox.mailchimp.calls import NO_CONTENT, Call, Handlers
from sandbox.mailchimp.problems import Problem, invalid, not_found
from sandbox.mailchimp.rules import EMAIL, RowRefused, Rules
from sandbox.mailchimp.state import iso, subscriber_hash

SHOWN_VARIANTS = 50
Values = dict[str, Any]


class Store(msgspec.Struct):
    """One store; everything in it by the caller's own ids."""

    values: Values
    customers: dict[str, Values]
    products: dict[str, Values]
    orders: dict[str, Values]


def store_of(call: Call) -> Store:
    found = call.account.stores.get(call.arguments[0])
    if not isinstance(found, Store):
        raise not_found()
    return found


def _stamped(call: Call, values: Values, old: Values | None = None) -> Values:
    now = iso(call.state.now())
    call.state.written()
    return values | {"created_at": old["created_at"] if old else now, "updated_at": now}


def _missing(values: Values, names: tuple[str, ...], prefix: str = "") -> None:
    wrong = [(prefix + name, "This value should not be blank.") for name in names if values.get(name) in (None, "", [])]
    if wrong:
        raise invalid("The resource submitted could not be validated.", wrong)


# stores


def get_stores(call: Call) -> Answer:
    found = [_store_view(store) for store in call.account.stores.values()]
    return call.answer({"stores": call.page(found), "total_items": len(found)})


def _store_view(store: Store) -> Values:
    return store.values | {"list_is_active": True, "_links": []}


def post_store(call: Call) -> Answer:
    body = call.body
    if body["id"] in call.account.stores:
        raise invalid("A store with the provided ID already exists in the account.")
    if body["list_id"] not in call.account.audiences:
        raise invalid("The list ID is not valid.", [("list_id", "Invalid list ID")])
    _domain_is_free(call, body.get("domain"), None)
    values = {"is_syncing": False, "platform": "", "domain": ""} | body
    call.account.stores[body["id"]] = Store(_stamped(call, values), {}, {}, {})
    return call.answer(_store_view(call.account.stores[body["id"]]))


def _domain_is_free(call: Call, domain: str | None, own: str | None) -> None:
    taken = {store.values.get("domain") for id_, store in call.account.stores.items() if id_ != own}
    if domain and domain in taken:
        raise invalid("The domain is used by another store.", [("domain", "Domain is in use")])


def get_store(call: Call) -> Answer:
    return call.answer(_store_view(store_of(call)))


def patch_store(call: Call) -> Answer:
    store = store_of(call)
    _domain_is_free(call, call.body.get("domain"), store.values["id"])
    store.values = _stamped(call, store.values | call.body, store.values)
    return call.answer(_store_view(store))


def delete_store(call: Call) -> Answer:
    store_of(call)
    del call.account.stores[call.arguments[0]]
    return NO_CONTENT


# customers


def _find(kind: dict[str, Values], key: str) -> Values:
    found = kind.get(key)
    if found is None:
        raise not_found()
    return found


def customer_view(store: Store, customer: Values) -> Values:
    orders = [order for order in store.orders.values() if order["customer"]["id"] == customer["id"]]
    spent = round(sum(order["order_total"] for order in orders), 2)
    return customer | {"orders_count": len(orders), "total_spent": spent, "_links": []}


def save_customer(call: Call, store: Store, body: Values, *, is_new_only: bool = False) -> Values:
    """Create or change a customer, with what that does to the audience. Raises Problem."""
    old = store.customers.get(body["id"])
    if old is not None and is_new_only:
        raise invalid("A customer with the provided ID already exists in the account for this store.")
    email = body.get("email_address")
    if len(body["id"]) > 50:
        raise invalid("The customer id is too long.", [("id", "Data is longer than 50 characters")])
    if email is not None and not EMAIL.fullmatch(email):
        raise Problem(400, "Customer Was Not Saved", f"{email} is an invalid email address and cannot be imported.")
    if old is not None and email and email.lower() != old.get("email_address", "").lower():
        raise Problem(400, "Customer Was Not Saved", "The email address of a customer can not be changed.")
    for id_, other in store.customers.items():
        if old is None and email and other.get("email_address", "").lower() == email.lower() and id_ != body["id"]:
            call.state.counters["store_customers_sharing_an_address"] += 1
    _join_audience(call, store, email, bool(body.get("opt_in_status")), old)
    values = _stamped(call, (old or {}) | body, old)
    store.customers[body["id"]] = values
    return values


def _join_audience(call: Call, store: Store, email: str | None, opt_in: bool, old: Values | None) -> None:
    """A new address joins; a known one keeps its status, unless an update says opt-in for the first time."""
    audience = call.account.audiences.get(store.values["list_id"])
    if audience is None or not email:
        return
    rules, member = Rules(call.state, audience), audience.members.get(subscriber_hash(email))
    try:
        if member is None:
            status = "subscribed" if opt_in else "transactional"
            rules.create(email, status, {}, skip_required=True)
        elif old is not None and opt_in and not old.get("opt_in_status"):
            rules.update(member, {}, "subscribed", skip_required=True)
    except RowRefused as refused:
        if refused.title == "Forgotten Email Not Subscribed" or member is not None:
            return  # the customer is kept, the contact stays as it is
        raise Problem(400, "Customer Was Not Saved", refused.detail) from refused


def get_customers(call: Call) -> Answer:
    store = store_of(call)
    found = list(store.customers.values())
    if "email_address" in call.query:
        found = [c for c in found if c.get("email_address", "").lower() == call.query["email_address"].lower()]
    views = [customer_view(store, customer) for customer in call.page(found)]
    return call.answer({"store_id": call.arguments[0], "customers": views, "total_items": len(found)})


def post_customer(call: Call) -> Answer:
    store = store_of(call)
    return call.answer(customer_view(store, save_customer(call, store, call.body, is_new_only=True)))


def get_customer(call: Call) -> Answer:
    store = store_of(call)
    return call.answer(customer_view(store, _find(store.customers, call.arguments[1])))


def put_customer(call: Call) -> Answer:
    store = store_of(call)
    if call.body["id"] != call.arguments[1]:
        raise invalid("The id in the body is not that of the path.", [("id", "does not belong to this path")])
    return call.answer(customer_view(store, save_customer(call, store, call.body)))


def patch_customer(call: Call) -> Answer:
    store = store_of(call)
    old = _find(store.customers, call.arguments[1])
    return call.answer(customer_view(store, save_customer(call, store, call.body | {"id": old["id"]})))


def delete_customer(call: Call) -> Answer:
    """Orders of the customer stay (the vendor's behaviour is unknown)."""
    store = store_of(call)
    _find(store.customers, call.arguments[1])
    del store.customers[call.arguments[1]]
    return NO_CONTENT


# products and variants


def product_view(product: Values) -> Values:
    variants = list(product["variants"].values())[:SHOWN_VARIANTS]
    return product | {"variants": variants, "currency_code": "", "_links": []}


def save_product(call: Call, store: Store, id_: str, body: Values, *, is_new_only: bool = False) -> Values:
    old = store.products.get(id_)
    if old is not None and is_new_only:
        raise invalid("A product with the provided ID already exists in the account for this store.")
    if old is None:
        _missing(body, ("title", "variants"))
    variants: dict[str, Values] = dict(old["variants"]) if old else {}
    for variant in body.get("variants", ()):
        _missing(variant, ("id",), "variants.")
        if variant["id"] not in variants:
            _missing(variant, ("title",), "variants.")
        variants[variant["id"]] = variants.get(variant["id"], {}) | variant
    base = old or {"handle": "", "url": "", "description": "", "type": "", "vendor": "", "image_url": ""}
    store.products[id_] = _stamped(call, base | body | {"id": id_, "variants": variants}, old)
    return store.products[id_]


def get_products(call: Call) -> Answer:
    store = store_of(call)
    found = list(store.products.values())
    views = [product_view(product) for product in call.page(found)]
    return call.answer({"store_id": call.arguments[0], "products": views, "total_items": len(found)})


def post_product(call: Call) -> Answer:
    store = store_of(call)
    return call.answer(product_view(save_product(call, store, call.body["id"], call.body, is_new_only=True)))


def get_product(call: Call) -> Answer:
    return call.answer(product_view(_find(store_of(call).products, call.arguments[1])))


def put_product(call: Call) -> Answer:
    return call.answer(product_view(save_product(call, store_of(call), call.arguments[1], call.body)))


def patch_product(call: Call) -> Answer:
    store = store_of(call)
    _find(store.products, call.arguments[1])
    return call.answer(product_view(save_product(call, store, call.arguments[1], call.body)))


def delete_product(call: Call) -> Answer:
    store = store_of(call)
    _find(store.products, call.arguments[1])
    del store.products[call.arguments[1]]
    return NO_CONTENT


def _variants(call: Call) -> dict[str, Values]:
    found: dict[str, Values] = _find(store_of(call).products, call.arguments[1])["variants"]
    return found


def get_variants(call: Call) -> Answer:
    found = list(_variants(call).values())
    page = {"store_id": call.arguments[0], "product_id": call.arguments[1], "variants": call.page(found)}
    return call.answer(page | {"total_items": len(found)})


def post_variant(call: Call) -> Answer:
    variants, body = _variants(call), call.body
    if body["id"] in variants:
        raise invalid("A product variant with the provided ID already exists.")
    variants[body["id"]] = _stamped(call, body)
    return call.answer(variants[body["id"]])


def get_variant(call: Call) -> Answer:
    return call.answer(_find(_variants(call), call.arguments[2]))


def put_variant(call: Call) -> Answer:
    variants, id_ = _variants(call), call.arguments[2]
    if id_ not in variants:
        _missing(call.body, ("title",))
    now = iso(call.state.now())
    variants[id_] = {"created_at": now} | variants.get(id_, {}) | call.body | {"id": id_, "updated_at": now}
    call.state.written()
    return call.answer(variants[id_])


def patch_variant(call: Call) -> Answer:
    _find(_variants(call), call.arguments[2])
    return put_variant(call)


def delete_variant(call: Call) -> Answer:
    variants = _variants(call)
    if len(variants) == 1:
        raise invalid("A product needs at least one variant.")
    _find(variants, call.arguments[2])
    del variants[call.arguments[2]]
    return NO_CONTENT


# orders and lines


def order_view(order: Values) -> Values:
    return order | {"lines": list(order["lines"].values()), "_links": []}


def save_order(call: Call, store: Store, id_: str, body: Values, *, is_new_only: bool = False) -> Values:
    """Create or change an order. Raises Problem for an unknown product or variant, or when a part is missing."""
    old = store.orders.get(id_)
    if old is not None and is_new_only:
        raise invalid("An order with the provided ID already exists in the account for this store.")
    if old is None:
        _missing(body, ("customer", "currency_code", "order_total", "lines"))
    lines: dict[str, Values] = dict(old["lines"]) if old is not None and "lines" not in body else {}
    for line in body.get("lines", ()):
        _missing(line, ("id", "product_id", "product_variant_id"), "lines.")
        _check_line(call, store, line)
        lines[line["id"]] = {name: value for name, value in line.items() if name != "product"}
    if not lines:
        raise invalid("An order needs at least one line.", [("lines", "This value should not be blank.")])
    customer = _order_customer(call, store, body["customer"]) if "customer" in body else (old or {})["customer"]
    values = (old or {"financial_status": "", "fulfillment_status": "", "tax_total": 0}) | body
    store.orders[id_] = _stamped(call, values | {"id": id_, "lines": lines, "customer": customer}, old)
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
    _missing({"quantity": line.get("quantity"), "price": line.get("price")}, ("quantity", "price"), "lines.")


def _order_customer(call: Call, store: Store, customer: Values) -> Values:
    _missing(customer, ("id",), "customer.")
    if customer["id"] not in store.customers:
        _missing({"opt_in": str(customer.get("opt_in_status", ""))}, ("opt_in",), "customer.")
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
    return call.answer(order_view(_find(store_of(call).orders, call.arguments[1])))


def put_order(call: Call) -> Answer:
    return call.answer(order_view(save_order(call, store_of(call), call.arguments[1], call.body)))


def patch_order(call: Call) -> Answer:
    store = store_of(call)
    _find(store.orders, call.arguments[1])
    return call.answer(order_view(save_order(call, store, call.arguments[1], call.body)))


def delete_order(call: Call) -> Answer:
    store = store_of(call)
    _find(store.orders, call.arguments[1])
    del store.orders[call.arguments[1]]
    return NO_CONTENT


def _lines(call: Call) -> dict[str, Values]:
    found: dict[str, Values] = _find(store_of(call).orders, call.arguments[1])["lines"]
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
    return call.answer(_find(_lines(call), call.arguments[2]))


def patch_line(call: Call) -> Answer:
    lines = _lines(call)
    changed = _find(lines, call.arguments[2]) | call.body
    _check_line(call, store_of(call), changed)
    lines[call.arguments[2]] = changed
    return call.answer(changed)


def delete_line(call: Call) -> Answer:
    lines = _lines(call)
    _find(lines, call.arguments[2])
    if len(lines) == 1:
        raise invalid("An order needs at least one line.")
    del lines[call.arguments[2]]
    return NO_CONTENT


_S = "EcommerceStores"
HANDLERS: Handlers = {
    f"get{_S}": get_stores, f"post{_S}": post_store, f"get{_S}Id": get_store, f"patch{_S}Id": patch_store,
    f"delete{_S}Id": delete_store, "getEcommerceOrders": get_all_orders,
    f"get{_S}IdCustomers": get_customers, f"post{_S}IdCustomers": post_customer,
    f"get{_S}IdCustomersId": get_customer, f"put{_S}IdCustomersId": put_customer,
    f"patch{_S}IdCustomersId": patch_customer, f"delete{_S}IdCustomersId": delete_customer,
    f"get{_S}IdProducts": get_products, f"post{_S}IdProducts": post_product, f"get{_S}IdProductsId": get_product,
    f"put{_S}IdProductsId": put_product, f"patch{_S}IdProductsId": patch_product,
    f"delete{_S}IdProductsId": delete_product,
    f"get{_S}IdProductsIdVariants": get_variants, f"post{_S}IdProductsIdVariants": post_variant,
    f"get{_S}IdProductsIdVariantsId": get_variant, f"put{_S}IdProductsIdVariantsId": put_variant,
    f"patch{_S}IdProductsIdVariantsId": patch_variant, f"delete{_S}IdProductsIdVariantsId": delete_variant,
    f"get{_S}IdOrders": get_orders, f"post{_S}IdOrders": post_order, f"get{_S}IdOrdersId": get_order,
    f"put{_S}IdOrdersId": put_order, f"patch{_S}IdOrdersId": patch_order, f"delete{_S}IdOrdersId": delete_order,
    f"get{_S}IdOrdersIdLines": get_lines, f"post{_S}IdOrdersIdLines": post_line,
    f"get{_S}IdOrdersIdLinesId": get_line, f"patch{_S}IdOrdersIdLinesId": patch_line,
    f"delete{_S}IdOrdersIdLinesId": delete_line,
}  # fmt: skip
