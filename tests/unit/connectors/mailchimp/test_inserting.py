import json
from typing import Any

import httpx
import pytest

from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient
from app.domain.member import subscriber_hash
from tests.unit.connectors.mailchimp.scripted import Script, a_member, a_row, ok, problem


def bulk(new: list[dict[str, Any]] | None = None, errors: list[dict[str, Any]] | None = None) -> httpx.Response:
    return ok({"new_members": new or [], "updated_members": [], "errors": errors or [], "error_count": 0})


def all_but(*bad: str) -> Script:
    """Creates everybody, but refuses any whole request that holds one of the bad addresses."""

    def reply(request: httpx.Request) -> httpx.Response:
        emails = [row["email_address"] for row in json.loads(request.content)["members"]]
        if set(emails) & set(bad):
            return problem(400, "Invalid Resource", "Please provide a valid email address.")
        return bulk([a_member(email) for email in emails])

    return Script(reply)


async def test_every_row_finds_its_place() -> None:
    rows = [a_row(f"{name}@x.test") for name in ("new", "known", "field", "forgotten", "silent", "kept")]
    script = Script(
        bulk(
            [a_member("new@x.test"), a_member("kept@x.test", status="unsubscribed"), a_member("stranger@x.test")],
            [
                {"email_address": "Known@X.test ", "error": "exists", "error_code": "ERROR_CONTACT_EXISTS"},
                {
                    "email_address": "field@x.test",
                    "error": "Invalid value",
                    "error_code": "ERROR_GENERIC",
                    "field": "RADIO",
                    "field_message": "Please choose an option",
                },
                {
                    "email_address": "forgotten@x.test",
                    "error": "forgotten@x.test was permanently deleted and cannot be re-imported.",
                    "error_code": "ERROR_GENERIC",
                    "field": "",
                    "field_message": "",
                },
                {"email_address": "stranger2@x.test", "error": "?", "error_code": "ERROR_GENERIC"},
            ],
        )
    )
    result = await script.audience().insert(rows, "transactional")

    assert result.created == {
        subscriber_hash("new@x.test"): "transactional",
        subscriber_hash("kept@x.test"): "unsubscribed",
    }
    assert result.exists == {subscriber_hash("known@x.test")}
    reasons = {hash_: (error.reason, error.field) for hash_, error in result.refused.items()}
    assert reasons == {
        subscriber_hash("field@x.test"): ("merge_field", "RADIO"),
        subscriber_hash("forgotten@x.test"): ("forgotten", None),
    }
    assert subscriber_hash("silent@x.test") not in {*result.created, *result.exists, *result.refused}


async def test_the_call_is_insert_only() -> None:
    script = all_but()
    await script.audience().insert([a_row("a@x.test")], "subscribed")
    url = script.requests[0].url
    assert (script.requests[0].method, url.path) == ("POST", "/3.0/lists/a6b5da1054")
    assert dict(url.params) == {"skip_merge_validation": "true", "skip_duplicate_check": "true"}
    assert script.body()["update_existing"] is False
    assert script.body()["members"][0]["status"] == "subscribed"


@pytest.mark.parametrize("bad", [["p0@x.test"], ["p7@x.test"], ["p3@x.test", "p4@x.test"], ["p0@x.test", "p9@x.test"]])
async def test_a_refused_batch_is_halved_until_the_bad_rows_are_alone(bad: list[str]) -> None:
    rows = [a_row(f"p{place}@x.test") for place in range(10)]
    result = await all_but(*bad).audience().insert(rows, "transactional")

    assert set(result.refused) == {subscriber_hash(email) for email in bad}
    assert {error.reason for error in result.refused.values()} == {"invalid_address"}
    assert len(result.created) == 10 - len(bad)


async def test_when_every_single_row_is_refused_the_rows_are_not_to_blame() -> None:
    script = Script(problem(400, "Bad Request", "Schema describes object"))
    with pytest.raises(ProtocolMismatch):
        await script.audience().insert([a_row(f"p{place}@x.test") for place in range(500)], "transactional")
    assert len(script.requests) < 30


async def test_a_few_rows_that_are_all_bad_are_refused_one_by_one() -> None:
    script = Script(problem(400, "Invalid Resource", "looks fake or invalid"))
    result = await script.audience().insert([a_row(f"p{place}@x.test") for place in range(3)], "transactional")
    assert [error.reason for error in result.refused.values()] == ["fake_address"] * 3


async def test_without_an_answer_the_outcome_is_unknown_and_nothing_is_repeated() -> None:
    script = Script(httpx.ReadTimeout("late"))
    with pytest.raises(Transient) as raised:
        await script.audience().insert([a_row("a@x.test")], "transactional")
    assert raised.value.outcome_unknown
    assert len(script.requests) == 1


async def test_what_is_known_survives_a_break_in_the_middle_of_halving() -> None:
    rows = [a_row(f"p{place}@x.test") for place in range(4)]
    first_half = bulk([a_member("p0@x.test"), a_member("p1@x.test")])
    script = Script(problem(400, "Invalid Resource"), first_half, httpx.ReadTimeout("late"))
    result = await script.audience().insert(rows, "transactional")

    assert set(result.created) == {subscriber_hash("p0@x.test"), subscriber_hash("p1@x.test")}
    assert not result.exists
    assert not result.refused


async def test_a_busy_mailchimp_is_asked_again() -> None:
    script = Script(problem(429), bulk([a_member("a@x.test")]))
    assert len((await script.audience().insert([a_row("a@x.test")], "transactional")).created) == 1


async def test_an_audience_that_is_gone_concerns_the_tenant() -> None:
    with pytest.raises(NeedsTenant):
        await Script(problem(404)).audience().insert([a_row("a@x.test")], "transactional")


async def test_more_than_five_hundred_rows_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="500"):
        await all_but().audience().insert([a_row(f"p{place}@x.test") for place in range(501)], "transactional")
