"""Invoices of the stand-in X3 become orders of the stand-in Mailchimp, through the API and a worker, over HTTP.

After every round the store is compared with what an oracle without the product's code works out of X3's export.
"""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.db import suppression
from app.db.tenants import Tenant
from sandbox.data import Shares
from sandbox.server import Addresses, Options, running
from tests.e2e.oracle.orders import Expected, buyers_of, expect_store, standing
from tests.integration.api.conftest import Api
from tests.integration.api.objects import a_mapping
from tests.integration.api.test_journey import Place

pytestmark = pytest.mark.integration

STORE, COMPANY = "x3-eur", "FR10"
SHARES = Shares(missing_email=0.1, broken_email=0.05, duplicate_email=0.1, prohibited=0.05, prohibited_person=0.05)


class Shop(Place):
    """A place with a store in euros and a sync of invoices into it."""

    http: httpx.AsyncClient

    async def open(self, http: httpx.AsyncClient, **given: Any) -> "Shop":
        self.http = http
        base, key = self.vendors.mailchimp["base_url"], self.vendors.mailchimp["api_key"]
        store = {"id": STORE, "list_id": self.vendors.mailchimp["lists"][0], "name": "X3", "currency_code": "EUR"}
        assert (await http.post(f"{base}/ecommerce/stores", json=store, auth=("x", key))).status_code == 200
        mapping = {"name": "invoices", "stream": "invoices"}
        self.ids["mapping"] = (await self.api.made(f"{self.tenant}/mappings", mapping))["id"]
        return self

    async def invoices(self, **given: Any) -> dict[str, Any]:
        target = {"audience_id": self.vendors.mailchimp["lists"][0], "store_id": STORE}
        body = {"name": "invoices to store", "stream": "invoices", "target": target}
        return await self.sync(**{**body, "filter": {"field": "company", "in": [COMPANY]}, **given})

    async def x3(self, **document: Any) -> None:
        """Change a document in X3."""
        answer = await self.http.post(f"{self.vendors.x3['url']}/_sandbox/invoices", json=document)
        assert answer.status_code == 200, answer.text

    async def control(self, path: str, body: Any) -> None:
        answer = await self.http.post(f"{self.vendors.mailchimp['url']}/_sandbox/{path}", json=body)
        assert answer.status_code < 300, answer.text

    async def exported(self, stream: str) -> list[dict[str, Any]]:
        answer = await self.http.get(f"{self.vendors.x3['url']}/_sandbox/export", params={"stream": stream})
        return [json.loads(line) for line in answer.text.splitlines()]

    async def store(self) -> dict[str, Any]:
        answer = await self.http.get(f"{self.vendors.mailchimp['url']}/_sandbox/store", params={"id": STORE})
        found: dict[str, Any] = answer.json()
        return found

    async def expected(
        self, closed: tuple[str, ...] = (), companies: frozenset[str] = frozenset({COMPANY})
    ) -> Expected:
        return expect_store(
            await self.exported("invoices"), await self.exported("customers"), set(companies), "EUR", closed
        )

    async def check(self, run: dict[str, Any] | None = None, closed: tuple[str, ...] = ()) -> Expected:
        """The store holds exactly what X3 says, the run's books balance, nobody was moved up."""
        expected, store = await self.expected(closed), await self.store()
        orders = standing(store)
        assert orders == expected.orders
        assert sum((order["total"] for order in orders.values()), Decimal(0)) == expected.revenue
        cancelled = [order for order in store["orders"].values() if order.get("cancelled_at_foreign")]
        assert all(order["order_total"] == 0 for order in cancelled)
        assert expected.customers.keys() <= store["customers"].keys()
        assert expected.products <= store["products"].keys()
        assert not any(customer["opt_in_status"] for customer in store["customers"].values())
        assert store["values"]["is_syncing"] is False
        await self.nobody_moved_up()
        if run is not None:
            counts = run["counts"]
            assert counts["read"] == sum(counts[n] for n in ("created", "updated", "unchanged", "skipped", "rejected"))
            assert sum(run["skipped_by_reason"].values()) == counts["skipped"]
        return expected

    async def nobody_moved_up(self) -> None:
        consent = (await self.http.get(f"{self.vendors.mailchimp['url']}/_sandbox/consent")).json()
        assert consent["upward"] == []

    async def party(self, **customer: Any) -> None:
        """Change a customer in X3."""
        answer = await self.http.post(f"{self.vendors.x3['url']}/_sandbox/customers", json=customer)
        assert answer.status_code == 200, answer.text

    async def members(self) -> list[dict[str, Any]]:
        answer = await self.http.get(f"{self.vendors.mailchimp['url']}/_sandbox/members")
        return [json.loads(line) for line in answer.text.splitlines()]

    async def waiting(self, reason: str) -> list[dict[str, Any]]:
        """Documents that the ledger says are skipped for that reason."""
        codes = {
            r["code"] for r in (await self.read("records?state=skipped&limit=200"))["items"] if r["reason"] == reason
        }
        return [row for row in await self.exported("invoices") if row["number"] in codes]

    async def changes(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while cursor is not None:
            page = await self.read(f"runs/{run['id']}/changes?limit=100" + (f"&cursor={cursor}" if cursor else ""))
            found += page["items"]
            cursor = page["next_cursor"]
        return found

    async def suppress(self, email: str) -> None:
        """As an erasure leaves it."""
        resources, tenant_id = self.api.resources, UUID(self.tenant.rpartition("/")[2])
        async with resources.database.session(tenant_id) as session:
            tenant = await session.get_one(Tenant, tenant_id)
        keys = resources.vault.tenant(tenant_id, tenant.data_key, tenant.data_key_id)
        async with resources.database.transaction(tenant_id) as connection:
            await suppression.suppress(connection, tenant_id, keys.digest(email.lower().encode()), uuid4())

    async def writes(self) -> int:
        """Calls that wrote something at Mailchimp so far."""
        stats = (await self.http.get(f"{self.vendors.mailchimp['url']}/_sandbox/stats")).json()
        return sum(count for call, count in stats["requests"].items() if not call.startswith(("get", "problem")))


@pytest.fixture
async def vendors() -> AsyncIterator[Addresses]:
    async with running(Options(customers=80, suppliers=2, invoices=260, shares=SHARES, seed=11)) as found:
        yield found


@pytest.fixture
async def shop(api: Api, vendors: Addresses) -> AsyncIterator[Shop]:
    place = Shop(api, vendors, await api.tenant())
    await place.furnish()
    async with httpx.AsyncClient(trust_env=False) as http:
        yield await place.open(http)


def reasons(run: dict[str, Any]) -> dict[str, int]:
    return {reason: count for reason, count in run["skipped_by_reason"].items() if count}


async def test_the_first_load_makes_the_store_worth_what_x3_says(shop: Shop) -> None:
    made = await shop.invoices()
    assert any("EUR" in warning for warning in made["warnings"])

    run = await shop.carry()

    expected = await shop.check(run)
    assert run["state"] == "succeeded", run
    assert len(expected.orders) > 60
    assert run["counts"]["read"] == expected.read
    assert run["progress"]["expected_records"] == expected.read
    assert run["counts"]["created"] == len(expected.orders) + len(expected.credits)
    assert reasons(run) == dict(expected.skipped)
    assert {"no_email", "mailing_prohibited", "currency_mismatch", "proforma", "not_posted"} <= reasons(run).keys()
    assert "credit_memo_unreferenced" in reasons(run)
    statuses = {order["financial_status"] for order in (await shop.store())["orders"].values()}
    assert statuses >= {"paid", "partially_refunded"} or statuses >= {"paid", "refunded"}
    store = await shop.store()
    assert store["customers"].keys() == expected.customers.keys()
    assert store["products"].keys() == expected.products
    found = {code: customer["email_address"] for code, customer in store["customers"].items()}
    assert found == expected.customers


async def test_running_again_writes_nothing_and_a_delta_reads_only_what_was_touched(shop: Shop) -> None:
    await shop.invoices()
    first = await shop.carry()
    items = (await shop.store())["customers"]
    writes = await shop.writes()

    full, delta = await shop.carry(), await shop.carry(mode="delta")

    await shop.check(full)
    assert full["counts"]["read"] == first["counts"]["read"]
    assert full["counts"]["unchanged"] == first["counts"]["created"]
    assert reasons(full) == reasons(first)
    assert delta["counts"]["read"] == 0
    assert await shop.writes() == writes
    assert (await shop.store())["customers"] == items


async def test_changed_cancelled_and_credited_documents_change_exactly_their_orders(shop: Shop) -> None:
    await shop.invoices()
    await shop.carry()
    before = await shop.expected()
    changed, cancelled, credited, refunded = sorted(
        number for number, order in before.orders.items() if order["status"] == "paid" and order["total"] > 20
    )[:4]
    await shop.x3(number=changed, lines=[{"number": 1000, "quantity": "7", "net_price": "12.35"}])
    await shop.x3(number=cancelled, status="notUsed")
    memo = {"category": "creditMemo", "currency": "EUR", "company": COMPANY}
    for number, original, total in (("CM-1", credited, "10.05"), ("CM-2", credited, "1"), ("CM-3", refunded, "99999")):
        customer = before.orders[original]["customer"]
        await shop.x3(number=number, reference=original, including_tax=total, customer=customer, **memo)
    await shop.x3(number="CM-4", reference="no such invoice", including_tax="5", **memo)
    await shop.x3(number="NEW-1", customer=before.orders[changed]["customer"], lines=[{"number": 1000}])

    run = await shop.carry(mode="delta")

    after = await shop.check(run)
    assert run["counts"] == {"read": 9, "created": 4, "updated": 3, "unchanged": 0, "skipped": 2, "rejected": 0}
    assert reasons(run) == {"cancelled": 1, "credit_memo_unreferenced": 1}
    assert after.orders[credited]["total"] == before.orders[credited]["total"] - Decimal("11.05")
    assert after.orders[credited]["status"] == "partially_refunded"
    assert (after.orders[refunded]["total"], after.orders[refunded]["status"]) == (0, "refunded")
    store = await shop.store()
    assert store["orders"][cancelled]["financial_status"] == "cancelled"
    again = await shop.carry()
    await shop.check(again)
    assert again["counts"]["created"] == again["counts"]["updated"] == 0


async def test_a_touched_line_alone_is_found_and_a_dropped_one_leaves_the_order(shop: Shop) -> None:
    await shop.invoices()
    await shop.carry()
    expected = await shop.expected()
    several = next(n for n, order in sorted(expected.orders.items()) if len(order["lines"]) > 1)
    one = next(n for n in sorted(expected.orders) if n != several)
    await shop.x3(number=several, drop_lines=[1000])
    line = expected.orders[one]["lines"][0]
    row = next(r for r in await shop.exported("invoices") if r["number"] == one)["lines"][0]
    other = "ITM00001" if line[1] != "ITM00001" else "ITM00002"
    same = {"number": row["number"], "product": other, "amount": row["excluding_tax"]}
    await shop.x3(number=one, lines=[{**same, "quantity": row["quantity"], "net_price": row["net_price"]}])

    run = await shop.carry(mode="delta")

    await shop.check(run)
    assert run["counts"]["updated"] == run["counts"]["read"] == 2


async def test_a_credit_memo_that_is_withdrawn_or_moved_gives_back_what_it_took(shop: Shop) -> None:
    await shop.invoices()
    await shop.carry()
    expected = await shop.expected()
    one, two = sorted(n for n, order in expected.orders.items() if order["status"] == "paid")[:2]
    memo = {"number": "CM-1", "category": "creditMemo", "including_tax": "3"}
    await shop.x3(**memo, reference=one)
    await shop.carry(mode="delta")
    assert (await shop.check()).orders[one]["status"] == "partially_refunded"

    await shop.x3(number="CM-1", reference=two)
    moved = await shop.carry(mode="delta")
    assert (await shop.check(moved)).orders[one]["status"] == "paid"
    await shop.x3(number="CM-1", status="notUsed")
    withdrawn = await shop.carry(mode="delta")

    assert (await shop.check(withdrawn)).orders[two]["status"] == "paid"
    assert reasons(withdrawn) == {"cancelled": 1}


async def test_an_invoice_that_comes_back_is_an_order_again(shop: Shop) -> None:
    await shop.invoices()
    await shop.carry()
    number = sorted((await shop.expected()).orders)[0]
    await shop.x3(number=number, status="notUsed")
    await shop.carry(mode="delta")
    await shop.x3(number=number, status="posted")

    run = await shop.carry(mode="delta")

    assert number in (await shop.check(run)).orders
    assert run["counts"]["updated"] == 1
    assert not (await shop.store())["orders"][number].get("cancelled_at_foreign")


async def test_a_credit_memo_waits_for_its_invoice(shop: Shop) -> None:
    await shop.invoices()
    await shop.carry()
    await shop.x3(number="CM-1", category="creditMemo", reference="LATE-1", including_tax="2")
    assert reasons(await shop.carry(mode="delta")) == {"credit_memo_unreferenced": 1}
    customer = sorted((await shop.expected()).customers)[0]
    await shop.x3(number="LATE-1", customer=customer, lines=[{"number": 1000}], stamp=4102444800)

    run = await shop.carry(mode="delta")

    expected = await shop.check(run)
    assert (expected.orders["LATE-1"]["total"], expected.credits & {"CM-1"}) == (Decimal(10), {"CM-1"})


async def test_orders_of_a_customer_without_an_address_come_when_there_is_one(shop: Shop) -> None:
    await shop.invoices()
    await shop.carry()
    waiting = await shop.waiting("no_email")
    code = waiting[0]["customer"]
    await shop.party(code=code, emails=["found@acme.test"])

    run = await shop.carry(mode="delta")

    expected = await shop.check(run)
    assert {row["number"] for row in waiting if row["customer"] == code} <= expected.orders.keys()
    assert run["counts"]["created"] >= 1
    assert (await shop.store())["customers"][code]["email_address"] == "found@acme.test"


async def test_whoever_unsubscribed_keeps_the_status_and_archived_people_get_no_new_order(shop: Shop) -> None:
    base, key = shop.vendors.mailchimp["base_url"], shop.vendors.mailchimp["api_key"]
    audience = shop.vendors.mailchimp["lists"][0]
    people = sorted(set((await shop.expected()).customers.values()))
    gone, away = people[0], people[1]
    for email in (gone, away):
        member = {"email_address": email, "status": "subscribed"}
        answer = await shop.http.post(f"{base}/lists/{audience}/members", json=member, auth=("x", key))
        assert answer.status_code == 200, answer.text
    await shop.control("unsubscribe", {"email": away})
    await shop.control("archive", {"email": gone})
    await shop.invoices()

    run = await shop.carry()

    expected = await shop.check(run, closed=(gone.lower(),))
    assert reasons(run)["archived"] == expected.skipped["archived"] > 0
    members = {member["email"].lower(): member["status"] for member in await shop.members()}
    assert members[away.lower()] == "unsubscribed"
    assert members[gone.lower()] == "archived"
    others = {status for email, status in members.items() if email not in (away.lower(), gone.lower())}
    assert others == {"transactional"}
    consent = await shop.read(f"consent?email={people[2]}")
    assert [(entry["status"], entry["cause"]) for entry in consent["items"]] == [("transactional", "store_customer")]


async def test_erased_people_never_come_back_as_customers(shop: Shop) -> None:
    email = sorted(set((await shop.expected()).customers.values()))[0]
    await shop.suppress(email)
    await shop.invoices()

    run = await shop.carry()

    assert reasons(run)["forgotten"] > 0
    customers = (await shop.store())["customers"].values()
    assert email.lower() not in {customer["email_address"].lower() for customer in customers}


async def test_a_refused_customer_parks_its_orders_until_it_is_corrected(shop: Shop) -> None:
    expected = await shop.expected()
    code = expected.orders[sorted(expected.orders)[0]]["customer"]
    mine = {number for number, order in expected.orders.items() if order["customer"] == code}
    refusal = {"status": 400, "message": "x is an invalid email address and cannot be imported."}
    fault = {"kind": "refuse", "count": None, "path": f"/customers/{code}$", "method": "PUT", **refusal}
    await shop.control("faults", fault)
    await shop.invoices()

    run = await shop.carry()
    again = await shop.carry()
    await shop.http.delete(f"{shop.vendors.mailchimp['url']}/_sandbox/faults")
    await shop.party(code=code, emails=["corrected@acme.test"])
    healed = await shop.carry(mode="delta")

    assert run["state"] == "partially_failed"
    assert run["counts"]["rejected"] == len(mine)
    assert reasons(again)["refused_before"] == len(mine)
    assert again["state"] == "succeeded"
    assert healed["counts"]["created"] == len(mine)
    await shop.check(healed)
    letters = (await shop.read("dead-letters?limit=200"))["items"]
    assert {letter["code"] for letter in letters} == mine
    assert {letter["state"] for letter in letters} == {"resolved"}


async def test_a_refused_product_parks_the_orders_that_need_it_and_no_others(shop: Shop) -> None:
    expected = await shop.expected()
    product = sorted(expected.products)[0]
    mine = {n for n, order in expected.orders.items() if product in {line[1] for line in order["lines"]}}
    fault = {
        "kind": "refuse",
        "count": None,
        "path": f"/products/{product}$",
        "status": 400,
        "message": "No such title.",
    }
    await shop.control("faults", fault)
    await shop.invoices()

    run = await shop.carry()

    assert run["counts"]["rejected"] == len(mine)
    assert standing(await shop.store()).keys() == expected.orders.keys() - mine
    letters = (await shop.read("dead-letters?state=open&limit=200"))["items"]
    assert {letter["code"] for letter in letters} == mine
    assert {letter["reason"] for letter in letters} == {"product_refused"}
    await shop.http.delete(f"{shop.vendors.mailchimp['url']}/_sandbox/faults")
    replay = await shop.api.made(f"{shop.tenant}/dead-letters/replay", {"sync_id": shop.ids["sync"]}, 202)
    healed = await shop.worked(replay["id"])
    assert healed["counts"]["created"] == len(mine)
    await shop.check(healed)


async def test_a_store_that_was_emptied_is_mended_on_the_way(shop: Shop) -> None:
    await shop.invoices()
    await shop.carry()
    base, key = shop.vendors.mailchimp["base_url"], shop.vendors.mailchimp["api_key"]
    await shop.http.delete(f"{base}/ecommerce/stores/{STORE}", auth=("x", key))
    store = {"id": STORE, "list_id": shop.vendors.mailchimp["lists"][0], "name": "X3", "currency_code": "EUR"}
    await shop.http.post(f"{base}/ecommerce/stores", json=store, auth=("x", key))
    orders = (await shop.expected()).orders
    row = next(row for row in await shop.exported("invoices") if row["number"] in orders)
    line = row["lines"][0]
    await shop.x3(number=row["number"], lines=[{"number": line["number"], "quantity": "3", "net_price": "4"}])

    run = await shop.carry(mode="delta")

    assert run["counts"]["updated"] == 1
    assert standing(await shop.store()).keys() == {row["number"]}


async def test_a_sync_of_another_company_takes_down_the_orders_of_the_first(shop: Shop) -> None:
    await shop.invoices(brake={"max_inactive_percent": None})
    await shop.carry()
    await shop.api.call(
        "PATCH",
        f"{shop.tenant}/syncs/{shop.ids['sync']}",
        json={"filter": {"field": "company", "in": ["GB20"]}},
    )

    run = await shop.carry(mode="delta")

    expected = await shop.expected(companies=frozenset({"GB20"}))
    assert standing(await shop.store()) == expected.orders
    assert reasons(run)["filtered"] > 0
    assert run["counts"]["read"] == len(await shop.exported("invoices"))
    again = await shop.carry()
    assert again["counts"]["read"] == expected.read


async def test_a_dry_run_says_what_it_would_do_and_writes_nothing(shop: Shop) -> None:
    await shop.invoices()
    writes = await shop.writes()

    dry = await shop.carry(dry_run=True)

    expected = await shop.expected()
    assert await shop.writes() == writes
    assert dry["counts"]["created"] == len(expected.orders) + len(expected.credits)
    assert reasons(dry) == dict(expected.skipped)
    changes = {change["code"]: change for change in await shop.changes(dry)}
    would_be = {code for code, change in changes.items() if change["decision"] == "would_be_created"}
    assert would_be == expected.orders.keys() | expected.credits
    assert (await shop.store())["orders"] == {}
    totals = {code: Decimal(changes[code]["fields"]["order_total"]["after"]) for code in expected.orders}
    assert totals == {code: order["total"] for code, order in expected.orders.items()}


async def test_what_a_run_changed_is_shown_with_exact_money(shop: Shop) -> None:
    await shop.invoices()
    await shop.carry()
    expected = await shop.expected()
    number = next(n for n, order in sorted(expected.orders.items()) if order["status"] == "paid")
    await shop.x3(number=number, lines=[{"number": 1000, "quantity": "3", "net_price": "0.1"}])
    run = await shop.carry(mode="delta")

    (change,) = await shop.changes(run)

    order = (await shop.expected()).orders[number]
    assert (change["code"], change["decision"]) == (number, "updated")
    assert change["email"] == expected.customers[order["customer"]]
    total = change["fields"]["order_total"]
    assert (Decimal(total["before"]), Decimal(total["after"])) == (expected.orders[number]["total"], order["total"])
    assert "customer" not in change["fields"]
    record = (await shop.read(f"records?code={number}"))["items"][0]
    timeline = (await shop.read(f"records/{record['id']}/timeline"))["items"]
    assert [event["action"] for event in timeline] == ["order.created", "order.updated"]
    assert number in {row["code"] for row in (await shop.read(f"records?email={record['email']}"))["items"]}


async def test_a_preview_shows_the_orders_of_real_documents(shop: Shop) -> None:
    expected = await shop.expected()
    documents = await shop.exported("invoices")
    memo = next(r["number"] for r in documents if r["category"] == "creditMemo" and r["status"] == "posted")
    proforma = next(r["number"] for r in documents if r["category"] == "proforma")
    order = next(n for n, o in sorted(expected.orders.items()) if o["status"] == "paid")
    path = f"{shop.tenant}/mappings/{shop.ids['mapping']}/preview"
    body = {"connection_id": shop.ids["x3"], "codes": [order, memo, proforma, "nothing"]}

    items = {item["code"]: item for item in (await shop.api.post(path, body)).json()["items"]}
    first = (await shop.api.post(path, {"connection_id": shop.ids["x3"], "limit": 3})).json()["items"]

    assert items[order]["decision"] == "would_write"
    assert items[order]["member"] is None
    assert Decimal(items[order]["order"]["order_total"]) == expected.orders[order]["total"]
    assert items[order]["source"]["company"] == COMPANY
    assert items[memo]["order"] is None
    assert items[proforma]["decision"] == "skipped:proforma"
    assert items["nothing"]["decision"] == "skipped:not_found"
    assert len(first) == 3


async def test_a_run_that_would_take_down_too_many_orders_stops_and_asks(shop: Shop) -> None:
    await shop.invoices(brake={"max_new": None, "max_inactive_percent": 20})
    await shop.carry()
    orders = await shop.store()
    for row in (await shop.exported("invoices"))[:150]:
        await shop.x3(number=row["number"], status="notUsed")

    halted = await shop.carry()
    writes = (await shop.store())["orders"]
    approved = await shop.api.post(f"{shop.tenant}/runs/{halted['id']}/approve")
    run = await shop.worked(halted["id"])

    assert (halted["state"], halted["reason_code"]) == ("halted", "brake_inactive")
    assert writes == orders["orders"]
    assert approved.status_code == 202
    await shop.check(run)


async def test_a_run_that_would_create_too_many_orders_stops_and_asks(shop: Shop) -> None:
    await shop.invoices(brake={"max_new": 10, "max_inactive_percent": None})

    run = await shop.carry()

    assert (run["state"], run["reason_code"]) == ("halted", "brake_new")
    assert (await shop.store())["orders"] == {}


async def test_reconciling_puts_back_what_the_store_lost_and_takes_down_what_x3_deleted(shop: Shop) -> None:
    await shop.invoices()
    await shop.x3(number="CM-1", category="creditMemo", reference="KEPT-1", including_tax="2")
    customer = sorted((await shop.expected()).customers)[0]
    for number in ("KEPT-1", "GONE-1"):
        await shop.x3(number=number, customer=customer, lines=[{"number": 1000}])
    await shop.carry()
    lost, changed = sorted((await shop.expected()).orders)[:2]
    base, key = shop.vendors.mailchimp["base_url"], shop.vendors.mailchimp["api_key"]
    orders = f"{base}/ecommerce/stores/{STORE}/orders"
    await shop.http.delete(f"{orders}/{lost}", auth=("x", key))
    await shop.http.patch(f"{orders}/{changed}", json={"order_total": 1.5}, auth=("x", key))
    for number in ("GONE-1", "CM-1"):
        await shop.http.delete(f"{shop.vendors.x3['url']}/_sandbox/invoices", params={"number": number})

    first = await shop.carry(mode="reconcile")
    still = standing(await shop.store())
    second = await shop.carry(mode="reconcile")

    assert first["counts"]["updated"] == 2
    assert (first["drift"]["missing_in_mailchimp"], first["drift"]["changed_in_mailchimp"]) == (1, 1)
    assert first["drift"]["x3_absent_once"] == 2
    assert "GONE-1" in still
    expected = await shop.check(second)
    assert second["drift"]["x3_deleted"] == 2
    assert reasons(second)["x3_deleted"] == 2
    assert expected.orders["KEPT-1"]["total"] == Decimal(12)
    third = await shop.carry(mode="reconcile")
    assert third["counts"]["updated"] == third["counts"]["created"] == 0
    assert reasons(third).get("x3_deleted", 0) == 0


async def test_customers_with_a_store_become_members_and_customers_of_the_store(shop: Shop) -> None:
    shop.ids["mapping"] = (await shop.api.made(f"{shop.tenant}/mappings", a_mapping()))["id"]
    target = {"audience_id": shop.vendors.mailchimp["lists"][0], "store_id": STORE}
    away = sorted(email for email, _ in buyers_of(await shop.exported("customers"), set()).values() if email)[0]
    base, key = shop.vendors.mailchimp["base_url"], shop.vendors.mailchimp["api_key"]
    member = {"email_address": away, "status": "unsubscribed"}
    await shop.http.post(f"{base}/lists/{target['audience_id']}/members", json=member, auth=("x", key))
    await shop.sync(name="customers", stream="customers", target=target, new_member_status="subscribed")

    run = await shop.carry()

    records = {record["code"]: record for record in (await shop.read("records?limit=200"))["items"]}
    open_to_us = {code: r["email"] for code, r in records.items() if r["state"] == "synced"}
    store = await shop.store()
    found = {code: customer["email_address"] for code, customer in store["customers"].items()}
    shared = {code for code, record in records.items() if record["reason"] == "duplicate_email"}
    assert open_to_us.items() <= found.items()
    assert found.keys() <= open_to_us.keys() | shared
    assert away.lower() not in {email.lower() for email in found.values()}
    assert run["counts"]["created"] == len(open_to_us)
    members = {m["email"].lower(): m["status"] for m in await shop.members()}
    assert {status for email, status in members.items() if email != away.lower()} == {"subscribed"}
    assert not any(customer["opt_in_status"] for customer in store["customers"].values())
    one = next(customer for customer in store["customers"].values() if customer.get("address"))
    assert one["company"]
    assert one["address"]["country_code"]
    assert store["values"]["is_syncing"] is False
    await shop.carry()
    writes = await shop.writes()
    again = await shop.carry()
    assert await shop.writes() == writes
    assert again["counts"]["created"] == again["counts"]["updated"] == 0


async def test_a_customer_whose_address_changes_is_the_same_customer_of_the_store(shop: Shop) -> None:
    shop.ids["mapping"] = (await shop.api.made(f"{shop.tenant}/mappings", a_mapping()))["id"]
    target = {"audience_id": shop.vendors.mailchimp["lists"][0], "store_id": STORE}
    await shop.sync(name="customers", stream="customers", target=target)
    await shop.carry()
    code = sorted((await shop.store())["customers"])[0]
    await shop.party(code=code, emails=["moved@acme.test"], name="Renamed")

    run = await shop.carry(mode="delta")

    customer = (await shop.store())["customers"][code]
    assert (customer["email_address"], customer["company"]) == ("moved@acme.test", "Renamed")
    assert run["counts"]["updated"] == 1
    await shop.nobody_moved_up()


async def test_a_sync_of_invoices_is_checked_when_it_is_made(shop: Shop) -> None:
    target = {"audience_id": shop.vendors.mailchimp["lists"][0], "store_id": STORE}
    made = {
        "name": "s", "stream": "invoices", "source_connection_id": shop.ids["x3"], "new_member_status": "transactional",
        "target_connection_id": shop.ids["mailchimp"], "mapping_id": shop.ids["mapping"], "target": target,
        "filter": {"field": "company", "in": [COMPANY]},
    }  # fmt: skip
    wrong = [
        ({"filter": None}, "/filter"),
        ({"filter": {"field": "category", "in": ["invoice"]}}, "/filter"),
        ({"filter": {"field": "company", "not_in": ["GB20"]}}, "/filter"),
        ({"filter": {"field": "country", "in": ["FR"]}}, "/filter/field"),
        ({"target": {**target, "store_id": None}}, "/target/store_id"),
        ({"target": {**target, "store_id": "nosuchstore"}}, "/target/store_id"),
        ({"target": {**target, "audience_id": "nosuchlist"}}, "/target/audience_id"),
        ({"stream": "customers", "filter": None}, "/mapping_id"),
        ({"stream": "suppliers", "filter": None}, "/target/store_id"),
    ]
    for change, pointer in wrong:
        answer = await shop.api.post(f"{shop.tenant}/syncs", {**made, **change})
        assert (answer.status_code, [e["pointer"] for e in answer.json()["errors"]]) == (422, [pointer]), change
    assert (await shop.api.post(f"{shop.tenant}/syncs", made)).status_code == 201
