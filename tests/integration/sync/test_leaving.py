"""Members whose record is there no longer: no address in X3, the contact gone, another record took over."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from app.db.engine import Database
from app.sync.ports import MirrorRow, RowError
from tests.fakes import DEFINITION, Row, World, counts

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(database: Database) -> World:
    return await World(database, inactive={"action": "tag", "tag": "x3-inactive"}).set_up()


@pytest.fixture
async def people(database: Database) -> World:
    world = World(database, inactive={"action": "tag", "tag": "x3-inactive"})
    world.definition = {**DEFINITION, "email": {"sources": ["contacts.email"], "mode": "per_contact"}}
    return await world.set_up()


def tags_of(world: World, email: str) -> set[str]:
    person = world.mailchimp.of(email)
    assert person is not None
    return person.tags


async def test_a_customer_without_its_address_is_marked_and_unmarked_when_it_is_back(world: World) -> None:
    world.x3.put(Row("C1", "c1@acme.test"), Row("C2", "c2@acme.test"))
    await world.run()
    world.x3.put(Row("C1", None))

    done = await world.run("full")

    assert done["skipped_by_reason"] == {"no_email": 1}
    assert tags_of(world, "c1@acme.test") == {"x3-customer", "x3-inactive"}
    assert tags_of(world, "c2@acme.test") == {"x3-customer"}
    calls = len(world.mailchimp.calls)
    await world.run("full")
    assert len(world.mailchimp.calls) == calls
    world.x3.put(Row("C1", "c1@acme.test"))
    assert counts(await world.run("full")) == {"read": 2, "updated": 1, "unchanged": 1}
    assert tags_of(world, "c1@acme.test") == {"x3-customer"}


async def test_a_contact_that_is_gone_is_marked_once(people: World) -> None:
    people.x3.put(
        Row("C1", contacts={"A": "a@acme.test", "B": "b@acme.test"}), Row("C2", contacts={"A": "c@acme.test"})
    )
    assert counts(await people.run()) == {"read": 3, "created": 3}
    people.x3.put(Row("C1", contacts={"B": "b@acme.test"}))

    done = await people.run("full")

    assert done["skipped_by_reason"] == {"contact_gone": 1}
    assert tags_of(people, "a@acme.test") == {"x3-customer", "x3-inactive"}
    assert tags_of(people, "b@acme.test") == {"x3-customer"}
    assert counts(await people.run("full")) == {"read": 2, "unchanged": 2}


async def test_a_contact_that_has_a_new_code_keeps_its_member(people: World) -> None:
    people.x3.put(Row("C1", contacts={"A": "a@acme.test"}))
    await people.run()
    people.x3.put(Row("C1", contacts={"Z": "a@acme.test"}))

    await people.run("full")

    assert tags_of(people, "a@acme.test") == {"x3-customer"}
    assert {row["key"] for row in await people.fetch("select key from record where state = 'synced'")} == {"C1/Z"}
    calls = len(people.mailchimp.calls)
    await people.run("full")
    assert len(people.mailchimp.calls) == calls


@pytest.mark.parametrize("action", ["archive", "tag"])
async def test_an_address_that_another_record_shares_outlives_the_one_that_leaves(
    database: Database, action: str
) -> None:
    inactive = {"action": action, "tag": "x3-inactive"} if action == "tag" else {"action": action}
    world = await World(database, inactive=inactive).set_up()
    world.x3.put(Row("C1", "same@acme.test", "First"), Row("C2", "same@acme.test", "Second"))
    await world.run()
    world.x3.put(Row("C1", None, "First"))

    await world.run("full")

    person = world.mailchimp.of("same@acme.test")
    assert person is not None
    assert (person.status, person.tags) == ("subscribed", {"x3-customer"})
    assert person.fields["COMPANY"] == "Second"
    assert (await world.record("C2"))["state"] == "synced"


@pytest.mark.parametrize("left", [{"email": None}, {"email": "x@"}, {"prohibited": True}])
async def test_a_record_without_a_claim_holds_no_member_back(world: World, left: dict[str, Any]) -> None:
    world.x3.put(Row("C1", "one@acme.test"), Row("C2", "one@acme.test"), Row("C3", "two@acme.test"))
    world.x3.put(Row("C4", "two@acme.test"))
    await world.run()
    world.x3.put(Row("C2", **{"email": "one@acme.test", **left}), Row("C4", **{"email": "two@acme.test", **left}))
    await world.run("full")
    world.x3.put(Row("C1", None), Row("C3", "three@acme.test"))

    await world.run("full")

    assert tags_of(world, "one@acme.test") == {"x3-customer", "x3-inactive"}
    assert world.mailchimp.of("two@acme.test") is None
    assert tags_of(world, "three@acme.test") == {"x3-customer"}


async def test_who_was_archived_for_one_record_is_brought_back_for_another(database: Database) -> None:
    world = await World(database, inactive={"action": "archive"}).set_up()
    world.x3.put(Row("C1", "one@acme.test"), Row("C2", "two@acme.test"))
    await world.run()
    world.x3.put(Row("C1", "one@acme.test", active=False))
    await world.run("full")
    world.x3.put(Row("C2", "one@acme.test"))

    await world.run("full")

    person = world.mailchimp.of("one@acme.test")
    assert person is not None
    assert person.status == "transactional"  # back for receipts only: never up to subscribed
    assert (await world.record("C2"))["state"] == "synced"


async def test_who_was_archived_by_hand_stays_archived(database: Database) -> None:
    world = await World(database).set_up()
    world.x3.put(Row("C1", "one@acme.test"), Row("C2", "two@acme.test"))
    await world.run()
    person = world.mailchimp.of("one@acme.test")
    assert person is not None
    world.mailchimp._set(person, "archived")
    world.x3.put(Row("C1", None), Row("C2", "one@acme.test"))

    await world.run("full")

    assert person.status == "archived"
    assert (await world.record("C2"))["reason"] == "opted_out"


async def test_who_takes_a_member_over_leaves_nothing_of_the_former_owner_in_it(database: Database) -> None:
    world = World(database)
    world.definition = {**DEFINITION, "fields": [{"target": "COMPANY", "source": "name", "when_blank": "keep"}]}
    await world.set_up()
    world.x3.put(Row("C2", "same@acme.test", "Second"))
    await world.run()
    world.x3.put(Row("C1", "same@acme.test", ""))

    await world.run("full")

    person = world.mailchimp.of("same@acme.test")
    assert person is not None
    assert person.fields["COMPANY"] == ""


async def test_a_member_we_did_not_make_keeps_what_the_mapping_keeps(database: Database) -> None:
    world = World(database)
    world.definition = {**DEFINITION, "fields": [{"target": "COMPANY", "source": "name", "when_blank": "keep"}]}
    await world.set_up()
    world.mailchimp.join("same@acme.test")
    person = world.mailchimp.of("same@acme.test")
    assert person is not None
    person.fields["COMPANY"] = "Typed by hand"
    world.x3.put(Row("C2", "same@acme.test", ""))
    await world.run()
    world.x3.put(Row("C1", "same@acme.test", ""))

    await world.run("full")

    assert person.fields["COMPANY"] == "Typed by hand"


@pytest.mark.parametrize("action", ["archive", "unsubscribe"])
async def test_who_leaves_does_not_take_the_member_out_that_another_record_comes_to(
    database: Database, action: str
) -> None:
    world = await World(database, inactive={"action": action}).set_up()
    world.x3.page_size = 1
    world.x3.put(
        Row("C1", "one@acme.test", "First"), Row("C2", "two@acme.test", "Second"), Row("C3", "three@acme.test")
    )
    await world.run()
    world.x3.put(Row("C1", None), Row("C2", "one@acme.test", "Second"), Row("C3", None))

    done = await world.run("full")

    taken, left = world.mailchimp.of("one@acme.test"), world.mailchimp.of("three@acme.test")
    assert taken is not None
    assert left is not None
    assert (taken.status, taken.fields["COMPANY"]) == ("subscribed", "Second")
    assert left.status == {"archive": "archived", "unsubscribe": "unsubscribed"}[action]
    assert counts(done) == {"read": 3, "updated": 1, "skipped": 2}, done
    assert counts(await world.run("full")) == {"read": 3, "unchanged": 1, "skipped": 2}


async def test_a_member_that_cannot_move_yet_keeps_its_consent_until_it_can(database: Database) -> None:
    world = await World(database).set_up()
    world.x3.put(Row("C1", "one@acme.test"))
    await world.run()
    world.mailchimp.refusals["two@acme.test"] = RowError("too_many_signups", "not now")
    world.x3.put(Row("C1", "two@acme.test"))
    assert counts(await world.run("full")) == {"read": 1, "rejected": 1}
    assert (await world.run("full"))["skipped_by_reason"] == {"refused_before": 1}
    world.mailchimp.opt_out("one@acme.test")
    world.mailchimp.refusals.clear()
    world.x3.put(Row("C1", "two@acme.test", "Changed"))

    await world.run("full")

    moved = world.mailchimp.of("two@acme.test")
    assert moved is not None
    assert moved.status == "unsubscribed"
    assert world.mailchimp.of("one@acme.test") is None


@pytest.mark.parametrize("is_known", [True, False], ids=["of another record", "of nobody"])
async def test_nobody_follows_to_an_address_that_was_forgotten(database: Database, *, is_known: bool) -> None:
    world = await World(database).set_up()
    world.x3.put(Row("C2", "one@acme.test"), *([Row("C3", "gone@acme.test")] if is_known else []))
    await world.run()
    world.mailchimp.forget("gone@acme.test")
    world.x3.put(Row("C2", "gone@acme.test"))

    await world.run("full")

    left = world.mailchimp.of("one@acme.test")
    assert left is not None
    assert left.status == "archived"  # nobody stands for it any more
    assert (await world.record("C2"))["reason"] == "forgotten"
    world.mailchimp.calls.clear()
    await world.run("full")
    assert set(world.mailchimp.calls) <= {"members"}


async def test_a_refusal_that_comes_to_an_archived_address_shuts_it(database: Database) -> None:
    world = await World(database, inactive={"action": "archive"}).set_up()
    world.x3.put(Row("C1", "one@acme.test"), Row("C2", "two@acme.test"))
    await world.run()
    world.x3.put(Row("C2", "two@acme.test", active=False))
    await world.run("full")
    world.mailchimp.opt_out("one@acme.test")
    world.x3.put(Row("C1", "two@acme.test"))

    await world.run("full")
    await world.run("full")

    shut = world.mailchimp.of("two@acme.test")
    assert shut is not None
    assert shut.status == "unsubscribed"
    assert (await world.record("C1"))["reason"] == "opted_out"


@pytest.mark.parametrize("page_size", [1, 5])
async def test_behind_one_who_has_refused_nobody_is_made(database: Database, page_size: int) -> None:
    world = await World(database).set_up()
    world.x3.page_size = page_size
    world.x3.put(Row("C1", "one@acme.test"), Row("C2", "two@acme.test"), Row("C3", "three@acme.test"))
    await world.run()
    world.mailchimp.opt_out("two@acme.test")
    world.x3.put(Row("C2", "one@acme.test"))  # which has an owner who never refused anything
    await world.run("full")
    world.x3.put(Row("C2", "new@acme.test"), Row("C3", "new@acme.test"))
    await world.run("full")
    world.mailchimp.calls.clear()

    again = await world.run("full")

    assert world.mailchimp.of("new@acme.test") is None
    assert again["skipped_by_reason"] == {"opted_out": 1, "duplicate_email": 1}
    assert set(world.mailchimp.calls) <= {"members"}


async def test_who_was_archived_finds_the_refusal_of_whoever_came_after(database: Database) -> None:
    world = await World(database, inactive={"action": "archive"}).set_up()
    world.x3.put(Row("C2", "one@acme.test"))
    await world.run()
    for row in (Row("C2", "one@acme.test", active=False), Row("C1", "one@acme.test")):
        world.x3.put(row)
        await world.run("full")
    world.mailchimp.opt_out("one@acme.test")
    world.x3.put(Row("C1", "two@acme.test"))
    await world.run("full")
    world.x3.put(Row("C2", "one@acme.test"))

    await world.run("full")

    assert {person.status for person in world.mailchimp.people.values()} == {"unsubscribed"}
    assert (await world.record("C2"))["reason"] == "opted_out"


async def test_the_last_two_who_leave_at_once_leave_nobody_behind(world: World) -> None:
    world.x3.page_size = 1
    world.x3.put(Row("C1", "one@acme.test"), Row("C2", "one@acme.test"))
    await world.run()
    world.x3.put(Row("C1", None), Row("C2", None))

    await world.run("full")

    assert tags_of(world, "one@acme.test") == {"x3-customer", "x3-inactive"}


async def test_who_was_forgotten_is_not_made_anew_under_another_address(database: Database) -> None:
    world = await World(database).set_up()
    world.x3.put(Row("C1", "one@acme.test"))
    await world.run()
    world.mailchimp.forget("one@acme.test")
    world.x3.put(Row("C1", "two@acme.test"))

    for _ in range(2):
        assert (await world.run("full"))["skipped_by_reason"] == {"forgotten": 1}

    assert world.mailchimp.people == {}


@pytest.mark.parametrize("end", ["forgotten", "opted_out"])
async def test_what_was_said_at_a_shared_address_a_moment_ago_goes_along(
    database: Database, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Mailchimp's list of changed members has not told it yet, and of who was deleted it never tells."""

    async def nothing_new(**_: object) -> AsyncIterator[Sequence[MirrorRow]]:
        yield []

    world = await World(database).set_up()
    world.x3.put(Row("C1", "one@acme.test"), Row("C2", "one@acme.test"))
    await world.run()
    monkeypatch.setattr(world.mailchimp, "members", nothing_new)
    (world.mailchimp.forget if end == "forgotten" else world.mailchimp.opt_out)("one@acme.test")
    world.x3.put(Row("C2", "two@acme.test"))

    for _ in range(2):
        assert set((await world.run("full"))["skipped_by_reason"]) == {end}
        assert world.mailchimp.of("two@acme.test") is None
    assert (await world.record("C2"))["reason"] == end
