"""A Sage X3 over REST api1 from connection to audience: the same members as over GraphQL, deltas where stamps show."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from sandbox.server import Addresses, Options, running
from tests.integration.api.conftest import Api
from tests.integration.api.objects import a_mapping
from tests.integration.api.test_journey import Place

pytestmark = pytest.mark.integration

CUSTOMERS = 40


def written(members: list[dict[str, Any]]) -> dict[str, Any]:
    """What of the members comes from X3."""
    kept = ("status", "merge_fields", "tags", "language")
    return {member["email"]: {name: member.get(name) for name in kept} for member in members}


def held(objects: Any) -> Any:
    """Objects of a store without what the store itself makes of them."""
    own = {"store_id", "_links", "created_at", "updated_at", "currency_code"}
    if isinstance(objects, dict):
        return {name: held(value) for name, value in objects.items() if name not in own}
    return [held(one) for one in objects] if isinstance(objects, list) else objects


class RestPlace(Place):
    """A tenant whose X3 has no GraphQL."""

    async def over_rest(self, **settings: Any) -> "RestPlace":
        x3 = self.vendors.x3
        body = {
            "name": "X3 over REST",
            "system": "sage_x3",
            "kind": "rest_basic",
            "url": x3["url"],
            "settings": {"endpoint": x3["endpoint"], **settings},
            "credential": {"username": x3["username"], "password": x3["password"]},
        }
        self.ids["x3"] = (await self.api.made(f"{self.tenant}/connections", body))["id"]
        return self

    async def verified(self) -> dict[str, Any]:
        answer = await self.api.post(f"{self.tenant}/connections/{self.ids['x3']}/verify")
        found: dict[str, Any] = answer.json()
        assert found["ok"], found
        return found

    async def control(self, vendor: str, method: str, path: str, body: Any = None) -> httpx.Response:
        url = {"x3": self.vendors.x3["url"], "mailchimp": self.vendors.mailchimp["url"]}[vendor]
        async with httpx.AsyncClient() as http:
            answer = await http.request(method, f"{url}/_sandbox/{path}", json=body)
        answer.raise_for_status()
        return answer

    async def audience(self) -> dict[str, Any]:
        answer = await self.control("mailchimp", "GET", f"members?list={self.vendors.mailchimp['lists'][0]}")
        return written([msgspec.json.decode(line) for line in answer.content.splitlines()])

    async def change(self, code: str, **changes: Any) -> None:
        await self.control("x3", "POST", "customers", {"code": code, **changes})

    async def requests(self) -> dict[str, int]:
        counts: dict[str, int] = (await self.control("x3", "GET", "stats")).json()["requests"]
        return counts


@pytest.fixture
async def vendors() -> AsyncIterator[Addresses]:
    async with running(Options(customers=CUSTOMERS, suppliers=5, invoices=60)) as found:
        yield found


@pytest.fixture
async def place(api: Api, vendors: Addresses) -> RestPlace:
    place = RestPlace(api, vendors, await api.tenant())
    await place.furnish()
    return place


async def test_a_run_over_rest_leaves_nothing_to_write_for_one_over_graphql(place: RestPlace) -> None:
    await place.over_rest()
    facts = (await place.verified())["facts"]
    assert facts["generation"] == "api1"
    await place.sync()
    over_rest = await place.carry()
    audience = await place.audience()
    assert over_rest["counts"]["read"] == CUSTOMERS
    assert over_rest["counts"]["created"] == len(audience) > CUSTOMERS * 0.7

    await place.control("mailchimp", "POST", "reset", {"members": True})
    again = RestPlace(place.api, place.vendors, await place.api.tenant("other"))
    await again.furnish()
    await again.sync()
    over_graphql = await again.carry()

    assert over_graphql["counts"] == over_rest["counts"]
    assert over_graphql["skipped_by_reason"] == over_rest["skipped_by_reason"]
    assert await again.audience() == audience
    assert (await place.requests()).get("licence tokens taken", 0) == 0


async def test_a_delta_reads_who_was_touched_in_any_of_their_rows(place: RestPlace) -> None:
    await place.over_rest(delta_overlap_seconds=0)
    await place.sync()
    await place.carry()
    before = await place.audience()
    await place.change("C000003", emails=["fresh@acme.test"])
    await place.change("C000005", name="RENAMED")

    run = await place.carry(mode="delta")

    after = await place.audience()
    assert run["counts"]["read"] == 2, run
    assert "fresh@acme.test" in after
    assert any(member["merge_fields"].get("COMPANY") == "RENAMED" for member in after.values())
    assert len(after) in (len(before), len(before) + 1)


async def test_where_stamps_are_hidden_a_delta_reads_all_and_writes_only_what_changed(place: RestPlace) -> None:
    await place.control("x3", "PATCH", "settings", {"rest_hides": ["UPDDATTIM"], "rest_list_is_narrow": True})
    await place.over_rest()
    await place.sync()
    await place.carry()
    await place.change("C000003", emails=["fresh@acme.test"])

    run = await place.carry(mode="delta")

    counts = run["counts"]
    assert counts["read"] == CUSTOMERS
    assert counts["created"] + counts["updated"] == 1
    assert "fresh@acme.test" in await place.audience()
    assert (await place.read(f"syncs/{place.ids['sync']}"))["watermark"] == run["watermark_after"]


async def with_orders(place: RestPlace, store: str) -> dict[str, Any]:
    """Carry the invoices of all companies in euros into a new store; the run and what the store then holds."""
    mailchimp = place.vendors.mailchimp
    made = {"id": store, "list_id": mailchimp["lists"][0], "name": "Invoices", "currency_code": "EUR"}
    async with httpx.AsyncClient(auth=("any", mailchimp["api_key"])) as http:
        (await http.post(f"{mailchimp['base_url']}/ecommerce/stores", json=made)).raise_for_status()
    place.ids["mapping"] = (await place.api.made(f"{place.tenant}/mappings", a_mapping(stream="invoices")))["id"]
    answer = await place.control("x3", "GET", "export?stream=invoices")
    companies = sorted({msgspec.json.decode(line)["company"] for line in answer.content.splitlines()})
    target = {"audience_id": mailchimp["lists"][0], "store_id": store}
    await place.sync(stream="invoices", target=target, filter={"field": "company", "in": companies})
    return await place.carry()


async def test_invoices_over_rest_become_the_same_orders_as_over_graphql(place: RestPlace) -> None:
    await place.over_rest()
    await place.verified()
    over_rest = await with_orders(place, "rest")
    again = RestPlace(place.api, place.vendors, await place.api.tenant("other"))
    await again.furnish()
    over_graphql = await with_orders(again, "graphql")

    stores = [(await place.control("mailchimp", "GET", f"store?id={name}")).json() for name in ("rest", "graphql")]

    assert over_rest["state"] in ("succeeded", "partially_failed"), over_rest
    assert over_rest["counts"] == over_graphql["counts"]
    assert over_rest["counts"]["created"] > 5
    for part in ("products", "customers", "orders"):
        assert held(stores[0][part]) == held(stores[1][part])
        assert stores[0][part]
    assert (await place.requests()).get("licence tokens taken", 0) == 0


async def test_settings_of_rest_are_checked_when_given(place: RestPlace) -> None:
    path = f"{place.tenant}/connections"
    body = {
        "name": "X3",
        "system": "sage_x3",
        "kind": "rest_basic",
        "url": place.vendors.x3["url"],
        "credential": {"username": "MLC", "password": "x"},
    }
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"rest": {"customers": {"class": "../sdata"}}}, "/settings/rest/customers/class"),
        ({"rest": {"customers": {"paths": {"name": "A B"}}}}, "/settings/rest/customers/paths/name"),
        ({"rest": {"customers": {"delta_where": "UPDDATTIM ge 1"}}}, "/settings/rest/customers/delta_where"),
        ({"link_hosts": ["https://x"]}, "/settings/link_hosts/0"),
    ]
    for settings, pointer in wrong:
        answer = await place.api.post(path, {**body, "settings": {"endpoint": "SEED", **settings}})
        assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])

    rest = {"customers": {"class": "YCUST", "details_per_row": False, "delta_where": ""}}
    made = await place.api.made(path, {**body, "settings": {"endpoint": "SEED", "rest": rest}})
    assert made["settings"]["rest"] == rest


async def test_a_preview_over_rest_shows_what_would_be_written(place: RestPlace) -> None:
    await place.over_rest()

    answer = await place.api.post(
        f"{place.tenant}/mappings/{place.ids['mapping']}/preview",
        {"connection_id": place.ids["x3"], "codes": ["C000003", "NOBODY"]},
    )

    items = {item["code"]: item for item in answer.json()["items"]}
    assert items["NOBODY"]["decision"] == "skipped:not_found"
    assert items["C000003"]["source"]["name"]
