"""The brake: nothing is written before it lets the run go, the source is read once where little changes, and what
waited is carried and counted like everything else."""

import pytest

from app.db.engine import Database
from app.sync import ending, ledger
from app.sync.opened import Halted, OpenRun
from app.sync.run import carry
from tests.fakes import Row, World, counts

pytestmark = pytest.mark.integration

MANY = 80


def customer(n: int, **fields: object) -> Row:
    return Row(f"C{n:03d}", f"c{n}@acme.test", **fields)  # type: ignore[arg-type]


@pytest.fixture
async def world(database: Database) -> World:
    """80 customers carried by a sync whose brake allows 20 % (at least 50) to become inactive."""
    world = await World(database, inactive={"action": "tag", "tag": "x3-inactive"}).set_up()
    world.brake = {"max_inactive_percent": 20}
    world.x3.put(*map(customer, range(MANY)))
    await world.run()
    world.mailchimp.calls.clear()
    world.x3.rows_read = 0
    return world


async def halted(world: World, mode: str = "full") -> OpenRun:
    """A run that its brake stops, as the worker leaves it."""
    run = await world.claimed(await world.queued(mode))
    assert run is not None
    with pytest.raises(Halted) as stopped:
        await carry(run)
    await ending.halt(world.database, world.tenant, run.row, stopped.value)
    return run


async def approved(world: World, run: OpenRun) -> dict[str, object]:
    await world.fetch("update sync_run set state = 'queued', approved = true where id = $1", run.run_id)
    return await world.carried(run.run_id)


def inactive(world: World) -> int:
    return sum("x3-inactive" in person.tags for person in world.mailchimp.people.values())


async def test_a_run_that_changes_nothing_reads_the_source_once(world: World) -> None:
    done = await world.run("full")

    assert counts(done) == {"read": MANY, "unchanged": MANY}
    assert world.x3.rows_read == MANY
    assert world.mailchimp.calls == []


async def test_a_few_changes_are_read_once_more_by_code_and_counted_once(world: World) -> None:
    world.x3.put(customer(3, name="Renamed"), customer(70, active=False), customer(MANY))

    done = await world.run("full")

    assert counts(done) == {"read": MANY + 1, "created": 1, "updated": 2, "unchanged": MANY - 2}
    assert world.x3.rows_read == MANY + 1 + 3
    assert inactive(world) == 1


async def test_too_many_stop_the_run_before_it_has_written_anything(world: World) -> None:
    world.x3.put(*(customer(n, active=n >= 60) for n in range(MANY)), customer(MANY))

    run = await halted(world)

    assert set(world.mailchimp.calls) <= {"members"}
    assert (await world.fetch("select reason from sync_run where id = $1", run.run_id))[0]["reason"] == (
        "The run would mark 60 of 80 active members as inactive; this sync allows 20 %. Approve or cancel."
    )
    assert not await world.fetch("select 1 from record where run_id = $1", run.run_id)

    done = await approved(world, run)

    assert counts(done) == {"read": MANY + 1, "created": 1, "updated": 60, "unchanged": 20}
    assert inactive(world) == 60


@pytest.mark.parametrize("many", [False, True])
async def test_new_members_are_counted_too(world: World, monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    monkeypatch.setattr(ledger, "MOST_WAITING", 3 if many else 1000)
    world.brake = {"max_new": 10}
    world.x3.put(*map(customer, range(MANY, MANY + 11)))

    run = await halted(world, "delta")
    done = await approved(world, run)

    assert done["n_created"] == 11
    assert done["n_read"] == 11 + done["n_unchanged"]


async def test_a_first_load_above_the_limit_waits(database: Database) -> None:
    world = await World(database).set_up()
    world.brake = {"max_new": 10}
    world.x3.put(*map(customer, range(12)))

    run = await halted(world, "delta")
    assert world.mailchimp.people == {}
    done = await approved(world, run)

    assert counts(done) == {"read": 12, "created": 12}


async def test_when_much_waits_everything_is_read_again_and_counted_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MOST_WAITING", 5)
    world.x3.put(*(customer(n, name="Renamed") for n in range(40)), Row("C900", "no address"))

    done = await world.run("full")

    assert counts(done) == {"read": MANY + 1, "updated": 40, "unchanged": MANY - 40, "rejected": 1}
    assert world.x3.rows_read == 2 * (MANY + 1)


@pytest.mark.parametrize("many", [False, True])
async def test_a_run_taken_up_by_another_worker_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    """The holder stands still after each page it remembers; the next one takes over."""
    monkeypatch.setattr(ledger, "MOST_WAITING", 3 if many else 1000)
    world.x3.put(*(customer(n, name="Renamed") for n in range(0, MANY, 3)))
    run_id = await world.queued("full")
    finished, tries = False, 0
    while not finished:
        run = await world.claimed(run_id, lease_seconds=0)
        assert run is not None
        run.began -= run.pace.slice_seconds + 1  # the slice is over at once
        finished = await carry(run)
        tries += 1
    done = await ending.succeed(world.database, world.tenant, run.row, watermark=None, settings="s")

    assert tries > 10
    assert counts(dict(done)) == {"read": MANY, "updated": 27, "unchanged": MANY - 27}
    await world.check()


@pytest.mark.parametrize("many", [False, True])
async def test_drift_is_reported_once(world: World, monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    monkeypatch.setattr(ledger, "MOST_WAITING", 1 if many else 1000)
    for n in (1, 2, 3):
        person = world.mailchimp.of(f"c{n}@acme.test")
        assert person is not None
        person.fields["COMPANY"] = "Typed by hand"

    done = await world.run("reconcile")

    assert done["drift"]["changed_in_mailchimp"] == 3
    assert counts(done) == {"read": MANY, "updated": 3, "unchanged": MANY - 3}


async def test_an_address_that_becomes_free_while_its_new_owner_waits(world: World) -> None:
    """Two records with one address: who waited behind the other takes it over, within the same run."""
    world.x3.put(Row("C500", "c7@acme.test"))
    assert (await world.run("full"))["skipped_by_reason"] == {"duplicate_email": 1}
    world.x3.put(Row("C007", "moved@acme.test"))

    done = await world.run("full")

    assert (await world.record("C500"))["state"] == "synced"
    assert done["n_read"] == MANY + 1
