"""One bad record waits with its reason; its neighbours go on; it heals when its cause is gone."""

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

GOOD = [{"code": f"G{n}", "emails": [f"good{n}@acme.test"]} for n in range(5)]


async def test_a_broken_address_is_set_aside_once_and_heals_when_it_is_mended(world: World) -> None:
    await world.sandbox.put(*GOOD, {"code": "B1", "emails": ["broken@"]}, {"code": "B2", "emails": ["n/a"]})
    customers = await world.sync()

    first = await customers.run()
    second = await customers.run("full")
    letters = await customers.letters(state="open")
    await world.sandbox.put({"code": "B1", "emails": ["mended@acme.test"]})
    third = await customers.run("delta")

    assert (first["state"], first["counts"]["created"], first["counts"]["rejected"]) == ("partially_failed", 5, 2)
    assert (second["state"], second["counts"]["rejected"]) == ("succeeded", 0)
    assert {letter["reason"] for letter in letters} == {"bad_email"}
    assert "broken" not in str([letter["message"] for letter in letters])
    assert (third["counts"]["created"], third["counts"]["rejected"]) == (1, 0)
    states = {letter["code"]: letter["state"] for letter in await customers.letters()}
    assert states == {"B1": "resolved", "B2": "open"}


async def test_an_address_that_breaks_leaves_the_member_as_it_was(world: World) -> None:
    await world.sandbox.put(*GOOD)
    customers = await world.sync()
    await customers.run()
    before = await customers.snapshot()
    await world.sandbox.put({"code": "G0", "emails": ["good0 at acme.test"]})

    run = await customers.run()
    await world.sandbox.put({"code": "G0", "emails": ["good0@acme.test"]})
    healed = await customers.run()

    assert run["counts"]["rejected"] == 1
    assert await customers.snapshot() == before or healed["counts"]["updated"] == 1
    assert [letter["state"] for letter in await customers.letters()] == ["resolved"]


async def test_mailchimps_refusals_are_dead_letters_and_can_be_replayed(world: World) -> None:
    await world.person("throttle", "busy@acme.test")
    await world.sandbox.put(
        *GOOD, {"code": "B1", "emails": ["somebody@example.com"]}, {"code": "B2", "emails": ["busy@acme.test"]}
    )
    customers = await world.sync(new_member_status="subscribed")
    run = await customers.run()
    assert run["counts"]["rejected"] == 2
    await world.person("throttle", "busy@acme.test", off=True)

    again = await customers.run("full")
    before = await customers.snapshot()
    started = await world.call("POST", "dead-letters/replay", {"sync_id": customers.id}, 202)
    replayed = await customers.ended(started["id"])

    assert again["skipped_by_reason"]["refused_before"] == 2
    await customers.check(replayed, before, again=frozenset(("B1", "B2")))
    assert (replayed["counts"]["read"], replayed["counts"]["created"], replayed["counts"]["rejected"]) == (2, 1, 1)
    assert {letter["code"] for letter in await customers.letters(state="open")} == {"B1"}


async def test_one_dead_letter_is_replayed_alone(world: World) -> None:
    for who in ("one", "two"):
        await world.person("throttle", f"{who}@acme.test")
    await world.sandbox.put({"code": "B1", "emails": ["one@acme.test"]}, {"code": "B2", "emails": ["two@acme.test"]})
    customers = await world.sync()
    await customers.run()
    for who in ("one", "two"):
        await world.person("throttle", f"{who}@acme.test", off=True)
    letter = next(letter for letter in await customers.letters() if letter["code"] == "B2")

    started = await world.call("POST", f"dead-letters/{letter['id']}/replay", status=202)
    replayed = await customers.ended(started["id"])
    early = await customers.snapshot()
    await customers.take_in(replayed)
    rest = await customers.ended(
        (await world.call("POST", "dead-letters/replay", {"sync_id": customers.id}, 202))["id"]
    )
    await customers.take_in(rest)

    assert list(early) == ["two@acme.test"]
    assert sorted(await customers.snapshot()) == ["one@acme.test", "two@acme.test"]
    await customers.run("full")


async def test_a_replay_reads_the_source_anew(world: World) -> None:
    """What was refused then is not sent again: X3 has moved on meanwhile."""
    await world.person("throttle", "old@acme.test")
    await world.sandbox.put({"code": "B1", "emails": ["old@acme.test"], "name": "OLD"})
    customers = await world.sync()
    await customers.run()
    await world.sandbox.put({"code": "B1", "emails": ["new@acme.test"], "name": "NEW"})

    before = await customers.snapshot()
    started = await world.call("POST", "dead-letters/replay", {"sync_id": customers.id}, 202)
    replayed = await customers.ended(started["id"])

    await customers.check(replayed, before, again=frozenset(("B1",)))
    assert (await customers.snapshot())["new@acme.test"]["merge_fields"]["COMPANY"] == "NEW"


async def test_a_dismissed_letter_stays_away_until_the_record_changes(world: World) -> None:
    await world.sandbox.put(*GOOD, {"code": "B1", "emails": ["broken@"]})
    customers = await world.sync()
    await customers.run()
    letter = (await customers.letters())[0]

    await world.call("POST", f"dead-letters/{letter['id']}/dismiss")
    quiet = await customers.run("full")
    await world.sandbox.put({"code": "B1", "emails": ["broken@again"]})
    loud = await customers.run()

    assert quiet["counts"]["rejected"] == 0
    assert loud["counts"]["rejected"] == 1
    assert sorted(letter["state"] for letter in await customers.letters()) == ["dismissed", "open"]


async def test_rows_x3_will_not_give_wait_and_heal(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.sandbox.put(*GOOD)
    customers = await world.sync()
    await world.x3.fault("row_refusal", codes=["G1", "G3"])

    refused = await customers.ended((await customers.start())["id"])
    await customers.check_books(refused)
    arrived = sorted(await customers.snapshot())
    codes = {letter["code"]: letter["reason"] for letter in await customers.letters()}
    await customers.take_in(refused)
    await world.x3.no_faults()
    healed = await customers.run("full", disturbed=True)

    assert (refused["state"], refused["counts"]["rejected"], refused["counts"]["created"]) == ("partially_failed", 2, 3)
    assert arrived == ["good0@acme.test", "good2@acme.test", "good4@acme.test"]
    assert set(codes) == {"G1", "G3"}
    assert healed["counts"]["created"] == 2
    assert await customers.letters(state="open") == []


async def test_one_bad_row_in_a_batch_costs_nobody_else(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.sandbox.put(
        *({"code": f"C{n:03d}", "emails": [f"c{n}@{'example.com' if n % 10 == 3 else 'acme.test'}"]} for n in range(60))
    )
    customers = await world.sync()

    run = await customers.run()

    assert (run["counts"]["created"], run["counts"]["rejected"]) == (54, 6)


async def test_a_stored_address_that_spoils_every_update_is_reported(world: World) -> None:
    """Another integration stored half a postal address; Mailchimp then refuses each of our updates."""
    await world.sandbox.put({"code": "C1", "emails": ["ann@acme.test"]}, *GOOD)
    customers = await world.sync()
    await customers.run()
    await world.mailchimp.call("POST", "poison", {"email": "ann@acme.test"})
    await world.sandbox.put({"code": "C1", "name": "RENAMED"}, {"code": "G1", "name": "RENAMED"})

    run = await customers.ended((await customers.start())["id"])
    await customers.check_books(run)
    letters = await customers.letters(state="open")
    await customers.take_in(run)

    assert (run["counts"]["updated"], run["counts"]["rejected"]) == (1, 1)
    assert letters[0]["reason"] == "incomplete_address"
