"""What was touched, over api1: complete where all stamps are shown, and said to be impossible where not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.errors import NeedsTenant
from app.domain.party import Changes, Selection
from sandbox.x3.state import Settings
from tests.unit.connectors.sage_x3.rest.conftest import RestX3, rest_x3

YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)


async def touched(changes: AsyncIterator[Changes]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    async for change in changes:
        found.setdefault(change.lane, set()).update(change.codes)
    return found


def customers(**given: Any) -> dict[str, Any]:
    return {"rest": {"customers": given}}


async def test_a_change_in_any_row_of_a_party_is_seen(x3: RestX3) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    contact_of = [code for code in x3.codes if (row := x3.state.folder.customers.get(code)) and row.default_contact]
    x3.edit(x3.codes[0], category="NEW")
    x3.edit(x3.codes[1], name="OTHER")
    x3.edit(x3.codes[2], emails=("other@acme.test",))
    x3.edit(contact_of[-1], contact_email="role@acme.test")
    x3.edit(contact_of[-2], contact_relationship_email="person@acme.test")
    source = x3.rest()

    assert await source.can_tell_changes()
    found = await touched(source.changes(since))

    assert found["BPCUSTOMER"] == {x3.codes[0]}
    assert found["BPARTNER"] == {x3.codes[1]}
    assert found["BPADDRESS"] == {x3.codes[2]}
    assert found["CONTACT"] == {contact_of[-1]}
    assert contact_of[-2] in found["CONTACTCRM"]


async def test_everything_was_touched_since_long_ago_and_nothing_since_tomorrow(x3: RestX3) -> None:
    found = await touched(x3.rest(settings={"page_size": 20}).changes(YEAR_2000))
    assert found["BPCUSTOMER"] == set(x3.codes)
    assert found["CONTACTCRM"] >= {row.owner for row in x3.state.folder.customer_contacts.rows.values()}

    tomorrow = await touched(x3.rest().changes(datetime.now(UTC) + timedelta(days=1)))
    assert not any(tomorrow.values())


async def test_a_stamp_exactly_at_the_bound_is_included(x3: RestX3) -> None:
    row = x3.state.folder.customers.rows[x3.codes[4]]

    found = await touched(x3.rest().changes(datetime.fromtimestamp(row.stamp + 0.9, UTC)))

    assert row.id in found["BPCUSTOMER"]


@pytest.mark.parametrize("hidden", ["BPADDRESS", "CONTACT", "CONTACTCRM", "BPARTNER"])
async def test_where_a_row_with_emails_hides_its_stamp_no_delta_is_promised(hidden: str) -> None:
    x3 = rest_x3(Settings(rest_hides_classes=(hidden,)))
    source = x3.rest()

    assert not await source.can_tell_changes()
    assert any(hidden in warning and "every record is read" in warning for warning in source.warnings)
    with pytest.raises(NeedsTenant, match="full run"):
        await touched(source.changes(YEAR_2000))


async def test_a_hidden_update_stamp_is_found_out_by_the_500_it_causes() -> None:
    x3 = rest_x3(Settings(rest_hides=("UPDDATTIM",)))
    source = x3.rest()

    assert not await source.can_tell_changes()
    assert any("BPCUSTOMER" in warning for warning in source.warnings)


async def test_a_500_without_reason_counts_as_hidden_only_while_x3_is_well(x3: RestX3) -> None:
    x3.fault("error", count=None, path="BPADDRESS")

    assert not await x3.rest().can_tell_changes()


async def test_a_tenant_who_vouches_for_a_stamp_gets_a_delta_without_the_other_lanes() -> None:
    x3 = rest_x3(Settings(rest_hides_classes=("BPADDRESS", "CONTACT", "CONTACTCRM", "BPARTNER")))
    source = x3.rest(settings=customers(delta_where="UPDDATTIM ge @{since}@"))
    x3.edit(x3.codes[7], emails=("new@acme.test",), touch_parent=True)

    assert await source.can_tell_changes()
    found = await touched(source.changes(datetime.now(UTC) - timedelta(minutes=1)))

    assert found == {"BPCUSTOMER": {x3.codes[7]}}
    assert any("reconciling" in warning for warning in source.warnings)


async def test_a_template_that_names_what_is_not_shown_means_no_delta() -> None:
    x3 = rest_x3()
    source = x3.rest(settings=customers(delta_where="YSTAMP ge @{since}@"))

    assert not await source.can_tell_changes()


async def test_an_empty_template_means_that_changes_are_not_to_be_looked_for(x3: RestX3) -> None:
    assert not await x3.rest(settings=customers(delta_where="")).can_tell_changes()
    assert x3.requests == []

    off = {"rest": {"contacts": {"delta_where": ""}, "persons": {"delta_where": " "}}}
    assert set(await touched(x3.rest(settings=off).changes(YEAR_2000))) == {"BPCUSTOMER", "BPARTNER", "BPADDRESS"}


async def test_where_a_flag_is_not_shown_rows_of_others_come_too_and_are_absent_when_read() -> None:
    x3 = rest_x3(Settings(rest_hides=("BPCFLG",)))
    source = x3.rest()

    assert await source.can_tell_changes()
    found = await touched(source.changes(YEAR_2000))
    assert found["BPARTNER"] == set(x3.state.folder.partners.keys)
    read = [party.code async for page in source.by_codes(sorted(found["BPARTNER"])) for party in page.parties]
    assert read == x3.codes


async def test_a_day_is_enough_for_stamps_of_a_day(x3: RestX3) -> None:
    source = x3.rest(settings=customers(delta_where="UPDDATTIM ge @{date}@"))

    assert await source.can_tell_changes()
    await touched(source.changes(datetime(2026, 3, 1, 8, 30, tzinfo=UTC)))

    asked = [request.url.query.decode() for request in x3.requests if "BPCUSTOMER" in request.url.path]
    assert any("UPDDATTIM%20ge%20%402026-03-01%40" in query for query in asked)


async def test_suppliers_have_lanes_of_their_own(x3: RestX3) -> None:
    found = await touched(x3.rest(Selection("suppliers", ("default_address.emails",), ("name",))).changes(YEAR_2000))

    assert found["BPSUPPLIER"] == set(x3.state.folder.suppliers.keys)
    assert found["BPARTNER"] == {row.id for row in x3.state.folder.partners.rows.values() if row.is_supplier}
