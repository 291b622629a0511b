"""The connector against the strict Mailchimp of the sandbox: what it sends is taken, what it reads is true."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest

from app.connectors.mailchimp.accounts import MailchimpAccount
from app.connectors.mailchimp.archives import OperationResult
from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.batches import Batches, Operation
from app.connectors.mailchimp.client import MailchimpClient
from app.connectors.mailchimp.opening import open_client
from app.connectors.mailchimp.payloads import encode_fragment
from app.connectors.mailchimp.stores import MailchimpStore
from app.connectors.mailchimp.verify import verify
from app.connectors.pacing import LocalPacer
from app.domain.audience import MirrorRow, NewMember
from app.domain.commerce import Order, OrderLine, Product, StoreCustomer, Variant
from app.domain.errors import RecordRejected
from app.domain.member import subscriber_hash
from sandbox.mailchimp.app import mailchimp_app
from sandbox.mailchimp.rules import Rules
from sandbox.mailchimp.state import MailchimpState

pytestmark = pytest.mark.integration

FRAGMENT = encode_fragment({"FNAME": "Zoë", "LNAME": "漢"}, "fr")


@pytest.fixture
def state() -> MailchimpState:
    return MailchimpState()


@pytest.fixture
async def outbound(state: MailchimpState) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(mailchimp_app(state))) as client:
        yield client


@pytest.fixture
def client(state: MailchimpState, outbound: httpx.AsyncClient) -> MailchimpClient:
    key = min(state.accounts[0].users[0].credentials)
    return open_client(
        kind="api_key",
        settings={},
        credential={"api_key": key},
        facts={},
        outbound_client=outbound,
        pacer=LocalPacer(8),
    )


@pytest.fixture
def audience(state: MailchimpState, client: MailchimpClient) -> MailchimpAudience:
    return MailchimpAudience(client, next(iter(state.accounts[0].audiences)))


def a_row(email: str, tags: tuple[str, ...] = ("x3",), fragment: bytes = FRAGMENT) -> NewMember:
    return NewMember(subscriber_hash(email), email, fragment, tags)


async def everybody(audience: MailchimpAudience, *, whole: bool = False) -> dict[str, MirrorRow]:
    return {row.email: row async for rows in audience.members(since=None, whole=whole) for row in rows}


async def test_new_people_are_inserted_and_known_ones_are_told_apart(audience: MailchimpAudience) -> None:
    first = await audience.insert([a_row(f"p{place}@acme.test") for place in range(500)], "transactional")
    assert set(first.created.values()) == {"transactional"}
    assert len(first.created) == 500

    rows = [
        a_row("p0@acme.test"),
        a_row("P1@acme.test"),
        a_row("fake@example.com"),
        a_row("broken"),
        a_row("n@acme.test"),
    ]
    second = await audience.insert(rows, "subscribed")
    assert second.created == {subscriber_hash("n@acme.test"): "subscribed"}
    assert second.exists == {subscriber_hash("p0@acme.test"), subscriber_hash("p1@acme.test")}
    assert {error.reason for error in second.refused.values()} == {"fake_address", "invalid_address"}

    found = await everybody(audience, whole=True)
    assert len(found) == 501
    assert found["p7@acme.test"].merge_fields["FNAME"] == "Zoë"
    assert found["p7@acme.test"].tags == ("x3",)


async def test_a_large_audience_is_read_whole(audience: MailchimpAudience) -> None:
    for start in range(0, 2500, 500):
        rows = [a_row(f"p{place}@acme.test") for place in range(start, start + 500)]
        await audience.insert(rows, "transactional")
    assert len(await everybody(audience)) == 2500


async def test_a_member_is_changed_moved_archived_and_brought_back(
    state: MailchimpState, audience: MailchimpAudience
) -> None:
    old, new = subscriber_hash("old@acme.test"), subscriber_hash("new@acme.test")
    await audience.insert([a_row("old@acme.test"), a_row("other@acme.test")], "transactional")

    row = await audience.update(old, None, encode_fragment({"FNAME": "Eva"}, None), {"PHONE": "1", "LNAME": "no"})
    assert (row.merge_fields["FNAME"], row.merge_fields["LNAME"], row.merge_fields["PHONE"]) == ("Eva", "漢", "1")
    with pytest.raises(RecordRejected, match="belongs to another"):
        await audience.update(old, "other@acme.test", b"", {})
    assert (await audience.update(old, "new@acme.test", b"", {})).hash == new
    assert await audience.read(old) is None

    await audience.archive(new)
    await audience.archive(new)
    await audience.archive(subscriber_hash("nobody@acme.test"))
    assert (await everybody(audience))["new@acme.test"].status == "archived"
    assert (await audience.restore(new, "new@acme.test", FRAGMENT, "transactional")).status == "transactional"
    assert (await audience.unsubscribe(new)).status == "unsubscribed"
    assert [move for held in state.accounts[0].audiences.values() for move in held.ledger.upward()] == []


async def test_a_person_who_left_is_not_touched_by_an_insert(
    state: MailchimpState, audience: MailchimpAudience
) -> None:
    await audience.insert([a_row("left@acme.test"), a_row("gone@acme.test")], "subscribed")
    held = next(iter(state.accounts[0].audiences.values()))
    rules = Rules(state, held, "user")
    rules.set_status(held.members[subscriber_hash("left@acme.test").hex()], "unsubscribed")
    await audience.erase(subscriber_hash("gone@acme.test"))

    result = await audience.insert([a_row("left@acme.test"), a_row("gone@acme.test")], "subscribed")
    assert result.exists == {subscriber_hash("left@acme.test")}
    assert result.refused[subscriber_hash("gone@acme.test")].reason == "forgotten"
    assert (await everybody(audience))["left@acme.test"].status == "unsubscribed"


async def test_refused_merge_fields_cost_only_themselves(audience: MailchimpAudience) -> None:
    await audience.insert([a_row("ada@acme.test")], "transactional")
    partial = encode_fragment({"FNAME": "Ada", "ADDRESS": {"addr1": "1 rue X", "city": "Lyon"}}, None)
    row = await audience.update(subscriber_hash("ada@acme.test"), None, partial, {})
    assert row.merge_fields["FNAME"] == "Ada"
    assert [(error.reason, error.field) for error in row.dropped] == [("incomplete_address", "ADDRESS")]


async def test_tags_one_by_one_and_many_at_once(audience: MailchimpAudience) -> None:
    emails = [f"p{place}@acme.test" for place in range(3)]
    await audience.insert([a_row(email, ()) for email in emails], "transactional")
    await audience.tag_many("x3-inactive", [*emails, "stranger@acme.test"], [])
    await audience.tag_many("x3-inactive", [], emails[:1])
    await audience.set_tags(subscriber_hash(emails[0]), ["single"], [])
    found = await everybody(audience, whole=True)
    assert [found[email].tags for email in emails] == [("single",), ("x3-inactive",), ("x3-inactive",)]


async def test_merge_fields_are_made_once(audience: MailchimpAudience) -> None:
    made = await audience.create_merge_field("CODE", "X3 code", "text")
    again = await audience.create_merge_field("CODE", "X3 code", "text")
    assert made.merge_id == again.merge_id
    assert "CODE" in {field.tag for field in await audience.merge_fields()}


async def test_a_connection_is_verified(state: MailchimpState, outbound: httpx.AsyncClient) -> None:
    key = min(state.accounts[0].users[0].credentials)
    call = {"kind": "api_key", "settings": {}, "facts": {}, "outbound_client": outbound, "pacer": LocalPacer(2)}
    result = await verify(credential={"api_key": key}, **call)  # type: ignore[arg-type]  # as a caller's plain values
    assert result.ok, result.checks
    assert result.facts["account_id"] == state.accounts[0].id
    state.revoke(key)
    refused = await verify(credential={"api_key": key}, **call)  # type: ignore[arg-type]  # as a caller's plain values
    assert (refused.ok, refused.checks[-1].name) == (False, "ping")


async def test_an_account_tells_its_audiences_and_stores(client: MailchimpClient) -> None:
    account = MailchimpAccount(client)
    lists = await account.lists()
    assert len(lists) == 2
    await MailchimpStore(client, "x3-eur").create(lists[0].id, "X3 EUR", "EUR")
    assert [store.id for store in await account.stores(lists[0].id)] == ["x3-eur"]
    assert await account.stores(lists[1].id) == []


async def test_a_store_takes_products_customers_and_orders(client: MailchimpClient) -> None:
    store = MailchimpStore(client, "x3-eur")
    await store.create((await MailchimpAccount(client).lists())[0].id, "X3 EUR", "EUR")
    order = Order("INV1", "BPC1", "EUR", Decimal("121.50"), (OrderLine("1", "ITM1", "ITM1", 2, Decimal("50")),))
    await store.put_customer(StoreCustomer("BPC1", "ada@acme.test", "Acme"))
    with pytest.raises(RecordRejected):
        await store.put_order(order)
    await store.put_product(Product("ITM1", "Mug", (Variant("ITM1", "Mug", Decimal("50")),)))
    for _ in range(2):
        await store.put_order(order)
    await store.put_customer(StoreCustomer("BPC1", "ada.new@acme.test", "Acme"))
    assert await store.refund("INV1")
    await store.set_syncing(False)
    found = [order async for page in store.orders() for order in page]
    assert [(order.id, order.order_total, order.financial_status) for order in found] == [("INV1", 121.5, "refunded")]


async def test_a_batch_tells_of_each_operation(
    client: MailchimpClient, audience: MailchimpAudience, outbound: httpx.AsyncClient, state: MailchimpState
) -> None:
    await audience.insert([a_row("ada@acme.test")], "transactional")
    root = f"/lists/{next(iter(state.accounts[0].audiences))}/members"
    paths = {name: f"{root}/{subscriber_hash(name).hex()}" for name in ("ada@acme.test", "bob@acme.test")}
    operations = [Operation("PATCH", path, name, '{"language":"de"}') for name, path in paths.items()]

    async def brief(seconds: float) -> None:
        await asyncio.sleep(0.01)

    batches = Batches(client, outbound, sleep=brief)
    batch = await batches.submit(operations)
    await batches.wait(batch.id, seconds=600)
    results: dict[str, OperationResult] = {}
    await batches.results(batch.id, lambda result: results.update({result.operation_id: result}))
    assert results["ada@acme.test"].ok
    failure = results["bob@acme.test"].failure(paths["bob@acme.test"])
    assert failure is not None
    assert failure.code == "member_gone"
