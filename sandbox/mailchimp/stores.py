"""E-commerce: stores, their customers, and products with variants (reference, section 4)."""

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


def stamped(call: Call, values: Values, old: Values | None = None) -> Values:
    now = iso(call.state.now())
    call.state.written()
    return values | {"created_at": old["created_at"] if old else now, "updated_at": now}


def missing(values: Values, names: tuple[str, ...], prefix: str = "") -> None:
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
    call.account.stores[body["id"]] = Store(stamped(call, values), {}, {}, {})
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
    store.values = stamped(call, store.values | call.body, store.values)
    return call.answer(_store_view(store))


def delete_store(call: Call) -> Answer:
    store_of(call)
    del call.account.stores[call.arguments[0]]
    return NO_CONTENT


# customers


def find_in(kind: dict[str, Values], key: str) -> Values:
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
    values = stamped(call, (old or {}) | body, old)
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
    return call.answer(customer_view(store, find_in(store.customers, call.arguments[1])))


def put_customer(call: Call) -> Answer:
    store = store_of(call)
    if call.body["id"] != call.arguments[1]:
        raise invalid("The id in the body is not that of the path.", [("id", "does not belong to this path")])
    return call.answer(customer_view(store, save_customer(call, store, call.body)))


def patch_customer(call: Call) -> Answer:
    store = store_of(call)
    old = find_in(store.customers, call.arguments[1])
    return call.answer(customer_view(store, save_customer(call, store, call.body | {"id": old["id"]})))


def delete_customer(call: Call) -> Answer:
    """Orders of the customer stay (the vendor's behaviour is unknown)."""
    store = store_of(call)
    find_in(store.customers, call.arguments[1])
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
        missing(body, ("title", "variants"))
    variants: dict[str, Values] = dict(old["variants"]) if old else {}
    for variant in body.get("variants", ()):
        missing(variant, ("id",), "variants.")
        if variant["id"] not in variants:
            missing(variant, ("title",), "variants.")
        variants[variant["id"]] = variants.get(variant["id"], {}) | variant
    base = old or {"handle": "", "url": "", "description": "", "type": "", "vendor": "", "image_url": ""}
    store.products[id_] = stamped(call, base | body | {"id": id_, "variants": variants}, old)
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
    return call.answer(product_view(find_in(store_of(call).products, call.arguments[1])))


def put_product(call: Call) -> Answer:
    return call.answer(product_view(save_product(call, store_of(call), call.arguments[1], call.body)))


def patch_product(call: Call) -> Answer:
    store = store_of(call)
    find_in(store.products, call.arguments[1])
    return call.answer(product_view(save_product(call, store, call.arguments[1], call.body)))


def delete_product(call: Call) -> Answer:
    store = store_of(call)
    find_in(store.products, call.arguments[1])
    del store.products[call.arguments[1]]
    return NO_CONTENT


def _variants(call: Call) -> dict[str, Values]:
    found: dict[str, Values] = find_in(store_of(call).products, call.arguments[1])["variants"]
    return found


def get_variants(call: Call) -> Answer:
    found = list(_variants(call).values())
    page = {"store_id": call.arguments[0], "product_id": call.arguments[1], "variants": call.page(found)}
    return call.answer(page | {"total_items": len(found)})


def post_variant(call: Call) -> Answer:
    variants, body = _variants(call), call.body
    if body["id"] in variants:
        raise invalid("A product variant with the provided ID already exists.")
    variants[body["id"]] = stamped(call, body)
    return call.answer(variants[body["id"]])


def get_variant(call: Call) -> Answer:
    return call.answer(find_in(_variants(call), call.arguments[2]))


def put_variant(call: Call) -> Answer:
    variants, id_ = _variants(call), call.arguments[2]
    if id_ not in variants:
        missing(call.body, ("title",))
    now = iso(call.state.now())
    variants[id_] = {"created_at": now} | variants.get(id_, {}) | call.body | {"id": id_, "updated_at": now}
    call.state.written()
    return call.answer(variants[id_])


def patch_variant(call: Call) -> Answer:
    find_in(_variants(call), call.arguments[2])
    return put_variant(call)


def delete_variant(call: Call) -> Answer:
    variants = _variants(call)
    if len(variants) == 1:
        raise invalid("A product needs at least one variant.")
    find_in(variants, call.arguments[2])
    del variants[call.arguments[2]]
    return NO_CONTENT


HANDLERS: Handlers = {
    "getEcommerceStores": get_stores,
    "postEcommerceStores": post_store,
    "getEcommerceStoresId": get_store,
    "patchEcommerceStoresId": patch_store,
    "deleteEcommerceStoresId": delete_store,
    "getEcommerceStoresIdCustomers": get_customers,
    "postEcommerceStoresIdCustomers": post_customer,
    "getEcommerceStoresIdCustomersId": get_customer,
    "putEcommerceStoresIdCustomersId": put_customer,
    "patchEcommerceStoresIdCustomersId": patch_customer,
    "deleteEcommerceStoresIdCustomersId": delete_customer,
    "getEcommerceStoresIdProducts": get_products,
    "postEcommerceStoresIdProducts": post_product,
    "getEcommerceStoresIdProductsId": get_product,
    "putEcommerceStoresIdProductsId": put_product,
    "patchEcommerceStoresIdProductsId": patch_product,
    "deleteEcommerceStoresIdProductsId": delete_product,
    "getEcommerceStoresIdProductsIdVariants": get_variants,
    "postEcommerceStoresIdProductsIdVariants": post_variant,
    "getEcommerceStoresIdProductsIdVariantsId": get_variant,
    "putEcommerceStoresIdProductsIdVariantsId": put_variant,
    "patchEcommerceStoresIdProductsIdVariantsId": patch_variant,
    "deleteEcommerceStoresIdProductsIdVariantsId": delete_variant,
}
