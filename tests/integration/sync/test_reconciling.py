"""Both sides compared: what drifted is reported by class and repaired, what X3 deleted is found, under the brake."""

import pytest

from app.db.engine import Database
from app.sync.opened import Halted
from app.sync.run import carry
from tests.fakes import Row, World, counts

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(database: Database) -> World:
    world = await World(database, inactive={"action": "tag", "tag": "x3-inactive"}).set_up()
    world.x3.put(*(Row(f"C{n:03d}", f"c{n}@acme.test", f"Company {n}") for n in range(1, 21)))
    await world.run()
    world.mailchimp.calls.clear()
    return world


def quiet(**drift: int) -> dict[str, int]:
    names = ("missing_in_mailchimp", "changed_in_mailchimp", "orphan", "x3_deleted", "x3_absent_once")
    return {**dict.fromkeys(names, 0), **drift}


async def leftovers(world: World) -> int:
    rows = await world.fetch(
        "select (select count(*) from reconcile_key) + (select count(*) from reconcile_member) as n"
    )
    return int(rows[0]["n"])


async def test_two_sides_that_agree_are_left_alone(world: World) -> None:
    done = await world.run("reconcile")

    assert counts(done) == {"read": 20, "unchanged": 20}
    assert done["drift"] == quiet()
    assert world.mailchimp.calls == ["members"]
    assert await leftovers(world) == 0


async def test_what_somebody_changed_in_mailchimp_is_written_again(world: World) -> None:
    one, two = world.mailchimp.of("c1@acme.test"), world.mailchimp.of("c2@acme.test")
    assert one is not None
    assert two is not None
    one.fields["COMPANY"] = "Typed by hand"
    two.tags.clear()

    done = await world.run("reconcile")

    assert counts(done) == {"read": 20, "updated": 2, "unchanged": 18}
    assert done["drift"] == quiet(changed_in_mailchimp=2)
    assert one.fields["COMPANY"] == "Company 1"
    assert two.tags == {"x3-customer"}
    events = await world.fetch("select code, reason from audit_event where action = 'member.updated' order by code")
    assert [(e["code"], e["reason"]) for e in events] == [
        ("C001", "changed_in_mailchimp"),
        ("C002", "changed_in_mailchimp"),
    ]
    assert (await world.run("reconcile"))["drift"] == quiet()


async def test_a_member_that_vanished_is_made_again_but_never_above_its_last_consent(world: World) -> None:
    for n in (1, 2):
        del world.mailchimp.people[world.mailchimp.hash(f"c{n}@acme.test")]
    await world.fetch(
        "update audience_member set status = 'transactional' where member_hash = $1",
        world.mailchimp.hash("c2@acme.test"),
    )

    done = await world.run("reconcile")

    assert counts(done) == {"read": 20, "created": 2, "unchanged": 18}
    assert done["drift"] == quiet(missing_in_mailchimp=2)
    one, two = world.mailchimp.of("c1@acme.test"), world.mailchimp.of("c2@acme.test")
    assert one is not None
    assert two is not None
    assert (one.status, two.status) == ("subscribed", "transactional")


async def test_who_opted_out_is_no_drift_and_stays_out(world: World) -> None:
    world.mailchimp.opt_out("c3@acme.test")
    person = world.mailchimp.of("c3@acme.test")
    assert person is not None
    person.fields["COMPANY"] = "Typed by hand"

    done = await world.run("reconcile")

    assert done["drift"] == quiet()
    assert done["skipped_by_reason"] == {"opted_out": 1}
    assert person.status == "unsubscribed"


async def test_a_record_x3_deleted_is_treated_as_inactive_after_two_scans(world: World) -> None:
    del world.x3.rows["C005"]

    first = await world.run("reconcile")
    person = world.mailchimp.of("c5@acme.test")
    assert person is not None
    tags_after_one = set(person.tags)
    second = await world.run("reconcile")

    assert first["drift"] == quiet(x3_absent_once=1)
    assert tags_after_one == {"x3-customer"}
    assert second["drift"] == quiet(x3_deleted=1)
    assert second["skipped_by_reason"] == {"x3_deleted": 1}
    assert person.tags == {"x3-customer", "x3-inactive"}
    assert (await world.record("C005"))["reason"] == "x3_deleted"
    assert (await world.run("reconcile"))["drift"] == quiet()


async def test_a_record_that_is_back_starts_to_count_anew(world: World) -> None:
    row = world.x3.rows.pop("C005")
    await world.run("reconcile")
    world.x3.put(row)
    assert (await world.run("reconcile"))["drift"] == quiet()
    del world.x3.rows["C005"]

    assert (await world.run("reconcile"))["drift"] == quiet(x3_absent_once=1)


async def test_a_scan_that_missed_a_record_asks_for_it_by_name(world: World) -> None:
    scan = world.x3.scan
    missed = world.x3.rows.pop("C007")

    async def lossy(after: str | None, until: str | None):  # type: ignore[no-untyped-def]
        async for page in scan(after, until):
            yield page
        world.x3.rows["C007"] = missed

    world.x3.scan = lossy  # type: ignore[method-assign]

    done = await world.run("reconcile")

    assert done["drift"] == quiet()
    assert counts(done) == {"read": 20, "unchanged": 20}


async def test_members_with_our_tag_and_no_record_are_named(world: World) -> None:
    world.mailchimp.join("stranger@acme.test", tags={"x3-customer"})
    world.mailchimp.join("own@acme.test", tags={"newsletter"})

    done = await world.run("reconcile")

    assert done["drift"] == quiet(orphan=1)
    assert counts(done) == {"read": 20, "unchanged": 20}
    pages = await world.fetch("select page, body from change_page where run_id = $1 order by page", done["id"])
    opened = world.keys.open(pages[-1]["body"], done["id"], f"changes/{pages[-1]['page']}")
    assert b"stranger@acme.test" in opened
    assert b"own@acme.test" not in opened


async def test_drift_the_sync_does_not_want_repaired_is_reported_only(world: World) -> None:
    await world.fetch("update sync set reconcile = '{\"repair\": []}'::jsonb where id = $1 returning id", world.sync)
    person = world.mailchimp.of("c1@acme.test")
    assert person is not None
    person.fields["COMPANY"] = "Typed by hand"

    done = await world.run("reconcile")

    assert done["drift"] == quiet(changed_in_mailchimp=1)
    assert counts(done) == {"read": 20, "unchanged": 20}
    assert person.fields["COMPANY"] == "Typed by hand"


async def test_a_dry_reconcile_reports_and_writes_nothing(world: World) -> None:
    person = world.mailchimp.of("c1@acme.test")
    assert person is not None
    person.fields["COMPANY"] = "Typed by hand"
    del world.x3.rows["C005"]

    for _ in range(3):
        done = await world.run("reconcile", dry_run=True)

    assert done["drift"] == quiet(changed_in_mailchimp=1, x3_absent_once=1)
    assert person.fields["COMPANY"] == "Typed by hand"
    assert set(world.mailchimp.calls) == {"members"}


async def test_a_source_that_lost_most_of_its_records_pulls_the_brake(database: Database) -> None:
    world = await World(database, inactive={"action": "tag", "tag": "x3-inactive"}).set_up()
    world.brake = {"max_inactive_percent": 20}
    world.x3.put(*(Row(f"C{n:03d}", f"c{n}@acme.test") for n in range(1, 81)))
    await world.run()
    for n in range(1, 61):
        del world.x3.rows[f"C{n:03d}"]
    await world.run("reconcile")
    run_id = await world.queued("reconcile")
    run = await world.claimed(run_id)
    assert run is not None

    with pytest.raises(Halted, match="X3 no longer has 60 of 80 records"):
        await carry(run)

    assert not [p for p in world.mailchimp.people.values() if "x3-inactive" in p.tags]
    run.row = {**run.row, "approved": True}
    assert await carry(run)
    assert len([p for p in world.mailchimp.people.values() if "x3-inactive" in p.tags]) == 60
