import json
from typing import Any

import httpx
import pytest

from app.connectors.mailchimp.payloads import encode_fragment
from app.domain.errors import RecordRejected, Transient
from app.domain.member import subscriber_hash
from app.sync.ports import Target
from tests.unit.connectors.mailchimp.scripted import Script, a_member, ok, problem

ADA = subscriber_hash("ada@acme.test")
PATH = f"/3.0/lists/a6b5da1054/members/{ADA.hex()}"
FRAGMENT = encode_fragment({"FNAME": "Ada", "RADIO": "x"}, "fr")


def asked(script: Script) -> list[tuple[str, str]]:
    return [(request.method, request.url.path) for request in script.requests]


def invalid(*faults: tuple[str, str]) -> httpx.Response:
    errors = [{"field": field, "message": message} for field, message in faults]
    return problem(400, "Invalid Resource", "Your merge fields were invalid.", errors)


def test_it_is_what_a_run_needs() -> None:
    target: Target = Script(ok()).audience()
    assert target


async def test_a_known_member_is_changed_without_a_status() -> None:
    script = Script(ok(a_member(merge_fields={"FNAME": "Ada"})))
    row = await script.audience().update(ADA, None, FRAGMENT, {})

    assert asked(script) == [("PATCH", PATH)]
    assert script.body() == {"merge_fields": {"FNAME": "Ada", "RADIO": "x"}, "language": "fr"}
    assert (row.hash, row.status, row.dropped) == (ADA, "transactional", ())
    assert row.last_changed is not None
    assert row.last_changed.utcoffset() is not None


async def test_an_address_moves_with_the_member() -> None:
    script = Script(ok(a_member("new@acme.test")))
    row = await script.audience().update(ADA, "new@acme.test", b"", {})
    assert asked(script) == [("PATCH", PATH)]
    assert script.body() == {"email_address": "new@acme.test"}
    assert row.hash == subscriber_hash("new@acme.test")


@pytest.mark.parametrize(
    "reply",
    [
        problem(400, "Invalid Resource", '"new@acme.test" is already in this list with a status of "Archived".'),
        problem(400, "Member Exists", "new@acme.test is already a list member."),
    ],
)
async def test_a_new_address_that_belongs_to_another_member_is_said_to_be_taken(reply: httpx.Response) -> None:
    with pytest.raises(RecordRejected) as raised:
        await Script(reply).audience().update(ADA, "new@acme.test", FRAGMENT, {})
    assert raised.value.code == "address_taken"


async def test_a_move_of_unknown_outcome_is_not_repeated_but_a_change_is() -> None:
    script = Script(httpx.ReadTimeout("late"), ok(a_member()))
    with pytest.raises(Transient):
        await script.audience().update(ADA, "new@acme.test", b"", {})
    assert len(script.requests) == 1

    script = Script(httpx.ReadTimeout("late"), ok(a_member()))
    await script.audience().update(ADA, None, FRAGMENT, {})
    assert len(script.requests) == 2


async def test_refused_merge_fields_are_left_out_and_reported() -> None:
    script = Script(invalid(("RADIO", "Please choose an option")), ok(a_member()))
    row = await script.audience().update(ADA, None, FRAGMENT, {})

    assert script.body() == {"merge_fields": {"FNAME": "Ada"}, "language": "fr"}
    assert [(error.reason, error.field) for error in row.dropped] == [("merge_field", "RADIO")]


async def test_a_second_refusal_is_final() -> None:
    script = Script(invalid(("RADIO", "No.")), invalid(("FNAME", "No.")))
    with pytest.raises(RecordRejected) as raised:
        await script.audience().update(ADA, None, FRAGMENT, {})
    assert (raised.value.code, raised.value.field, len(script.requests)) == ("merge_field", "FNAME", 2)


async def test_a_stored_incomplete_address_we_did_not_send_cannot_be_got_round() -> None:
    script = Script(invalid(("ADDRESS", "Please enter a complete address")))
    with pytest.raises(RecordRejected) as raised:
        await script.audience().update(ADA, None, FRAGMENT, {})
    assert (raised.value.code, len(script.requests)) == ("incomplete_address", 1)


async def test_fill_sets_only_what_the_member_lacks() -> None:
    stored = {"CITY": " ", "PHONE": "1", "ADDRESS": {"addr1": "", "city": ""}}
    script = Script(ok(a_member(merge_fields=stored)), ok(a_member()))
    fill = {"CITY": "Lyon", "PHONE": "2", "ADDRESS": {"addr1": "r"}, "NEW": "n"}
    await script.audience().update(ADA, None, encode_fragment({"FNAME": "Ada"}, None), fill)

    assert asked(script) == [("GET", PATH), ("PATCH", PATH)]
    sent = {"FNAME": "Ada", "CITY": "Lyon", "ADDRESS": {"addr1": "r"}, "NEW": "n"}
    assert script.body() == {"merge_fields": sent}


async def test_a_member_that_is_gone_is_said_to_be() -> None:
    with pytest.raises(RecordRejected) as raised:
        await Script(problem(404)).audience().update(ADA, None, FRAGMENT, {"X": "y"})
    assert raised.value.code == "member_gone"


async def test_an_archived_member_comes_back_without_being_subscribed() -> None:
    script = Script(ok(a_member()))
    await script.audience().restore(ADA, "ada@acme.test", b"", "unsubscribed")
    assert asked(script) == [("PUT", PATH)]
    assert script.body() == {"email_address": "ada@acme.test", "status_if_new": "unsubscribed"}
    with pytest.raises(ValueError, match="never"):
        await script.audience().restore(ADA, "ada@acme.test", b"", "subscribed")


async def test_archiving_and_erasing_the_absent_count_as_done() -> None:
    script = Script(problem(404, "Resource Not Found"))
    await script.audience().archive(ADA)
    await script.audience().erase(ADA)
    assert asked(script) == [("DELETE", PATH), ("POST", f"{PATH}/actions/delete-permanent")]


async def test_archiving_the_archived_counts_as_done_but_a_member_that_cannot_be_removed_is_refused() -> None:
    stays = problem(405, "Method Not Allowed", "This list member cannot be removed. Please contact support.")
    script = Script(stays, ok(a_member(status="archived")))
    await script.audience().archive(ADA)
    assert [method for method, _ in asked(script)] == ["DELETE", "GET"]

    with pytest.raises(RecordRejected) as raised:
        await Script(stays, ok(a_member(status="cleaned"))).audience().archive(ADA)
    assert raised.value.code == "not_allowed"


async def test_a_member_is_unsubscribed_by_its_status_alone() -> None:
    script = Script(ok(a_member(status="unsubscribed")))
    assert (await script.audience().unsubscribe(ADA)).status == "unsubscribed"
    assert script.body() == {"status": "unsubscribed"}


async def test_reading_tells_absence_from_refusal() -> None:
    assert await Script(problem(404)).audience().read(ADA) is None
    row = await Script(ok(a_member(tags=[{"id": 1, "name": "vip"}], tags_count=1))).audience().read(ADA)
    assert row is not None
    assert row.tags == ("vip",)


async def test_more_tags_than_an_answer_lists_are_fetched() -> None:
    many = [{"id": place, "name": f"t{place}"} for place in range(60)]
    script = Script(ok(a_member(tags=many[:50], tags_count=60)), ok({"tags": many, "total_items": 60}))
    row = await script.audience().read(ADA)
    assert row is not None
    assert len(row.tags) == 60


async def test_tags_are_set_quietly() -> None:
    script = Script(ok())
    await script.audience().set_tags(ADA, ["on"], ["off"])
    tags = [{"name": "on", "status": "active"}, {"name": "off", "status": "inactive"}]
    assert script.body() == {"is_syncing": True, "tags": tags}
    await script.audience().set_tags(ADA, [], [])
    assert len(script.requests) == 1


class FakeSegments:
    """Static segments with ids; remembers who was put where."""

    def __init__(self, **segments: int) -> None:
        self.segments = segments
        self.changes: list[tuple[int, Any]] = []
        self.looks = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        last = request.url.path.rpartition("/")[2]
        if request.method == "GET":
            self.looks += 1
            return ok({"segments": [{"id": id_, "name": name} for name, id_ in self.segments.items()]})
        if last == "segments":
            name = json.loads(request.content)["name"]
            self.segments[name] = 100 + len(self.segments)
            return ok({"id": self.segments[name], "name": name})
        if int(last) not in self.segments.values():
            return problem(404, "Resource Not Found")
        self.changes.append((int(last), json.loads(request.content)))
        return ok({"error_count": 0})


async def test_many_are_tagged_through_the_segment_of_that_name() -> None:
    fake = FakeSegments(**{"X3-Customer": 7})
    audience = Script(fake).audience()
    await audience.tag_many("x3-customer", ["a@x.test"], [])
    await audience.tag_many("x3-customer", [], ["b@x.test"])
    assert fake.changes == [(7, {"members_to_add": ["a@x.test"]}), (7, {"members_to_remove": ["b@x.test"]})]
    assert fake.looks == 1


async def test_a_tag_nobody_has_is_made_and_one_deleted_meanwhile_is_made_again() -> None:
    fake = FakeSegments()
    audience = Script(fake).audience()
    await audience.tag_many("fresh", ["a@x.test"], [])
    fake.segments.clear()
    fake.segments["other"] = 1
    await audience.tag_many("fresh", ["a@x.test"], [])
    assert fake.changes == [(100, {"members_to_add": ["a@x.test"]}), (101, {"members_to_add": ["a@x.test"]})]


async def test_a_tag_made_by_somebody_quicker_is_used() -> None:
    found = ok({"segments": [{"id": 5, "name": "fresh"}]})
    script = Script(ok({"segments": []}), problem(400, "Invalid Resource"), found, ok({"error_count": 0}))
    await script.audience().tag_many("fresh", ["a@x.test"], [])
    assert script.requests[-1].url.path.endswith("/segments/5")


async def test_merge_fields_are_created_hidden_and_optional_or_taken_as_they_are() -> None:
    field = {"merge_id": 9, "tag": "CITY", "name": "City", "type": "text"}
    script = Script(ok(field))
    assert (await script.audience().create_merge_field("CITY", "City", "text")).merge_id == 9
    assert script.body() == {"tag": "CITY", "name": "City", "type": "text", "required": False, "public": False}

    script = Script(
        problem(400, "Invalid Resource", "A Merge Field with the tag exists"), ok({"merge_fields": [field]})
    )
    assert (await script.audience().create_merge_field("CITY", "City", "text")).merge_id == 9


async def test_a_list_id_cannot_leave_its_place_in_the_path() -> None:
    from app.connectors.mailchimp.audiences import MailchimpAudience

    script = Script(ok(a_member()))
    await MailchimpAudience(script.client(), "../../x?y=1").read(ADA)
    assert script.requests[0].url.raw_path.startswith(b"/3.0/lists/..%2F..%2Fx%3Fy%3D1/members/")
