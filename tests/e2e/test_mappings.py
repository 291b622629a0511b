"""What a mapping can say, and what happens when it says something else."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeWorld
from tests.e2e.world import World

pytestmark = pytest.mark.e2e


async def test_a_changed_mapping_reaches_every_record_once(make_world: MakeWorld) -> None:
    world = await make_world(customers=50, seed=9)
    customers = await world.sync()
    first = await customers.run()
    await customers.remap(
        fields=[
            {"target": "COMPANY", "source": ["name", "name2"], "transforms": ["trim", "upper"]},
            {"target": "X3CODE", "source": "code", "transforms": [{"name": "prefix", "text": "X3-"}]},
        ],
        tags=[{"name": "x3-export", "when": {"field": "country", "not_in": ["FR"]}}],
    )

    changed = await customers.run("delta")
    again = await customers.run("delta")

    assert changed["counts"]["read"] == 50
    assert changed["mapping_version"] == 2
    assert changed["counts"]["updated"] == first["counts"]["created"]
    assert again["counts"]["read"] == 0


async def test_a_member_per_contact(make_world: MakeWorld) -> None:
    world = await make_world(customers=60, seed=4)
    mapping = {
        "email": {"mode": "per_contact"},
        "fields": [
            {"target": "FNAME", "source": "contact.first_name"},
            {"target": "LNAME", "source": "contact.last_name"},
            {"target": "ROLE", "source": "contact.position", "when_blank": "clear"},
            {"target": "COMPANY", "source": "name"},
        ],
    }
    people = await world.sync(mapping=mapping)
    run = await people.run()
    row = next(row for row in await world.sandbox.export() if row["contacts"] and not row["is_prohibited"])
    await world.sandbox.put({"code": row["code"], "contact_first_name": "Zelda", "contact_email": "zelda@acme.test"})

    await people.run()

    assert run["counts"]["read"] > 60
    assert (await people.snapshot())["zelda@acme.test"]["merge_fields"]["FNAME"] == "Zelda"


async def test_from_a_member_per_customer_to_one_per_contact_and_back(make_world: MakeWorld) -> None:
    """Whoever was a member stays one; nobody gets more mail than before."""
    world = await make_world(customers=30, seed=6)
    customers = await world.sync(new_member_status="subscribed")
    await customers.run()
    before = await customers.snapshot()
    fields = [{"target": "COMPANY", "source": "name"}]
    await customers.remap(email={"mode": "per_contact"}, fields=fields)
    between = await customers.ended((await customers.start())["id"])
    await customers.check_books(between)
    await customers.take_in(between)

    await customers.remap(fields=fields)
    await customers.run("full", disturbed=True)

    assert before.keys() <= (await customers.snapshot()).keys()


BLANKS: dict[str, Any] = {
    "fields": [
        {"target": "CLEAR", "source": "default_address.city", "when_blank": "clear"},
        {"target": "KEEP", "source": "default_address.city", "when_blank": "keep"},
        {"target": "FILL", "source": "default_address.city", "when_blank": "fill"},
    ]
}


async def test_blank_values_clear_stay_or_fill(world: World) -> None:
    await world.sandbox.put({"code": "C1", "emails": ["ann@acme.test"], "city": "PARIS"})
    customers = await world.sync(mapping=BLANKS)
    await customers.run()
    seen = []
    for city in ("LYON", " ", "NICE"):
        await world.sandbox.put({"code": "C1", "city": city})
        await customers.run()
        fields = (await customers.snapshot())["ann@acme.test"]["merge_fields"]
        seen.append(tuple(fields[name] for name in ("CLEAR", "KEEP", "FILL")))

    assert seen == [("LYON", "LYON", "PARIS"), ("", "LYON", "PARIS"), ("NICE", "NICE", "PARIS")]


async def test_a_value_somebody_else_wrote_is_not_overwritten_by_fill(world: World) -> None:
    await world.sandbox.add_merge_field(world.sandbox.lists[0], "FILL")
    await world.sandbox.add_member(world.sandbox.lists[0], "ann@acme.test", merge_fields={"FILL": "by hand"})
    await world.sandbox.add_member(world.sandbox.lists[0], "bob@acme.test")
    await world.sandbox.put(
        {"code": "C1", "emails": ["ann@acme.test"], "city": "PARIS"},
        {"code": "C2", "emails": ["bob@acme.test"], "city": "PARIS"},
    )
    customers = await world.sync(mapping={"fields": [BLANKS["fields"][2]]})

    await customers.run()

    members = await customers.snapshot()
    assert [members[f"{who}@acme.test"]["merge_fields"]["FILL"] for who in ("ann", "bob")] == ["by hand", "PARIS"]


async def test_a_postal_address_is_written_whole_or_not_at_all(world: World) -> None:
    whole = {"line1": "1 Main St", "city": "PORTLAND", "state": "OR", "postal_code": "97201", "country": "US"}
    parties = [{"code": "C0", "emails": ["whole@acme.test"], **whole}]
    for n, missing in enumerate(("line1", "city", "state", "postal_code"), 1):
        parties.append({"code": f"C{n}", "emails": [f"no-{missing.replace('_', '')}@acme.test"], **whole, missing: " "})
    await world.sandbox.put(*parties)
    customers = await world.sync(mapping={"fields": [{"target": "ADDRESS", "source": "default_address"}]})

    run = await customers.run()
    await world.sandbox.put({"code": "C1", "line1": "2 High St"}, {"code": "C0", "state": " "})
    await customers.run()

    addresses = {email: member["merge_fields"].get("ADDRESS") for email, member in (await customers.snapshot()).items()}
    assert run["counts"]["created"] == 5
    assert addresses["whole@acme.test"]["addr1"] == "1 Main St"  # what is incomplete now does not spoil what is there
    assert addresses["no-line1@acme.test"]["addr1"] == "2 High St"
    assert [email for email, address in addresses.items() if not address] == [
        "no-city@acme.test", "no-state@acme.test", "no-postalcode@acme.test",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["x" * 300, "é" * 200, "山" * 100, "🎁" * 70, "x" * 254 + "é", "a\u0000b\tc\nd"],
    ids=["ASCII", "two bytes", "three bytes", "four bytes", "at the edge", "control characters"],
)  # fmt: skip
async def test_long_and_odd_texts_are_cut_between_characters(world: World, name: str) -> None:
    await world.sandbox.put({"code": "C1", "emails": ["ann@acme.test"], "name": name})
    customers = await world.sync()

    await customers.run()

    company = (await customers.snapshot())["ann@acme.test"]["merge_fields"]["COMPANY"]
    assert company
    assert len(company.encode()) <= 255
    assert company in name or company == "ab c d"


async def test_tags_come_and_go_with_their_condition_and_others_stay(world: World) -> None:
    tags = [{"name": "x3-key", "when": {"field": "category", "equals": "KEY"}}, {"name": "x3-customer"}]
    await world.sandbox.add_member(world.sandbox.lists[0], "bob@acme.test", tags=["vip", "x3-key"])
    await world.sandbox.put(
        {"code": "C1", "emails": ["ann@acme.test"], "category": "KEY"}, {"code": "C2", "emails": ["bob@acme.test"]}
    )
    customers = await world.sync(mapping={"tags": tags})
    await customers.run()
    seen = [(await customers.snapshot())["ann@acme.test"]["tags"]]
    for category in ("DOM", "KEY"):
        await world.sandbox.put({"code": "C1", "category": category})
        await customers.run()
        seen.append((await customers.snapshot())["ann@acme.test"]["tags"])
    await customers.remap(tags=[{"name": "x3-customer"}])
    await customers.run()
    seen.append((await customers.snapshot())["ann@acme.test"]["tags"])

    assert seen == [["x3-customer", "x3-key"], ["x3-customer"], ["x3-customer", "x3-key"], ["x3-customer"]]
    assert (await customers.snapshot())["bob@acme.test"]["tags"] == ["vip", "x3-customer"]


async def test_typed_merge_fields_get_their_type(world: World) -> None:
    await world.sandbox.add_merge_field(world.sandbox.lists[0], "ZONE", "number")
    await world.sandbox.put(
        {"code": "C1", "emails": ["ann@acme.test"], "postal_code": "75001"},
        {"code": "C2", "emails": ["bob@acme.test"], "postal_code": "SW1 1AA"},
    )
    fields = [{"target": "ZONE", "source": "default_address.postal_code"}, {"target": "COMPANY", "source": "name"}]
    customers = await world.sync(mapping={"fields": fields})

    run = await customers.run()

    members = await customers.snapshot()
    assert members["ann@acme.test"]["merge_fields"]["ZONE"] == 75001
    assert not members["bob@acme.test"]["merge_fields"].get("ZONE")
    assert run["counts"]["created"] == 2


async def test_merge_fields_are_added_only_where_the_sync_allows_it(world: World) -> None:
    await world.sandbox.put({"code": "C1", "name": "ACME", "emails": ["ann@acme.test"]})
    fields = [{"target": "FNAME", "source": "name"}, {"target": "NOVEL", "source": "name"}]
    audience = world.sandbox.lists[0]
    customers = await world.sync(
        mapping={"fields": fields}, target={"audience_id": audience, "create_merge_fields": False}
    )

    forbidden = await customers.run()
    without = (await world.sandbox.members(audience))[0]["merge_fields"]
    await customers.change(target={"audience_id": audience})
    allowed = await customers.run()

    assert "NOVEL" not in without
    assert "The audience has no merge field NOVEL." in forbidden["warnings"]
    assert "The merge field NOVEL was added to the audience." in allowed["warnings"]
    assert "NOVEL" in await world.mailchimp.call("GET", "merge-fields", list=audience)


async def test_a_filter_decides_who_is_carried(make_world: MakeWorld) -> None:
    world = await make_world(customers=60, seed=8)
    chosen = {"all": [{"field": "category", "in": ["EXP", "KEY"]}, {"not": {"field": "country", "in": ["FR"]}}]}
    customers = await world.sync(filter=chosen)

    run = await customers.run()
    await customers.change(filter={"field": "category", "in": ["EXP"]})
    narrower = await customers.run()

    assert 0 < run["counts"]["created"] < 40
    assert narrower["counts"]["read"] == 60
    assert narrower["skipped_by_reason"]["filtered"] > run["skipped_by_reason"]["filtered"]
