"""Two syncs that write into one audience must not undo each other's marks of inactive records."""

from typing import Any
from uuid import UUID

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.objects import a_mailchimp, a_mapping, a_sync, an_x3

pytestmark = pytest.mark.integration


class Shop:
    """A tenant with both connections and a mapping for each stream."""

    def __init__(self, api: Api, tenant: str) -> None:
        self.api, self.tenant = api, tenant
        self.ids: dict[str, str] = {}

    async def furnish(self) -> "Shop":
        bodies = {"x3": an_x3(), "mailchimp": a_mailchimp(), "other": a_mailchimp(name="other")}
        for name, body in bodies.items():
            self.ids[name] = (await self.api.made(f"{self.tenant}/connections", body))["id"]
        for stream in ("customers", "suppliers"):
            body = a_mapping(name=stream, stream=stream)
            self.ids[stream] = (await self.api.made(f"{self.tenant}/mappings", body))["id"]
        return self

    def body(self, stream: str = "customers", mailchimp: str = "mailchimp", **given: Any) -> dict[str, Any]:
        ids = (self.ids["x3"], self.ids[mailchimp], self.ids[stream])
        return a_sync(*ids, stream=stream, name=f"the {stream}", **given)

    async def sync(self, *given: str, **terms: Any) -> dict[str, Any]:
        return await self.api.made(f"{self.tenant}/syncs", self.body(*given, **terms))

    async def warned(self, *given: str, **terms: Any) -> str:
        """The warning about the shared mark in the answer to a new sync."""
        return shared_mark((await self.sync(*given, **terms))["warnings"])


def shared_mark(warnings: list[str]) -> str:
    return next((warning for warning in warnings if "marks inactive records" in warning), "")


@pytest.fixture
async def shop(api: Api) -> Shop:
    return await Shop(api, await api.tenant()).furnish()


async def test_customers_and_suppliers_share_an_audience_by_default(shop: Shop) -> None:
    customers, suppliers = await shop.sync(), await shop.sync("suppliers")

    assert customers["inactive"] == {"action": "tag", "tag": "x3-inactive"}
    assert suppliers["inactive"] == {"action": "tag", "tag": "x3-supplier-inactive"}


async def test_the_same_tag_is_a_warning_with_the_name_of_the_other_sync(shop: Shop) -> None:
    await shop.sync()

    warning = await shop.warned("suppliers", inactive={"action": "tag", "tag": "X3-Inactive"})

    assert "'the customers'" in warning
    assert "another tag" in warning


async def test_so_is_the_same_field(shop: Shop) -> None:
    await shop.sync(inactive={"action": "merge_field"})

    assert "another field" in await shop.warned("suppliers", inactive={"action": "merge_field", "field": "X3STATUS"})


async def test_two_syncs_of_one_stream_would_undo_each_other_as_well(shop: Shop) -> None:
    """Whoever leaves the filter of one of them is inactive to it, and active to the other."""
    await shop.sync(filter={"field": "category", "in": ["EXP"]})

    other = {"filter": {"field": "category", "in": ["DOM"]}}
    assert not await shop.warned(**other, inactive={"action": "tag", "tag": "x3-dom-inactive"})
    assert await shop.warned(**other)


async def test_audiences_of_their_own_may_use_the_same_tag(shop: Shop) -> None:
    await shop.sync()

    assert not await shop.warned(target={"audience_id": "0000000001"})


async def test_a_second_connection_to_the_account_is_the_same_audience(shop: Shop, api: Api) -> None:
    await shop.sync()
    other_account = await shop.sync("customers", "other")
    assert (await api.call("DELETE", f"{shop.tenant}/syncs/{other_account['id']}")).status_code == 204
    async with api.resources.database.transaction(UUID(shop.tenant[-36:])) as connection:
        await connection.execute("update connection set facts = '{\"account_id\": \"a1\"}' where system = 'mailchimp'")

    assert await shop.warned("customers", "other")


async def test_a_change_that_makes_marks_meet_is_a_warning_and_every_other_one_is_not(shop: Shop, api: Api) -> None:
    await shop.sync()
    suppliers = await shop.sync("suppliers", target={"audience_id": "0000000001"}, inactive={"action": "tag"})
    path = f"{shop.tenant}/syncs/{suppliers['id']}"
    same = {"action": "tag", "tag": "x3-inactive"}

    taken = await api.call("PATCH", path, json={"inactive": same})
    moved = await api.call("PATCH", path, json={"target": {"audience_id": "a6b5da1054"}})
    renamed = await api.call("PATCH", path, json={"name": "renamed", "inactive": {"action": "none"}})

    answers = [answer.json() for answer in (taken, moved, renamed)]
    assert [bool(shared_mark(answer["warnings"])) for answer in answers] == [False, True, False]


async def test_a_sync_does_not_stand_in_its_own_way(shop: Shop, api: Api) -> None:
    made = await shop.sync()

    response = await api.call("PATCH", f"{shop.tenant}/syncs/{made['id']}", json={"inactive": made["inactive"]})

    assert not shared_mark(response.json()["warnings"])


@pytest.mark.parametrize("action", ["archive", "unsubscribe"])
async def test_policies_for_whole_members_warn_where_others_write_too(shop: Shop, action: str) -> None:
    await shop.sync()

    made = await shop.sync("suppliers", inactive={"action": action})

    assert any(f"{action} concerns its members as well" in warning for warning in made["warnings"])


async def test_merge_fields_are_added_unless_the_sync_forbids_it(shop: Shop, api: Api) -> None:
    made = await shop.sync()
    path = f"{shop.tenant}/syncs/{made['id']}"
    target = {"audience_id": "a6b5da1054", "store_id": None}

    changed = await api.call("PATCH", path, json={"target": {**target, "create_merge_fields": False}})
    wrong = await api.call("PATCH", path, json={"target": {**target, "create_merge_fields": "no"}})

    assert made["target"] == {**target, "create_merge_fields": True}
    assert changed.json()["target"] == {**target, "create_merge_fields": False}
    assert wrong.json()["errors"][0]["pointer"] == "/target/create_merge_fields"
