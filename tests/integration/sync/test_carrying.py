"""One sync carried over in-memory vendors and a real database, situation by situation."""

import pytest

from app.db.engine import Database
from app.sync.ports import RowError
from tests.fakes import Row, World, counts

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(database: Database) -> World:
    return await World(database).set_up()


def customers(count: int, start: int = 1) -> list[Row]:
    return [Row(f"C{n:05d}", f"c{n}@acme.test", f"Company {n}") for n in range(start, start + count)]


async def test_a_first_run_creates_everybody_with_the_chosen_status(world: World) -> None:
    world.x3.put(*customers(57))

    done = await world.run()

    assert counts(done) == {"read": 57, "created": 57}
    assert world.mailchimp.calls.count("members") == 1
    assert done["state"] == "succeeded"
    person = world.mailchimp.of("c7@acme.test")
    assert person is not None
    assert (person.status, person.fields["COMPANY"], person.tags) == ("subscribed", "Company 7", {"x3-customer"})


async def test_a_second_run_with_nothing_changed_writes_nothing_anywhere(world: World) -> None:
    world.x3.put(*customers(30))
    await world.run()
    events = await world.fetch("select count(*) as n from audit_event where code is not null")
    world.mailchimp.calls.clear()

    done = await world.run("full")

    assert counts(done) == {"read": 30, "unchanged": 30}
    assert world.mailchimp.calls == []
    assert await world.fetch("select count(*) as n from audit_event where code is not null") == events


async def test_a_change_updates_exactly_that_member(world: World) -> None:
    world.x3.put(*customers(12))
    await world.run()
    world.x3.put(Row("C00003", "c3@acme.test", "Renamed"))
    world.mailchimp.calls.clear()

    done = await world.run("full")

    assert counts(done) == {"read": 12, "updated": 1, "unchanged": 11}
    assert world.mailchimp.calls.count("update") == 1
    person = world.mailchimp.of("c3@acme.test")
    assert person is not None
    assert person.fields["COMPANY"] == "Renamed"


async def test_a_delta_reads_only_what_was_touched(world: World) -> None:
    world.x3.put(*customers(12))
    for row in world.x3.rows.values():
        row.stamp = row.stamp.replace(year=2020)
    await world.run()
    world.x3.put(Row("C00003", "c3@acme.test", "Renamed"))

    done = await world.run()

    assert counts(done) == {"read": 1, "updated": 1}


async def test_people_mailchimp_knows_are_updated_without_a_status(world: World) -> None:
    world.x3.put(*customers(4))
    await world.mailchimp.insert([], "transactional")
    world.mailchimp.people.update({})
    await world.run()
    world.mailchimp.opt_out("c2@acme.test")
    world.x3.put(Row("C00002", "c2@acme.test", "Changed"), Row("C00003", "c3@acme.test", "Changed"))

    done = await world.run("full")

    assert counts(done) == {"read": 4, "updated": 1, "unchanged": 2, "skipped": 1}
    assert done["skipped_by_reason"] == {"opted_out": 1}
    assert (await world.record("C00002"))["reason"] == "opted_out"


async def test_a_moved_address_takes_the_consent_with_it(world: World) -> None:
    world.x3.put(*customers(3))
    await world.run()
    world.mailchimp.opt_out("c2@acme.test")
    world.x3.put(Row("C00002", "new@acme.test"), Row("C00003", "fresh@acme.test"))

    done = await world.run("full")

    assert world.mailchimp.of("c2@acme.test") is None
    moved, fresh = world.mailchimp.of("new@acme.test"), world.mailchimp.of("fresh@acme.test")
    assert moved is not None
    assert moved.status == "unsubscribed"
    assert fresh is not None
    assert fresh.status == "subscribed"
    assert counts(done) == {"read": 3, "updated": 1, "unchanged": 1, "skipped": 1}
    again = await world.run("full")
    assert counts(again) == {"read": 3, "unchanged": 2, "skipped": 1}


async def test_a_move_onto_a_known_address_merges_and_the_stricter_consent_wins(world: World) -> None:
    world.x3.put(*customers(2))
    await world.run()
    world.mailchimp.opt_out("c1@acme.test")
    world.x3.put(Row("C00009", "other@acme.test"))
    await world.run("full")
    del world.x3.rows["C00009"]
    world.x3.put(Row("C00001", "other@acme.test"))

    await world.run("full")

    other = world.mailchimp.of("other@acme.test")
    assert other is not None


async def test_of_several_parties_on_one_address_the_lowest_code_owns_it(world: World) -> None:
    world.x3.put(*customers(40))
    world.x3.put(Row("C00020", "same@acme.test"), Row("C00005", "same@acme.test"), Row("C00039", "Same@acme.test"))

    done = await world.run()

    assert counts(done) == {"read": 40, "created": 38, "skipped": 2}
    assert done["skipped_by_reason"] == {"duplicate_email": 2}
    assert (await world.record("C00005"))["state"] == "synced"
    assert (await world.record("C00039"))["reason"] == "duplicate_email"
    again = await world.run("full")
    assert counts(again) == {"read": 40, "unchanged": 38, "skipped": 2}


async def test_when_the_owner_leaves_an_address_the_next_one_takes_it(world: World) -> None:
    world.x3.put(Row("C00001", "same@acme.test", "One"), Row("C00002", "same@acme.test", "Two"))
    await world.run()
    world.x3.put(Row("C00001", "own@acme.test", "One"))

    await world.run("full")

    same, own = world.mailchimp.of("same@acme.test"), world.mailchimp.of("own@acme.test")
    assert same is not None
    assert same.fields["COMPANY"] == "Two"
    assert own is not None
    assert (await world.record("C00002"))["state"] == "synced"


async def test_an_inactive_owner_gives_way_to_an_active_party(world: World) -> None:
    world.x3.put(Row("C00001", "same@acme.test", "One"), Row("C00002", "same@acme.test", "Two"))
    await world.run()
    world.x3.put(Row("C00001", "same@acme.test", "One", active=False))

    await world.run("full")

    same = world.mailchimp.of("same@acme.test")
    assert same is not None
    assert same.fields["COMPANY"] == "Two"
    assert "x3-inactive" not in same.tags
    assert (await world.record("C00001"))["reason"] == "duplicate_email"


async def test_an_inactive_customer_is_tagged_and_untagged_again(world: World) -> None:
    world.x3.put(*customers(2))
    await world.run()
    world.x3.put(Row("C00001", "c1@acme.test", "Company 1", active=False))
    await world.run("full")
    person = world.mailchimp.of("c1@acme.test")
    assert person is not None
    assert "x3-inactive" in person.tags
    assert person.status == "subscribed"
    world.x3.put(Row("C00001", "c1@acme.test", "Company 1"))

    await world.run("full")

    assert person.tags == {"x3-customer"}


@pytest.mark.parametrize(
    ("action", "away", "back"),
    [("archive", "archived", "transactional"), ("unsubscribe", "unsubscribed", "unsubscribed")],
)
async def test_a_customer_taken_out_never_comes_back_subscribed(
    database: Database, action: str, away: str, back: str
) -> None:
    world = await World(database, inactive={"action": action}).set_up()
    world.x3.put(*customers(2))
    await world.run()
    world.x3.put(Row("C00001", "c1@acme.test", active=False))
    await world.run("full")
    person = world.mailchimp.of("c1@acme.test")
    assert person is not None
    assert person.status == away
    again = await world.run("full")
    assert counts(again) == {"read": 2, "unchanged": 2}
    world.x3.put(Row("C00001", "c1@acme.test"))

    await world.run("full")

    assert person.status == back


async def test_prohibited_parties_become_no_member_and_members_go_down(world: World) -> None:
    world.x3.put(*customers(3))
    world.x3.rows["C00001"].prohibited = True
    done = await world.run()
    assert done["skipped_by_reason"] == {"mailing_prohibited": 1}
    assert world.mailchimp.of("c1@acme.test") is None
    world.x3.rows["C00002"].prohibited = True

    await world.run("full")

    person = world.mailchimp.of("c2@acme.test")
    assert person is not None
    assert person.status == "unsubscribed"


async def test_a_refused_record_is_parked_and_heals_when_the_source_changes(world: World) -> None:
    world.x3.put(*customers(6), Row("C00009", "not an address"))
    world.mailchimp.refusals["c4@acme.test"] = RowError("fake_address", "looks fake")
    done = await world.run()
    assert done["state"] == "partially_failed"
    assert counts(done) == {"read": 7, "created": 5, "rejected": 2}
    assert len(await world.fetch("select id from dead_letter where state = 'open' and run_id = $1", done["id"])) == 2
    again = await world.run("full")
    assert counts(again) == {"read": 7, "unchanged": 5, "skipped": 2}
    assert again["skipped_by_reason"] == {"refused_before": 2}
    world.x3.put(Row("C00004", "good@acme.test"), Row("C00009", "nine@acme.test"))

    healed = await world.run("full")

    assert counts(healed) == {"read": 7, "created": 2, "unchanged": 5}
    assert not await world.fetch("select id from dead_letter where state = 'open'")


async def test_a_forgotten_person_is_skipped_for_good(world: World) -> None:
    world.x3.put(*customers(2))
    world.mailchimp.forget("c1@acme.test")

    done = await world.run()
    world.mailchimp.calls.clear()
    again = await world.run("full")

    assert done["skipped_by_reason"] == {"forgotten": 1}
    assert again["skipped_by_reason"] == {"forgotten": 1}
    assert "insert" not in world.mailchimp.calls


async def test_rows_missing_from_an_answer_are_asked_again_and_counted_once(world: World) -> None:
    world.x3.put(*customers(8))
    world.mailchimp.drop_rows = {"c3@acme.test", "c5@acme.test"}

    done = await world.run()

    assert counts(done) == {"read": 8, "created": 8}


async def test_rows_the_source_refuses_are_parked_and_their_neighbours_go_on(world: World) -> None:
    world.x3.put(*customers(11))
    world.x3.refused.add("C00006")

    done = await world.run()
    again = await world.run("full")
    world.x3.refused.clear()
    healed = await world.run("full")

    assert counts(done) == {"read": 11, "created": 10, "rejected": 1}
    assert again["skipped_by_reason"] == {"refused_before": 1}
    assert counts(healed) == {"read": 11, "created": 1, "unchanged": 10}


async def test_a_dry_run_says_what_would_happen_and_writes_nothing(world: World) -> None:
    world.x3.put(*customers(9), Row("C00010", "c1@acme.test"))

    done = await world.run("full", dry_run=True)

    assert counts(done) == {"read": 10, "created": 9, "skipped": 1}
    assert world.mailchimp.people == {}
    assert not await world.fetch("select key from record")
    assert (await world.fetch("select watermark from sync"))[0]["watermark"] is None


async def test_a_run_of_some_codes_leaves_the_watermark(world: World) -> None:
    world.x3.put(*customers(9))

    done = await world.run("replay", codes=["C00002", "C00003", "gone"])

    assert counts(done) == {"read": 2, "created": 2}
    assert (await world.fetch("select watermark from sync"))[0]["watermark"] is None
