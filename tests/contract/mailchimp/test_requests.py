"""Every request the connector can send, against the official specification."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.connectors.mailchimp.accounts import MailchimpAccount
from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.batches import Batches, Operation
from app.connectors.mailchimp.bulk import member_updates
from app.connectors.mailchimp.client import MailchimpClient
from app.connectors.mailchimp.payloads import encode_fragment
from app.connectors.mailchimp.stores import MailchimpStore
from app.connectors.mailchimp.webhooks import MailchimpWebhooks
from app.domain.commerce import Cancellation, Order, OrderLine, PostalAddress, Product, StoreCustomer, Variant
from app.domain.member import subscriber_hash
from tests.contract.mailchimp.specification import api_path, faults_of_answer, faults_of_request, operation
from tests.unit.connectors.mailchimp.scripted import Script, a_member, a_row, ok

ADA = subscriber_hash("ada@acme.test")
ADDRESS = {"addr1": "1 rue X", "city": "Lyon", "state": "ARA", "zip": "69001", "country": "FR"}
FRAGMENT = encode_fragment({"FNAME": "Ada", "TURNOVER": 12.5, "ADDRESS": ADDRESS}, "fr")
TAG = [{"id": 3, "name": "x3"}]

PLACE = PostalAddress("1 rue X", "B", "Lyon", "ARA", "69001", "FR", "France")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
OURS = UUID(int=7)
LINE = OrderLine("1", "ITM1", "ITM1", 2, Decimal("50.00"), Decimal("1.5"))
ORDER = Order(
    *("INV/1", "BPC1", "EUR", Decimal("121.00"), (LINE,), Decimal(21), Decimal(3), Decimal(1), "paid", "shipped"),
    *(NOW, NOW, NOW, PLACE, PLACE),
)
CUSTOMER = StoreCustomer("BPC1", "ada@acme.test", "Acme", "Ada", "Lovelace", PLACE)
PRODUCT = Product("ITM1", "Mug", (Variant("ITM1", "Mug", Decimal("9.90"), "SKU"),))

Call = Callable[[MailchimpAudience, MailchimpAccount], Awaitable[Any]]
OtherCall = Callable[[MailchimpClient], Awaitable[Any]]


def batches(client: MailchimpClient) -> Batches:
    return Batches(client, httpx.AsyncClient())


def store(client: MailchimpClient) -> MailchimpStore:
    return MailchimpStore(client, "x3-eur")


def hooks(client: MailchimpClient, list_id: str | None = "a6b5da1054") -> MailchimpWebhooks:
    return MailchimpWebhooks(client, list_id)


async def all_orders(client: MailchimpClient) -> None:
    async for _ in store(client).orders():
        pass


async def drain(audience: MailchimpAudience, since: datetime | None, whole: bool) -> None:
    async for _ in audience.members(since=since, whole=whole):
        pass


CALLS: dict[str, Call] = {
    "insert": lambda audience, _: audience.insert([a_row("a@x.test", FRAGMENT, ("x3",))], "subscribed"),
    "insert bare": lambda audience, _: audience.insert([a_row("a@x.test", b"")], "transactional"),
    "update": lambda audience, _: audience.update(ADA, None, FRAGMENT, {}),
    "update nothing": lambda audience, _: audience.update(ADA, None, b"", {}),
    "move": lambda audience, _: audience.update(ADA, "new@acme.test", FRAGMENT, {}),
    "fill": lambda audience, _: audience.update(ADA, None, FRAGMENT, {"CITY": "Lyon"}),
    "restore": lambda audience, _: audience.restore(ADA, "ada@acme.test", FRAGMENT, "transactional"),
    "read": lambda audience, _: audience.read(ADA),
    "archive": lambda audience, _: audience.archive(ADA),
    "erase": lambda audience, _: audience.erase(ADA),
    "unsubscribe": lambda audience, _: audience.unsubscribe(ADA),
    "set tags": lambda audience, _: audience.set_tags(ADA, ["on"], ["off"]),
    "tag many": lambda audience, _: audience.tag_many("x3", ["a@x.test"], ["b@x.test"]),
    "tag many with a new tag": lambda audience, _: audience.tag_many("fresh", ["a@x.test"], []),
    "members": lambda audience, _: drain(audience, None, False),
    "members since": lambda audience, _: drain(audience, datetime(2026, 3, 1, tzinfo=UTC), False),
    "members whole": lambda audience, _: drain(audience, None, True),
    "merge fields": lambda audience, _: audience.merge_fields(),
    "create merge field": lambda audience, _: audience.create_merge_field("CITY", "City", "text"),
    "get list": lambda audience, _: audience.get_list(),
    "lists": lambda _, account: account.lists(),
    "stores": lambda _, account: account.stores(),
    "account": lambda _, account: account.account(),
    "ping": lambda _, account: account.ping(),
}
OTHER_CALLS: dict[str, OtherCall] = {
    "submit a batch": lambda client: batches(client).submit([Operation("PATCH", "/lists/l/members/h", "r1", "{}")]),
    "submit members": lambda client: member_updates(batches(client), "l").submit(OURS, [(ADA, FRAGMENT)]),
    "submit orders": lambda client: store(client).bulk(batches(client)).submit(OURS, [ORDER, Cancellation("I/2", NOW)]),
    "poll a batch": lambda client: batches(client).status("b1"),
    "list batches": lambda client: batches(client).submitted_since(NOW),
    "cancel a batch": lambda client: batches(client).cancel("b1"),
    "read a store": lambda client: store(client).read(),
    "create a store": lambda client: store(client).create("l", "X3 EUR", "EUR"),
    "store is syncing": lambda client: store(client).set_syncing(True),
    "put a product": lambda client: store(client).put_product(PRODUCT),
    "put a customer": lambda client: store(client).put_customer(CUSTOMER),
    "put an order": lambda client: store(client).put_order(ORDER),
    "refund an order": lambda client: store(client).refund("INV/1"),
    "cancel an order": lambda client: store(client).cancel_order("INV/1", datetime(2026, 1, 31, tzinfo=UTC)),
    "find customers": lambda client: store(client).customers_named("ada@acme.test"),
    "remove a customer": lambda client: store(client).remove_customer("BPC1"),
    "remove an order": lambda client: store(client).remove_order("INV/1"),
    "orders": all_orders,
    "list webhooks": lambda client: hooks(client).all(),
    "create a webhook": lambda client: hooks(client).create("https://hooks.acme.test/hooks/mailchimp/x"),
    "mend a webhook": lambda client: hooks(client).mend("h1"),
    "remove a webhook": lambda client: hooks(client).remove("h1"),
    "list batch webhooks": lambda client: hooks(client, None).all(),
    "create a batch webhook": lambda client: hooks(client, None).create("https://hooks.acme.test/hooks/mailchimp/x"),
    "mend a batch webhook": lambda client: hooks(client, None).mend("h1"),
    "remove a batch webhook": lambda client: hooks(client, None).remove("h1"),
}
EVERY_CALL = (*CALLS, *OTHER_CALLS)

MERGE_FIELD = {"merge_id": 1, "tag": "CITY", "name": "City", "type": "text", "required": False}
LIST = {"id": "a6b5da1054", "name": "News", "double_optin": False, "stats": {"member_count": 3}}
MEMBER = a_member(tags=TAG, tags_count=2, merge_fields={"FNAME": "Ada"})
STORE = {"id": "x3-eur", "list_id": "l", "name": "X3 EUR", "currency_code": "EUR", "is_syncing": True}
HOOK = {"id": "h1", "url": "https://x.test", "events": {"profile": True}, "sources": {"api": False}, "list_id": "l"}
BATCH_HOOK = {"id": "h1", "url": "https://x.test", "enabled": True}
ANSWERS: dict[str, dict[str, Any] | None] = {
    "postListsId": {"new_members": [a_member("a@x.test")], "updated_members": [], "errors": [], "error_count": 0},
    "patchListsIdMembersId": MEMBER,
    "putListsIdMembersId": MEMBER,
    "getListsIdMembersId": MEMBER,
    "deleteListsIdMembersId": None,
    "postListsIdMembersHashActionsDeletePermanent": None,
    "postListMemberTags": None,
    "getListMemberTags": {"tags": TAG, "total_items": 1},
    "getListsIdMembers": {"members": [MEMBER], "total_items": 1},
    "previewASegment": {"segments": TAG, "total_items": 1},
    "postListsIdSegments": {"id": 4, "name": "fresh"},
    "postListsIdSegmentsId": {"error_count": 0},
    "getListsIdMergeFields": {"merge_fields": [MERGE_FIELD], "total_items": 1},
    "postListsIdMergeFields": MERGE_FIELD,
    "getListsId": LIST,
    "getLists": {"lists": [LIST], "total_items": 1},
    "getEcommerceStores": {"stores": [{"id": "s", "list_id": "l", "name": "n", "currency_code": "EUR"}]},
    "postBatches": {"id": "b1", "status": "pending"},
    "getBatchesId": {"id": "b1", "status": "finished", "response_body_url": "https://x.test/r"},
    "getBatches": {"batches": [{"id": "b1", "submitted_at": "2026-03-01T10:00:00+00:00"}]},
    "deleteBatchesId": None,
    "getEcommerceStoresId": STORE,
    "postEcommerceStores": STORE,
    "patchEcommerceStoresId": STORE,
    "putEcommerceStoresIdProductsId": {"id": "ITM1", "title": "Mug"},
    "putEcommerceStoresIdCustomersId": {"id": "BPC1", "email_address": "ada@acme.test"},
    "putEcommerceStoresIdOrdersId": {"id": "INV/1", "order_total": 121.0},
    "patchEcommerceStoresIdOrdersId": {"id": "INV/1", "financial_status": "refunded"},
    "deleteEcommerceStoresIdCustomersId": None,
    "deleteEcommerceStoresIdOrdersId": None,
    "getEcommerceStoresIdOrders": {"orders": [{"id": "INV/1", "order_total": 121.0}]},
    "getEcommerceStoresIdCustomers": {"customers": [{"id": "BPC1"}]},
    "getListsIdWebhooks": {"webhooks": [HOOK]},
    "postListsIdWebhooks": HOOK,
    "patchListsIdWebhooksId": HOOK,
    "deleteListsIdWebhooksId": None,
    "getBatchWebhooks": {"webhooks": [BATCH_HOOK]},
    "postBatchWebhooks": BATCH_HOOK,
    "patchBatchWebhooks": BATCH_HOOK,
    "deleteBatchWebhookId": None,
    "getRoot": {"account_id": "a", "account_name": "Acme", "login_id": "1", "role": "owner"},
    "getPing": {"health_status": "Everything's Chimpy!"},
}


def answer(request: httpx.Request) -> httpx.Response:
    _, asked = operation(request.method, api_path(request))
    return ok(ANSWERS[asked["operationId"]])


async def requests_of(name: str) -> list[httpx.Request]:
    script = Script(answer)
    if name in CALLS:
        await CALLS[name](script.audience(), MailchimpAccount(script.client()))
    else:
        await OTHER_CALLS[name](script.client())
    return script.requests


@pytest.mark.parametrize("name", EVERY_CALL)
async def test_a_request_is_one_the_specification_knows(name: str) -> None:
    requests = await requests_of(name)
    assert requests
    for request in requests:
        assert faults_of_request(request) == []


@pytest.mark.parametrize("name", EVERY_CALL)
async def test_the_answers_we_read_are_ones_the_specification_knows(name: str) -> None:
    for request in await requests_of(name):
        assert faults_of_answer(request, answer(request)) == []


def holds_subscribed(value: Any) -> bool:
    if isinstance(value, dict):
        return any(holds_subscribed(inner) for inner in value.values())
    if isinstance(value, list):
        return any(holds_subscribed(inner) for inner in value)
    return bool(value == "subscribed")


@pytest.mark.parametrize("name", EVERY_CALL)
async def test_only_the_insert_only_call_may_say_subscribed(name: str) -> None:
    for request in await requests_of(name):
        body = json.loads(request.content or b"null")
        if request.method == "POST" and request.url.path == "/3.0/lists/a6b5da1054":
            assert body["update_existing"] is False
            assert body["sync_tags"] is False
        else:
            assert not holds_subscribed(body)


@pytest.mark.parametrize("name", ["submit members", "submit orders"])
async def test_every_operation_of_a_batch_is_a_request_the_specification_knows(name: str) -> None:
    (request,) = await requests_of(name)
    operations = json.loads(request.content)["operations"]

    assert operations
    for each in operations:
        url, type_ = f"https://us6.api.mailchimp.com/3.0{each['path']}", {"Content-Type": "application/json"}
        inner = httpx.Request(each["method"], url, content=each["body"], headers=type_)
        assert faults_of_request(inner) == []
        assert not holds_subscribed(json.loads(each["body"]))
        assert "status" not in json.loads(each["body"])


@pytest.mark.parametrize("name", ["update", "move", "fill", "update nothing"])
async def test_no_change_of_a_known_member_carries_a_status(name: str) -> None:
    for request in await requests_of(name):
        assert "status" not in json.loads(request.content or b"{}")


def test_the_judge_objects_to_what_is_wrong() -> None:
    path = "https://us6.api.mailchimp.com/3.0/lists/l/members/h"
    headers = {"Content-Type": "application/json"}
    wrong = [
        httpx.Request("PATCH", path, json={"status": "transactional"}),
        httpx.Request("PATCH", path, json={"statuss": "pending"}),
        httpx.Request("PATCH", f"{path}?skip=1", json={}),
        httpx.Request("PATCH", f"{path}?skip_merge_validation=yes", json={}),
        httpx.Request("PUT", path, json={"email_address": "a@x.test"}),
        httpx.Request("GET", path, content=b"{}", headers=headers),
        httpx.Request("POST", "https://h/3.0/lists/l", json={"members": [{"status_if_new": "pending"}]}),
    ]
    assert [bool(faults_of_request(request)) for request in wrong] == [True] * len(wrong)
    with pytest.raises(AssertionError):
        faults_of_request(httpx.Request("GET", "https://h/3.0/lists/l/nowhere"))


async def test_the_calls_cover_every_operation_answered_here() -> None:
    requests = [request for name in EVERY_CALL for request in await requests_of(name)]
    paths = {(request.method, api_path(request)) for request in requests}
    assert {operation(*asked)[1]["operationId"] for asked in paths} == ANSWERS.keys()
