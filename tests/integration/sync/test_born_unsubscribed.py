"""Members that were made unsubscribed because the tenant said so: no refusal, until somebody refuses."""

import pytest

from app.db.engine import Database
from app.sync.mirror import pull
from tests.fakes import Person, Row, World, counts

pytestmark = pytest.mark.integration

ONE, TWO, HAND = "one@acme.test", "two@acme.test", "hand@acme.test"


@pytest.fixture
async def world(database: Database) -> World:
    return await World(database, status="unsubscribed").set_up()


def person(world: World, email: str) -> Person:
    found = world.mailchimp.of(email)
    assert found is not None
    return found


async def refuse(world: World, email: str) -> None:
    """Somebody subscribes, which we see, and thinks better of it."""
    person(world, email).status = "subscribed"
    assert world.audience is not None
    await pull(world.database, world.tenant, world.audience, world.mailchimp)
    world.mailchimp.opt_out(email)


@pytest.mark.parametrize("page_size", [1, 5])
@pytest.mark.parametrize("was", [None, TWO], ids=["new", "from elsewhere"])
async def test_whoever_takes_the_member_over_owns_it_and_a_second_run_does_nothing(
    world: World, page_size: int, was: str | None
) -> None:
    world.x3.page_size = page_size
    world.x3.put(Row("C1", was, "First"), Row("C2", ONE, "Second"))
    await world.run()
    world.x3.put(Row("C1", ONE, "First"))
    await world.run("full")
    calls = len(world.mailchimp.calls)

    again = await world.run("full")

    assert counts(again) == {"read": 2, "unchanged": 1, "skipped": 1}
    assert again["skipped_by_reason"] == {"duplicate_email": 1}
    assert len(world.mailchimp.calls) == calls
    assert (person(world, ONE).status, person(world, ONE).fields["COMPANY"]) == ("unsubscribed", "First")


async def test_who_waited_behind_the_owner_gets_a_member_of_its_own_elsewhere(world: World) -> None:
    world.x3.put(Row("C1", ONE), Row("C2", ONE))
    await world.run()
    world.x3.put(Row("C2", TWO))

    assert counts(await world.run("full")) == {"read": 2, "created": 1, "unchanged": 1}
    assert person(world, TWO).status == "unsubscribed"


async def test_whoever_moves_away_leaves_no_refused_address_behind(world: World) -> None:
    world.x3.put(Row("C1", ONE))
    await world.run()
    world.x3.put(Row("C1", TWO))
    await world.run("full")
    world.x3.put(Row("C1", HAND), Row("C2", ONE), Row("C3", TWO))

    done = await world.run("full")

    assert counts(done) == {"read": 3, "created": 2, "updated": 1}
    assert {p.status for p in world.mailchimp.people.values()} == {"unsubscribed"}


async def test_who_was_archived_for_one_record_comes_back_unsubscribed_for_another(database: Database) -> None:
    world = await World(database, status="unsubscribed", inactive={"action": "archive"}).set_up()
    world.x3.put(Row("C2", ONE))
    await world.run()
    world.x3.put(Row("C2", ONE, active=False))
    await world.run("full")
    assert person(world, ONE).status == "archived"
    world.x3.put(Row("C1", ONE))

    await world.run("full")

    assert person(world, ONE).status == "unsubscribed"
    assert (await world.record("C1"))["state"] == "synced"


async def test_a_refusal_that_comes_after_it_goes_along(world: World) -> None:
    world.mailchimp.join(HAND)
    world.x3.put(Row("C1", ONE))
    await world.run()
    await refuse(world, ONE)
    world.x3.put(Row("C1", HAND))

    done = await world.run("full")

    assert done["skipped_by_reason"] == {"opted_out": 1}
    assert person(world, HAND).status == "unsubscribed"


async def test_a_refusal_that_comes_to_such_a_member_is_remembered(world: World) -> None:
    world.mailchimp.join(HAND)
    world.x3.put(Row("C1", ONE), Row("C2", TWO))
    await world.run()
    await refuse(world, ONE)
    world.x3.put(Row("C1", TWO))
    await world.run("full")
    world.mailchimp.calls.clear()
    assert (await world.run("full"))["skipped_by_reason"] == {"opted_out": 1, "duplicate_email": 1}
    assert set(world.mailchimp.calls) <= {"members"}
    world.x3.put(Row("C1", HAND))

    await world.run("full")

    assert person(world, HAND).status == "unsubscribed"
    assert (await world.record("C1"))["reason"] == "opted_out"
