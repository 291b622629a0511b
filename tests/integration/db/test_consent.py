"""Every status that is seen or set leaves its mark, and an event only ever makes us more careful."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db import audiences, consent
from app.db.engine import Database
from app.domain.member import subscriber_hash
from tests.fakes import Row, World

pytestmark = pytest.mark.integration

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ADA = subscriber_hash("ada@acme.test")


async def entries(world: World, email: str) -> list[tuple[str | None, str, str]]:
    """(before, status, cause) of a person, oldest first."""
    async with world.database.transaction(world.tenant) as connection:
        rows = await consent.of_person(connection, world.tenant, subscriber_hash(email), limit=100)
    return [(row["before"], row["status"], row["cause"]) for row in reversed(rows)]


@pytest.fixture
async def world(database: Database) -> World:
    return await World(database).set_up()


async def test_what_a_run_sets_is_noted_with_its_cause(world: World) -> None:
    world.x3.put(Row("C1", "one@acme.test"), Row("C2", "two@acme.test"))
    await world.run()
    world.x3.put(Row("C2", "two@acme.test", prohibited=True))
    await world.run("full")

    assert await entries(world, "one@acme.test") == [(None, "subscribed", "insert")]
    assert await entries(world, "two@acme.test") == [
        (None, "subscribed", "insert"),
        ("subscribed", "unsubscribed", "unsubscribe"),
    ]


async def test_what_a_pull_sees_is_noted_once(world: World) -> None:
    world.x3.put(Row("C1", "one@acme.test"), Row("C2", "two@acme.test"))
    await world.run()
    world.mailchimp.opt_out("one@acme.test")
    for name in ("Renamed", "Renamed again"):
        world.x3.put(Row("C2", "two@acme.test", name))
        await world.run("full")

    assert await entries(world, "one@acme.test") == [
        (None, "subscribed", "insert"),
        ("subscribed", "unsubscribed", "mirror_pull"),
    ]


async def test_a_moved_address_leaves_a_trace_on_both(world: World) -> None:
    world.x3.put(Row("C1", "old@acme.test"))
    await world.run()
    world.mailchimp.opt_out("old@acme.test")
    world.x3.put(Row("C1", "new@acme.test"))
    await world.run("full")

    assert (await entries(world, "old@acme.test"))[-1] == ("unsubscribed", "gone", "move")
    assert (await entries(world, "new@acme.test"))[0] == (None, "unsubscribed", "move")


async def held(world: World) -> str | None:
    async with world.database.transaction(world.tenant) as connection:
        return await audiences.status_of(connection, world.tenant, audience(world), ADA)


def audience(world: World) -> UUID:
    assert world.audience is not None
    return world.audience


async def mirrored(world: World, status: str, at: datetime | None) -> None:
    async with world.database.transaction(world.tenant) as connection:
        await audiences.mirror(connection, world.tenant, audience(world), [ADA], [status], [at])


async def lowered(world: World, status: str, at: datetime) -> str:
    async with world.database.transaction(world.tenant) as connection:
        return await audiences.lower(connection, world.tenant, audience(world), ADA, status, at, uuid4())


@pytest.mark.parametrize("open_status", ["subscribed", "pending", "transactional"])
async def test_an_opt_out_lowers_whoever_could_be_written_to(world: World, open_status: str) -> None:
    await mirrored(world, open_status, NOON)

    assert await lowered(world, "unsubscribed", NOON) == "applied"
    assert await held(world) == "unsubscribed"


@pytest.mark.parametrize("closed", ["unsubscribed", "cleaned", "archived", "forgotten", "something new"])
async def test_an_opt_out_leaves_the_closed_as_they_are(world: World, closed: str) -> None:
    await mirrored(world, closed, NOON)

    assert await lowered(world, "cleaned", NOON + timedelta(hours=1)) == "known"
    assert await held(world) == closed


async def test_an_event_older_than_what_is_known_is_only_noted(world: World) -> None:
    await mirrored(world, "subscribed", NOON)

    assert await lowered(world, "unsubscribed", NOON - timedelta(seconds=1)) == "stale"
    assert await held(world) == "subscribed"
    assert (await entries(world, "ada@acme.test"))[-1] == ("subscribed", "unsubscribed", "webhook")


async def test_an_opt_out_of_somebody_unknown_is_remembered(world: World) -> None:
    assert await lowered(world, "unsubscribed", NOON) == "applied"
    assert await held(world) == "unsubscribed"


async def test_the_ledger_can_only_grow_or_forget_a_person(world: World) -> None:
    await mirrored(world, "subscribed", NOON)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.fetch("update consent_event set status = 'subscribed'")
    async with world.database.transaction(world.tenant) as connection:
        assert await consent.forget(connection, world.tenant, ADA) == 1
    assert await entries(world, "ada@acme.test") == []
