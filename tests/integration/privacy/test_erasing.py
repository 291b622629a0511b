"""A person is erased everywhere and stays away, whatever X3 says and whatever happens meanwhile."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import SQLModel

from app.connections.keys import keys_of
from app.connectors.retrying import without_waiting
from app.db.base import models_loaded
from app.db.idempotency import BODY as KEPT
from app.db.idempotency import row_of
from app.db.webhooks import BODY
from app.privacy import erasing
from app.privacy.erasing import erase
from app.webhooks.processing import process
from tests.fixtures.site import Site
from workers import quick

pytestmark = pytest.mark.integration

ADA, EVE, CANADA = "Ada@acme.test", "eve@acme.test", "canada@acme.test"


def customer(code: str, email: str, **given: Any) -> dict[str, Any]:
    return {"code": code, "name": f"Company {code}", "emails": [email], "is_active": True, **given}


async def three(site: Site) -> None:
    await site.customers(customer("ZADA", ADA), customer("ZEVE", EVE), customer("ZCAN", CANADA))


async def requested(site: Site, email: str = ADA, **given: Any) -> str:
    made = await site.api.made(f"{site.tenant}/erasures", {"email": email}, 202, **given)
    found: str = made["id"]
    return found


async def carried(site: Site, id_: str, settle_seconds: float = 0) -> str:
    with without_waiting():
        return await erase(site.resources.opener, site.tenant_id, UUID(id_), settle_seconds=settle_seconds)


async def shown(site: Site, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = (await site.api.get(f"{site.tenant}/erasures/{id_}")).json()
    return found


async def named(site: Site, email: str) -> list[str]:
    """Every place in the database that names an address, in clear or sealed."""
    models_loaded()
    keys = await keys_of(site.resources.database, site.resources.vault, site.tenant_id)
    assert keys is not None
    wanted, found = re.compile(rb"(?<![a-z])" + re.escape(email.lower().encode())), []
    for table in SQLModel.metadata.sorted_tables:
        if "tenant_id" not in table.columns:
            continue
        rows = await site.fetch(f'select t::text as text, t.* from "{table.name}" t')
        if any(wanted.search(row["text"].lower().encode()) for row in rows):
            found.append(table.name)
        for row in rows:
            match table.name:
                case "record":
                    sealed, place, field = row["email"], row["sync_id"], "record.email"
                case "change_page":
                    sealed, place, field = row["body"], row["run_id"], f"changes/{row['page']}"
                case "dead_letter":
                    sealed, place, field = row["payload"], row["id"], "dead_letter.payload"
                case "webhook_event":
                    sealed, place, field = row["body"], row["id"], BODY
                case "idempotency_key":
                    sealed, place, field = row["body"], row_of(row["scope"], row["key"]), KEPT
                case "erasure":
                    sealed, place, field = row["email"], row["id"], "erasure.email"
                case _:
                    continue
            if sealed is not None and wanted.search(keys.open(sealed, place, field).lower().replace(b"%40", b"@")):
                found.append(f"{table.name} (sealed)")
    return sorted(set(found))


async def store(site: Site, *customers: tuple[str, str]) -> None:
    """A store with these customers: (id, address)."""
    body: dict[str, Any] = {"id": "shop", "list_id": site.list_id, "name": "Shop", "currency_code": "EUR"}
    await site.call("POST", "/ecommerce/stores", json=body)
    for id_, email in customers:
        body = {"id": id_, "email_address": email, "opt_in_status": False}
        await site.call("PUT", f"/ecommerce/stores/shop/customers/{id_}", json=body)


async def store_customers(site: Site) -> list[str]:
    found = (await site.call("GET", "/ecommerce/stores/shop/customers?count=100"))["customers"]
    return sorted(each["id"] for each in found)


async def test_a_person_leaves_every_place_and_never_comes_back(site: Site) -> None:
    await three(site)
    await store(site, ("ZADA", ADA), ("ZADA2", ADA.lower()), ("ZEVE", EVE))
    sync = await site.sync(target={"store_id": "shop"})
    await site.carry(sync)
    await site.hook()
    await site.mailchimp("POST", "profile", json={"email": ADA, "merge_fields": {"FNAME": "Ada"}})
    await site.mailchimp("POST", "profile", json={"email": EVE, "merge_fields": {"FNAME": f"knows {ADA}"}})
    await site.arrived(2)
    await site.customers(customer("ZADA", ADA, name="Renamed"))
    await site.carry(sync)
    people = await site.people()
    assert ADA.lower() in people
    assert {"ZADA", "ZADA2", "ZEVE"} <= {*await store_customers(site)}
    assert await named(site, ADA) == ["change_page (sealed)", "record (sealed)", "webhook_event (sealed)"]

    id_ = await requested(site, ADA.upper(), headers={"Idempotency-Key": "once"})
    assert await carried(site, id_) == "done"

    done = await shown(site, id_)
    assert (done["state"], done["reason"], done["finished_at"] is not None) == ("done", None, True)
    assert [(step["name"], step["state"]) for step in done["steps"]] == [
        ("suppression", "done"),
        ("stores", "done"),
        ("audiences", "done"),
        ("local", "done"),
    ]
    assert done["steps"][1]["erased"] == 2
    assert await named(site, ADA) == []
    after = await site.people()
    assert after == {email: member for email, member in people.items() if email != ADA.lower()}
    assert [id_ for id_ in await store_customers(site) if id_.startswith("Z")] == ["ZCAN", "ZEVE"]

    again = await site.carry(sync)
    assert again["skipped_by_reason"]["forgotten"] == 1
    await site.api.call("PUT", f"{site.tenant}/mappings/{(await mapping(site, sync))}", json=another_mapping())
    anew = await site.carry(sync)
    assert (anew["mapping_version"], anew["skipped_by_reason"]["forgotten"]) == (2, 1)
    assert ADA.lower() not in await site.people()
    assert not {"ZADA", "ZADA2"} & {*await store_customers(site)}
    assert await named(site, ADA) == []
    assert (await site.api.get(f"{site.tenant}/records", params={"email": ADA})).json()["items"] == []
    assert await site.consent(ADA) == []
    (record,) = (await site.api.get(f"{site.tenant}/records", params={"code": "ZADA"})).json()["items"]
    assert (record["state"], record["reason"], record["email"]) == ("skipped", "forgotten", None)
    assert (await site.api.get(f"{site.tenant}/audit/verify")).json()["ok"]
    assert [e["action"] for e in await site.audited("erasure.")] == ["erasure.requested", "erasure.completed"]


async def mapping(site: Site, sync: str) -> str:
    found: str = (await site.api.get(f"{site.tenant}/syncs/{sync}")).json()["mapping_id"]
    return found


def another_mapping() -> dict[str, Any]:
    fields = [{"target": "FNAME", "source": "name"}]
    return {"name": "customers", "stream": "customers", "fields": fields}


async def test_addresses_that_contain_it_and_other_people_are_untouched(site: Site) -> None:
    await three(site)
    sync = await site.sync()
    await site.carry(sync)
    before = {email: await named(site, email) for email in (EVE, CANADA)}

    await carried(site, await requested(site))

    assert {email: await named(site, email) for email in (EVE, CANADA)} == before
    unchanged = await site.carry(sync)
    assert unchanged["counts"]["updated"] == unchanged["counts"]["created"] == 0
    assert {EVE, CANADA} <= (await site.people()).keys()


async def test_somebody_nobody_knows_yet_is_kept_out_beforehand(site: Site) -> None:
    assert await carried(site, await requested(site)) == "done"

    await three(site)
    sync = await site.sync()
    done = await site.carry(sync)

    assert done["skipped_by_reason"]["forgotten"] == 1
    assert ADA.lower() not in await site.people()
    assert await named(site, ADA) == []
    asked = {"connection_id": site.x3, "codes": ["ZADA", "ZEVE"]}
    preview = await site.api.post(f"{site.tenant}/mappings/{await mapping(site, sync)}/preview", asked)
    decisions = {item["code"]: item["decision"] for item in preview.json()["items"]}
    assert decisions["ZADA"] == "skipped:forgotten" != decisions["ZEVE"]


async def test_the_record_stays_closed_under_another_address(site: Site) -> None:
    await three(site)
    sync = await site.sync(new_member_status="subscribed")
    await site.carry(sync)
    await carried(site, await requested(site))

    await site.customers(customer("ZADA", "ada.new@acme.test"))
    for _ in range(2):
        done = await site.carry(sync)
        assert done["skipped_by_reason"]["forgotten"] == 1
    assert "ada.new@acme.test" not in await site.people()


async def test_a_dead_letter_and_its_replay_bring_nobody_back(site: Site) -> None:
    await three(site)
    await site.mailchimp("POST", "throttle", json={"email": ADA})
    sync = await site.sync()
    await site.carry(sync)
    (letter,) = (await site.api.get(f"{site.tenant}/dead-letters?state=open")).json()["items"]
    assert await named(site, ADA) == ["change_page (sealed)", "dead_letter (sealed)", "record (sealed)"]

    await carried(site, await requested(site))
    await site.mailchimp("POST", "throttle", json={"email": ADA, "off": True})

    assert await named(site, ADA) == []
    (letter,) = (await site.api.get(f"{site.tenant}/dead-letters")).json()["items"]
    assert (letter["state"], letter["payload"]) == ("dismissed", None)
    await site.api.post(f"{site.tenant}/dead-letters/{letter['id']}/replay")
    await site.carry(sync)
    assert ADA.lower() not in await site.people()


async def test_events_about_the_erased_are_not_kept(site: Site) -> None:
    await site.hook()
    await carried(site, await requested(site))
    await site.join(EVE, ADA)
    await site.mailchimp("POST", "profile", json={"email": ADA, "merge_fields": {"FNAME": "Ada"}})
    await site.mailchimp("POST", "profile", json={"email": EVE, "new_email": "eva@acme.test"})
    await site.stored(3)

    await process(site.resources.database, site.resources.vault, site.tenant_id)

    events = (await site.api.get(f"{site.tenant}/webhook-events")).json()["items"]
    assert "forgotten" in {event["outcome"] for event in events}
    assert await named(site, ADA) == []
    assert await site.consent(ADA) == []


async def test_one_at_a_time_per_address_and_the_answer_names_nobody(site: Site) -> None:
    first = await site.api.post(f"{site.tenant}/erasures", {"email": ADA})
    second = await site.api.post(f"{site.tenant}/erasures", {"email": f" {ADA.lower()} "})
    other = await requested(site, EVE)

    assert first.json()["id"] == second.json()["id"] != other
    assert (first.status_code, second.status_code) == (202, 202)
    assert "acme.test" not in first.text
    assert first.headers["location"].endswith(first.json()["id"])
    assert len(await site.audited("erasure.requested")) == 2
    await carried(site, other)
    assert await requested(site, EVE) != other
    for bad in ("", "nobody", "a@b@c", "a b@c.test", "x" * 400 + "@a.test"):
        assert (await site.api.post(f"{site.tenant}/erasures", {"email": bad})).status_code == 422


async def test_a_vendor_that_keeps_us_out_is_named_and_asked_again(site: Site) -> None:
    await three(site)
    await site.carry(await site.sync())
    await site.mailchimp("POST", "faults", json={"kind": "unauthorised", "count": 1})
    id_ = await requested(site)

    assert await carried(site, id_) == "waiting"
    waiting = await shown(site, id_)
    assert waiting["state"] == "waiting"
    assert "key" in waiting["reason"]
    assert waiting["steps"][0]["state"] == "done"
    assert await carried(site, id_) == "not_claimed"  # not before its time
    assert await quick.sweep(site.resources.settings, site.resources) == 0
    await site.execute("update erasure set not_before = null")
    assert await quick.sweep(site.resources.settings, site.resources) == 1
    assert await carried(site, id_) == "done"
    assert ADA.lower() not in await site.people()


async def test_an_audience_that_is_gone_holds_nothing_up(site: Site) -> None:
    await three(site)
    await site.sync(target={"audience_id": site.list_id, "store_id": None})
    await site.execute('update sync set target = \'{"audience_id": "ffffffffff", "store_id": "nowhere"}\'')

    assert await carried(site, await requested(site)) == "done"


class Killed(BaseException):
    """As far as the erasure can tell, the process is gone."""


@pytest.mark.parametrize("survives", range(8))
async def test_it_goes_on_where_a_killed_worker_left_it(
    site: Site, survives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await three(site)
    await site.carry(await site.sync())
    id_, saves = await requested(site), 0
    saved = erasing.erasures.save

    async def save(*given: Any) -> None:
        nonlocal saves
        saves += 1
        if saves > survives:
            raise Killed
        await saved(*given)

    monkeypatch.setattr(erasing.erasures, "save", save)
    with pytest.raises(Killed):
        await carried(site, id_)
    monkeypatch.undo()
    assert await carried(site, id_) == "not_claimed"
    await site.execute("update erasure set lease_until = now() - interval '1 second'")

    ended = await carried(site, id_)
    if survives == 0:  # nobody wrote down whether anything was on its way: another pass makes sure
        assert ended == "settling"
        await site.execute("update erasure set not_before = null")
        ended = await carried(site, id_)
    assert ended == "done"
    assert await named(site, ADA) == []
    assert ADA.lower() not in await site.people()


async def test_what_was_on_its_way_is_erased_in_a_second_pass(site: Site) -> None:
    await three(site)
    sync = await site.sync()
    await site.carry(sync)
    await site.execute(
        "update sync_run set state = 'running', lease_until = clock_timestamp() + interval '1 hour', finished_at = null"
    )
    id_ = await requested(site)

    assert await carried(site, id_) == "settling"
    assert ADA.lower() not in await site.people()
    assert await named(site, ADA) == ["erasure (sealed)"]
    # A page that was decided before is remembered only now.
    keys = await keys_of(site.resources.database, site.resources.vault, site.tenant_id)
    assert keys is not None
    async with site.resources.database.transaction(site.tenant_id) as connection:
        sealed = keys.seal(ADA.encode(), UUID(sync), "record.email")
        await connection.execute("update record set email = $1 where key = 'ZADA'", sealed)
    for _ in range(2):
        await site.execute("update erasure set not_before = null")
        assert await carried(site, id_) == "settling"
    assert (await shown(site, id_))["state"] == "settling"

    await site.execute("update sync_run set state = 'succeeded', lease_until = null")
    await site.execute("update erasure set not_before = null")
    assert await carried(site, id_) == "done"
    assert await named(site, ADA) == []


async def test_another_tenant_keeps_its_own(site: Site) -> None:
    other = await site.api.tenant("other")
    id_ = await requested(site)

    assert (await site.api.get(f"{other}/erasures/{id_}")).status_code == 404
    rows = await site.fetch("select tenant_id from suppression")
    assert {row["tenant_id"] for row in rows} == {site.tenant_id}
