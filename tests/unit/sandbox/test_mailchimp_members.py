"""Members in the Mailchimp sandbox: bulk, upsert, consent, refusals."""

from typing import Any

import httpx
import msgspec
import pytest

from sandbox.mailchimp.bulk import BulkBody, BulkMember
from sandbox.mailchimp.spec import Specification
from sandbox.mailchimp.state import MailchimpState, subscriber_hash

LIST = "/lists/0001lista1"
SAFE = {"skip_merge_validation": "true", "skip_duplicate_check": "true"}


def row(email: str = "ada@acme.test", status: str = "transactional", **more: Any) -> dict[str, Any]:
    return {"email_address": email, "status": status, **more}


async def insert(client: httpx.AsyncClient, *rows: dict[str, Any], update: bool = False) -> dict[str, Any]:
    answer = await client.post(LIST, params=SAFE, json={"members": list(rows), "update_existing": update})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def put(client: httpx.AsyncClient, email: str, **body: Any) -> httpx.Response:
    return await client.put(f"{LIST}/members/{subscriber_hash(email)}", json={"email_address": email, **body})


async def control(client: httpx.AsyncClient, name: str, **body: Any) -> httpx.Response:
    return await client.post(f"http://mailchimp.test/_sandbox/{name}", json=body)


async def upward(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("http://mailchimp.test/_sandbox/consent")).json()["upward"]
    return found


def test_the_fast_path_knows_exactly_what_the_specification_knows() -> None:
    schema = Specification().document["paths"]["/lists/{list_id}"]["post"]["requestBody"]["content"][
        "application/json"
    ]["schema"]

    assert set(BulkBody.__struct_fields__) == set(schema["properties"])
    assert set(BulkMember.__struct_fields__) == set(schema["properties"]["members"]["items"]["properties"])


async def test_each_row_of_a_bulk_call_is_judged_for_itself(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, row("old@acme.test"))
    await control(mailchimp, "forget", email="gone@acme.test")
    await control(mailchimp, "throttle", email="busy@acme.test")
    answer = await insert(
        mailchimp, row("new@acme.test"), row("OLD@acme.test"), row("gone@acme.test"), row("fooboo@example.com"),
        row("busy@acme.test"), row("no address"), row("addr@acme.test", merge_fields={"ADDRESS": {"addr1": "x"}}),
    )  # fmt: skip

    assert [member["email_address"] for member in answer["new_members"]] == ["new@acme.test"]
    assert (answer["total_created"], answer["error_count"]) == (1, 6)
    errors = {error["email_address"]: error for error in answer["errors"]}
    assert errors["OLD@acme.test"]["error_code"] == "ERROR_CONTACT_EXISTS"
    assert "permanently deleted" in errors["gone@acme.test"]["error"]
    assert "looks fake" in errors["fooboo@example.com"]["error"]
    assert "signed up to a lot of lists" in errors["busy@acme.test"]["error"]
    assert errors["addr@acme.test"]["field"] == "ADDRESS"
    assert errors["addr@acme.test"]["field_message"] == "Please enter a complete address"


async def test_a_bulk_call_takes_500_rows_and_no_more(mailchimp: httpx.AsyncClient) -> None:
    rows = [row(f"m{number}@acme.test") for number in range(501)]
    assert (await mailchimp.post(LIST, json={"members": rows})).status_code == 400
    assert (await insert(mailchimp, *rows[:500]))["total_created"] == 500


async def test_an_address_twice_in_a_call_is_refused_or_taken_once(mailchimp: httpx.AsyncClient) -> None:
    rows = [row("a@acme.test"), row("A@acme.test", "unsubscribed")]
    assert (await mailchimp.post(LIST, json={"members": rows})).status_code == 400
    answer = await insert(mailchimp, *rows)
    assert [member["status"] for member in answer["new_members"]] == ["transactional"]


async def test_who_unsubscribed_alone_cannot_be_subscribed_by_api(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, row(status="subscribed"))
    await control(mailchimp, "unsubscribe", email="ada@acme.test")
    answer = await put(mailchimp, "ada@acme.test", status_if_new="subscribed", status="subscribed")

    assert (answer.status_code, answer.json()["title"]) == (400, "Member In Compliance State")
    assert await upward(mailchimp) == []


async def test_who_was_unsubscribed_by_api_can_be_and_the_ledger_tells(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, row(status="unsubscribed"))
    answer = await put(mailchimp, "ada@acme.test", status_if_new="subscribed", status="subscribed")

    assert answer.json()["status"] == "subscribed"
    assert [(move["before"], move["after"]) for move in await upward(mailchimp)] == [("unsubscribed", "subscribed")]


async def test_an_upsert_without_status_leaves_consent_alone(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, row(status="subscribed"))
    await control(mailchimp, "unsubscribe", email="ada@acme.test")
    answer = await put(mailchimp, "ada@acme.test", status_if_new="subscribed", merge_fields={"FNAME": "Ada"})

    assert (answer.json()["status"], answer.json()["merge_fields"]["FNAME"]) == ("unsubscribed", "Ada")


@pytest.mark.parametrize(
    ("before", "after", "moves"), [("subscribed", "transactional", 0), ("unsubscribed", "transactional", 1)]
)
async def test_bringing_back_an_archived_member(
    mailchimp: httpx.AsyncClient, before: str, after: str, moves: int
) -> None:
    await insert(mailchimp, row(status=before))
    path = f"{LIST}/members/{subscriber_hash('ada@acme.test')}"
    assert (await mailchimp.delete(path)).status_code == 204
    assert (await mailchimp.patch(path, json={"merge_fields": {"FNAME": "x"}})).json()["status"] == "archived"
    assert (await put(mailchimp, "ada@acme.test", status_if_new=after)).json()["status"] == after
    assert len(await upward(mailchimp)) == moves


async def test_a_forgotten_address_stays_forgotten(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, row())
    path = f"{LIST}/members/{subscriber_hash('ada@acme.test')}"
    assert (await mailchimp.post(f"{path}/actions/delete-permanent")).status_code == 204
    assert (await mailchimp.get(path)).status_code == 404
    assert (await put(mailchimp, "ada@acme.test", status_if_new="pending")).json()[
        "title"
    ] == "Forgotten Email Not Subscribed"


async def test_a_change_of_address_takes_the_history_along(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, row(status="subscribed"), row("other@acme.test"))
    await control(mailchimp, "unsubscribe", email="ada@acme.test")
    path = f"{LIST}/members/{subscriber_hash('ada@acme.test')}"
    taken = await mailchimp.patch(path, json={"email_address": "other@acme.test"})
    moved = await mailchimp.patch(path, json={"email_address": "lovelace@acme.test"})

    assert "is already in this list with a status of" in taken.json()["detail"]
    assert (moved.json()["id"], moved.json()["status"]) == (subscriber_hash("lovelace@acme.test"), "unsubscribed")
    again = await put(mailchimp, "lovelace@acme.test", status_if_new="subscribed", status="subscribed")
    assert again.json()["title"] == "Member In Compliance State"
    await insert(mailchimp, row("ada@acme.test", "subscribed"))
    assert [move["email"] for move in await upward(mailchimp)] == ["ada@acme.test"]


async def test_a_stored_incomplete_address_refuses_later_updates(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, row())
    await control(mailchimp, "poison", email="ada@acme.test")
    refused = await put(mailchimp, "ada@acme.test", status_if_new="transactional", merge_fields={"FNAME": "Ada"})
    assert refused.json()["errors"] == [{"field": "ADDRESS", "message": "Please enter a complete address"}]

    whole = {"ADDRESS": {"addr1": "1 Main St", "city": "Paris", "state": "IDF", "zip": "75001"}}
    healed = await put(mailchimp, "ada@acme.test", status_if_new="transactional", merge_fields=whole)
    assert healed.status_code == 200


async def test_texts_are_cut_at_255_bytes_and_choices_are_checked(mailchimp: httpx.AsyncClient) -> None:
    field = {"name": "Kind", "type": "dropdown", "tag": "KIND", "options": {"choices": ["a", "b"]}, "required": True}
    assert (await mailchimp.post(f"{LIST}/merge-fields", json=field)).status_code == 200
    missing = await mailchimp.post(f"{LIST}/members", json=row())
    wrong = await mailchimp.post(f"{LIST}/members", json=row(merge_fields={"KIND": "c"}))
    assert missing.json()["errors"] == [{"field": "KIND", "message": "Please enter a value"}]
    assert wrong.json()["errors"] == [{"field": "KIND", "message": "Please choose an option"}]

    answer = await mailchimp.post(f"{LIST}/members", json=row(merge_fields={"KIND": "a", "FNAME": "é" * 200}))
    assert len(answer.json()["merge_fields"]["FNAME"].encode()) == 254


async def test_members_are_listed_by_page_status_and_field(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, *(row(f"m{n}@acme.test", "subscribed" if n % 2 else "transactional") for n in range(30)))
    params = {"count": "1000", "status": "subscribed", "fields": "members.email_address,members.status,total_items"}
    answer = (await mailchimp.get(f"{LIST}/members", params=params)).json()

    assert answer["total_items"] == len(answer["members"]) == 15
    assert set(answer["members"][0]) == {"email_address", "status"}
    assert (await mailchimp.get(f"{LIST}/members", params={"count": "1001"})).status_code == 400
    assert len((await mailchimp.get(f"{LIST}/members")).json()["members"]) == 10


async def test_an_answer_has_its_real_size(mailchimp: httpx.AsyncClient, mailchimp_state: MailchimpState) -> None:
    await insert(mailchimp, row())
    answer = await mailchimp.get(f"{LIST}/members/ada@acme.test", headers={"accept-encoding": "identity"})

    assert 2500 < len(answer.content) < 5000
    schema = Specification().operations["getListsIdMembersId"].answer_schema["properties"]
    assert set(answer.json()) - {"_links"} <= set(schema)


async def test_tags_by_segment_and_by_member(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, row("a@acme.test"), row("b@acme.test"))
    made = (await mailchimp.post(f"{LIST}/segments", json={"name": "x3", "static_segment": ["a@acme.test"]})).json()
    change = {"members_to_add": ["b@acme.test", "nobody@acme.test"], "members_to_remove": ["a@acme.test"]}
    answer = (await mailchimp.post(f"{LIST}/segments/{made['id']}", json=change)).json()
    assert (answer["total_added"], answer["total_removed"], answer["error_count"]) == (1, 1, 1)

    path = f"{LIST}/members/{subscriber_hash('b@acme.test')}/tags"
    body = {"tags": [{"name": "x3", "status": "inactive"}, {"name": "vip", "status": "active"}], "is_syncing": True}
    assert (await mailchimp.post(path, json=body)).status_code == 204
    assert [tag["name"] for tag in (await mailchimp.get(path)).json()["tags"]] == ["vip"]
    found = (await mailchimp.get(f"{LIST}/tag-search", params={"name": "x"})).json()
    assert [tag["name"] for tag in found["tags"]] == ["x3"]


async def test_rows_dropped_from_an_answer_were_carried_out_all_the_same(
    mailchimp: httpx.AsyncClient, mailchimp_state: MailchimpState
) -> None:
    await control(mailchimp, "faults", kind="drop_rows", path="/lists/")
    answer = await insert(mailchimp, *(row(f"m{n}@acme.test") for n in range(9)))

    assert answer["total_created"] == 6
    assert len(mailchimp_state.accounts[0].audiences["0001lista1"].members) == 9


async def test_the_export_shows_what_members_hold(mailchimp: httpx.AsyncClient) -> None:
    await insert(mailchimp, row(tags=["x3"], merge_fields={"FNAME": "Ada"}))
    answer = await mailchimp.get("http://mailchimp.test/_sandbox/members", params={"list": "0001lista1"})
    member = msgspec.json.decode(answer.content.splitlines()[0])

    assert (member["status"], member["tags"], member["merge_fields"]) == ("transactional", ["x3"], {"FNAME": "Ada"})
