"""Both vendors as the sandbox serves them: connect, map, sync, run, explain, replay, preview."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from app.sync.opened import Pace
from app.sync.queue import Queue
from app.sync.working import Workshop, work
from sandbox.data import Shares
from sandbox.server import Addresses, Options, running
from tests.integration.api.conftest import Api
from tests.integration.api.objects import a_mapping, a_sync

pytestmark = pytest.mark.integration

CUSTOMERS = 60


class Place:
    """A tenant with both connections, a mapping and a sync."""

    def __init__(self, api: Api, vendors: Addresses, tenant: str) -> None:
        self.api = api
        self.vendors = vendors
        self.tenant = tenant
        self.ids: dict[str, str] = {}

    async def furnish(self) -> "Place":
        x3, mailchimp = self.vendors.x3, self.vendors.mailchimp
        made = self.api.made
        credential = {"client_id": x3["client_id"], "client_secret": x3["client_secret"]}
        self.ids["x3"] = (
            await made(
                f"{self.tenant}/connections",
                {
                    "name": "X3",
                    "system": "sage_x3",
                    "kind": "graphql_jwt",
                    "url": x3["graphql_url"],
                    "settings": {"endpoint": x3["endpoint"]},
                    "credential": credential,
                },
            )
        )["id"]
        self.ids["mailchimp"] = (
            await made(
                f"{self.tenant}/connections",
                {
                    "name": "Mailchimp",
                    "system": "mailchimp",
                    "kind": "api_key",
                    "settings": {"base_url": mailchimp["base_url"]},
                    "credential": {"api_key": mailchimp["api_key"]},
                },
            )
        )["id"]
        self.ids["mapping"] = (await made(f"{self.tenant}/mappings", a_mapping()))["id"]
        return self

    async def sync(self, **given: Any) -> dict[str, Any]:
        target = {"audience_id": self.vendors.mailchimp["lists"][0], "store_id": None}
        body = a_sync(self.ids["x3"], self.ids["mailchimp"], self.ids["mapping"], **{"target": target, **given})
        made = await self.api.made(f"{self.tenant}/syncs", body)
        self.ids["sync"] = made["id"]
        return made

    async def carry(self, **body: Any) -> dict[str, Any]:
        """Start a run, work on it as a worker would, and read it."""
        run = await self.api.made(f"{self.tenant}/syncs/{self.ids['sync']}/runs", {"mode": "full", **body}, 202)
        return await self.worked(run["id"])

    async def worked(self, run_id: str) -> dict[str, Any]:
        resources = self.api.resources
        shop = Workshop(resources.opener, resources.queue, Pace())
        await work(shop, UUID(self.tenant.rpartition("/")[2]), UUID(run_id))
        return await self.read(f"runs/{run_id}")

    async def read(self, path: str) -> dict[str, Any]:
        response = await self.api.get(f"{self.tenant}/{path}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found


@pytest.fixture
async def vendors() -> AsyncIterator[Addresses]:
    async with running(Options(customers=CUSTOMERS, suppliers=5, invoices=0, shares=Shares())) as found:
        yield found


@pytest.fixture
async def place(api: Api, vendors: Addresses) -> Place:
    return await Place(api, vendors, await api.tenant()).furnish()


async def test_verification_learns_and_remembers(place: Place) -> None:
    for name, facts in (
        ("x3", {"generation", "graphql_url", "clock_skew_seconds", "missing_paths"}),
        ("mailchimp", {"account_id", "account_name", "role", "login_id"}),
    ):
        found = (await place.api.post(f"{place.tenant}/connections/{place.ids[name]}/verify")).json()
        assert found["ok"], found
        assert facts <= found["facts"].keys()
        kept = await place.read(f"connections/{place.ids[name]}")
        assert (kept["state"], kept["state_reason"]) == ("ok", None)
        assert facts <= kept["facts"].keys()


async def test_a_wrong_credential_is_named(place: Place) -> None:
    path = f"{place.tenant}/connections/{place.ids['mailchimp']}"
    answer = await place.api.call("PUT", f"{path}/credential", json={"api_key": "0" * 32 + "-us6"})

    assert answer.json()["state"] == "needs_attention"
    assert "key" in answer.json()["state_reason"].lower()


async def test_audiences_merge_fields_and_stores_are_listed(place: Place) -> None:
    path = f"connections/{place.ids['mailchimp']}"
    audience = (await place.read(f"{path}/audiences"))["items"][0]
    fields = (await place.read(f"{path}/audiences/{audience['id']}/merge-fields"))["items"]

    assert audience["id"] in place.vendors.mailchimp["lists"]
    assert {"FNAME", "LNAME"} <= {field["tag"] for field in fields}
    assert (await place.read(f"{path}/stores"))["next_cursor"] is None


async def test_what_mailchimp_holds_is_listed_in_pages(place: Place) -> None:
    path = f"connections/{place.ids['mailchimp']}/audiences"
    whole = (await place.read(path))["items"]
    fields = f"{path}/{whole[0]['id']}/merge-fields"

    for listed in (path, fields):
        everything, found, cursor = (await place.read(listed))["items"], [], ""
        while cursor is not None:
            page = await place.read(f"{listed}?limit=1&cursor={cursor}")
            assert len(page["items"]) == 1
            found += page["items"]
            cursor = page["next_cursor"]
        assert found == everything

    first = await place.read(f"{path}?limit=1")
    assert (await place.api.get(f"{place.tenant}/{fields}?cursor={first['next_cursor']}")).status_code == 422
    assert (await place.api.get(f"{place.tenant}/{path}?limit=0")).status_code == 422
    gone = await place.api.get(f"{place.tenant}/{path}/0000000000/merge-fields")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_a_sync_is_checked_against_its_audience(place: Place) -> None:
    body = a_sync(place.ids["x3"], place.ids["mailchimp"], place.ids["mapping"])

    gone = await place.api.post(f"{place.tenant}/syncs", {**body, "target": {"audience_id": "nosuchlist"}})
    invoices = await place.api.post(f"{place.tenant}/syncs", {**body, "stream": "invoices"})
    no_status = await place.api.post(
        f"{place.tenant}/syncs", {k: v for k, v in body.items() if k != "new_member_status"}
    )

    assert [error["pointer"] for error in gone.json()["errors"]] == ["/target/audience_id"]
    assert [error["pointer"] for error in invoices.json()["errors"]] == ["/target/store_id"]
    assert [error["pointer"] for error in no_status.json()["errors"]] == ["/new_member_status"]
    made = await place.sync()
    assert made["warnings"]  # merge fields that the first run will add
    assert made["next_due_at"].endswith("01:30:00Z") or made["next_due_at"].endswith("00:30:00Z")


async def test_a_run_is_carried_and_every_record_accounted_for(place: Place) -> None:
    await place.sync()

    run = await place.carry()

    counts = run["counts"]
    assert run["state"] in ("succeeded", "partially_failed"), run
    assert counts["read"] >= CUSTOMERS * 0.9
    assert counts["created"] > 0
    assert counts["read"] == sum(counts[n] for n in ("created", "updated", "unchanged", "skipped", "rejected"))
    assert sum(run["skipped_by_reason"].values()) == counts["skipped"]
    assert {"no_email", "mailing_prohibited", "opted_out", "duplicate_email", "filtered", "forgotten"} <= set(
        run["skipped_by_reason"]
    )
    open_letters = (await place.read("dead-letters?state=open&limit=200"))["items"]
    assert len(open_letters) == counts["rejected"]
    sync = await place.read(f"syncs/{place.ids['sync']}")
    assert sync["watermark"] == run["watermark_after"]
    assert sync["freshness_seconds"] >= 0
    again = await place.carry()
    assert again["counts"]["created"] == again["counts"]["updated"] == 0


async def test_what_a_run_decided_can_be_read_page_by_page_and_per_record(place: Place) -> None:
    await place.sync()
    run = await place.carry()

    changes: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = await place.read(f"runs/{run['id']}/changes?limit=7" + (f"&cursor={cursor}" if cursor else ""))
        changes += page["items"]
        cursor = page["next_cursor"]

    created = [change for change in changes if change["decision"] == "created"]
    assert len(created) == run["counts"]["created"]
    assert len({change["key"] for change in changes}) == len(changes)
    one = created[0]
    assert one["fields"]["EMAIL"] == {"before": None, "after": one["email"]}
    record = (await place.read(f"records?code={one['code']}"))["items"][0]
    assert (record["email"], record["state"]) == (one["email"], "synced")
    assert (await place.read(f"records?email={one['email']}"))["items"] == [record]
    timeline = (await place.read(f"records/{record['id']}/timeline"))["items"]
    assert [event["action"] for event in timeline] == ["member.created"]
    assert (timeline[0]["run_id"], timeline[0]["mapping_version"]) == (run["id"], 1)


async def test_records_are_listed_in_pages_without_gaps(place: Place) -> None:
    await place.sync()
    await place.carry()

    everything = (await place.read("records?limit=200"))["items"]
    some: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = await place.read("records?limit=9" + (f"&cursor={cursor}" if cursor else ""))
        some += page["items"]
        cursor = page["next_cursor"]

    assert [record["key"] for record in some] == [record["key"] for record in everything]
    assert {record["state"] for record in everything} >= {"synced", "skipped"}


async def test_a_dry_run_says_what_would_happen_and_writes_nothing(place: Place) -> None:
    await place.sync()

    run = await place.carry(dry_run=True)

    assert run["counts"]["created"] > 0
    changes = (await place.read(f"runs/{run['id']}/changes?limit=200"))["items"]
    assert "would_be_created" in {change["decision"] for change in changes}
    assert (await place.read("records"))["items"] == []
    audience = (await place.read(f"connections/{place.ids['mailchimp']}/audiences"))["items"][0]
    assert audience["member_count"] == 0
    assert (await place.read(f"syncs/{place.ids['sync']}"))["watermark"] is None


async def test_a_preview_writes_nothing_and_says_what_would_become_of_each(place: Place) -> None:
    audience = place.vendors.mailchimp["lists"][0]
    path = f"{place.tenant}/mappings/{place.ids['mapping']}/preview"
    compared = {"audience_connection_id": place.ids["mailchimp"], "audience_id": audience}

    alone = await place.api.made(path, {"connection_id": place.ids["x3"], "limit": 20}, 200)
    before = await place.api.made(path, {"connection_id": place.ids["x3"], "limit": 20, **compared}, 200)
    await place.sync()
    await place.carry()
    after = await place.api.made(path, {"connection_id": place.ids["x3"], "limit": 20, **compared}, 200)
    codes = [item["code"] for item in alone["items"]][:2]
    chosen = await place.api.made(path, {"connection_id": place.ids["x3"], "codes": [*codes, "NOSUCH"]}, 200)

    assert len({item["code"] for item in alone["items"]}) == 20
    assert {i["decision"] for i in alone["items"] if not i["decision"].startswith("skipped:")} == {"would_write"}
    assert {i["decision"] for i in before["items"] if not i["decision"].startswith("skipped:")} == {"would_create"}
    decided = [i["decision"] for i in after["items"] if not i["decision"].startswith("skipped:")]
    assert decided.count("unchanged") >= len(decided) - 2  # what shares its address with another may differ
    assert [i["code"] for i in chosen["items"]] == [*codes, "NOSUCH"]
    assert chosen["items"][-1]["decision"] == "skipped:not_found"


async def test_queued_runs_coalesce_and_waiting_ones_can_be_cancelled(place: Place) -> None:
    sync = await place.sync()
    path = f"{place.tenant}/syncs/{sync['id']}/runs"

    first = await place.api.made(path, {"mode": "delta"}, 202)
    second = await place.api.made(path, {"mode": "delta"}, 202)
    cancelled = (await place.api.post(f"{place.tenant}/runs/{first['id']}/cancel")).json()

    assert (first["coalesced"], second["coalesced"], first["id"] == second["id"]) == (False, True, True)
    assert (cancelled["state"], cancelled["finished_at"] is not None) == ("cancelled", True)
    assert (await place.api.post(f"{place.tenant}/runs/{first['id']}/cancel")).status_code == 409
    assert (await place.api.post(f"{place.tenant}/runs/{first['id']}/approve")).status_code == 409


async def test_the_run_that_follows_is_rung_when_the_one_before_ends(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = await place.sync(brake={"max_new": 1, "max_inactive_percent": None})
    halted = await place.carry()
    following = await place.api.made(f"{place.tenant}/syncs/{sync['id']}/runs", {"mode": "delta"}, 202)
    assert (await place.worked(following["id"]))["state"] == "queued"
    await place.api.post(f"{place.tenant}/runs/{halted['id']}/approve")
    rung: list[str] = []

    async def ring(_: Queue, _tenant_id: UUID, run_id: UUID, **_given: float) -> bool:
        rung.append(str(run_id))
        return True

    monkeypatch.setattr(Queue, "ring", ring)
    ended = await place.worked(halted["id"])

    assert ended["finished_at"] is not None
    assert rung == [following["id"]]


async def test_a_halted_run_goes_on_when_approved(place: Place) -> None:
    await place.sync(brake={"max_new": 1, "max_inactive_percent": None})
    run = await place.carry()
    assert run["state"] == "halted", run
    assert run["reason"]
    assert (await place.api.call("DELETE", f"{place.tenant}/syncs/{place.ids['sync']}")).status_code == 409

    released = await place.api.post(f"{place.tenant}/runs/{run['id']}/approve")
    done = await place.worked(run["id"])

    assert released.status_code == 202
    assert done["state"] in ("succeeded", "partially_failed")
    assert done["counts"]["created"] > 1


async def test_a_paused_sync_starts_nothing(place: Place) -> None:
    sync = await place.sync()
    path = f"{place.tenant}/syncs/{sync['id']}"

    paused = (await place.api.post(f"{path}/pause")).json()
    refused = await place.api.post(f"{path}/runs", {"mode": "delta"})
    resumed = (await place.api.post(f"{path}/resume")).json()

    assert (paused["state"], paused["next_due_at"]) == ("paused", None)
    assert (refused.status_code, refused.json()["code"]) == (409, "sync_paused")
    assert (resumed["state"], resumed["next_due_at"]) == ("active", sync["next_due_at"])


async def test_changing_a_sync_checks_the_whole_and_recomputes_when_it_is_due(place: Place) -> None:
    sync = await place.sync()
    path = f"{place.tenant}/syncs/{sync['id']}"

    manual = (await place.api.call("PATCH", path, json={"schedule": {"kind": "manual"}})).json()
    bad = await place.api.call("PATCH", path, json={"schedule": {"kind": "cron", "expression": "* * *"}})
    empty = await place.api.call("PATCH", path, json={"name": None})
    filtered = (await place.api.call("PATCH", path, json={"filter": {"field": "country", "in": ["FR"]}})).json()
    whole = (await place.api.call("PATCH", path, json={"filter": None})).json()

    assert manual["next_due_at"] is None
    assert bad.json()["errors"][0]["pointer"].startswith("/schedule")
    assert empty.status_code == 422
    assert (filtered["filter"], whole["filter"]) == ({"field": "country", "in": ["FR"]}, None)


async def test_a_new_mapping_version_is_used_by_the_next_run(place: Place) -> None:
    await place.sync()
    await place.carry()
    path = f"{place.tenant}/mappings/{place.ids['mapping']}"
    fields = [{"target": "COMPANY", "source": "name", "transforms": ["upper"]}]

    put = await place.api.call("PUT", path, json=a_mapping(name="shorter", fields=fields))
    run = await place.carry()

    assert (put.json()["version"], put.headers["etag"]) == (2, '"2"')
    assert run["mapping_version"] == 2
    versions = (await place.read(f"mappings/{place.ids['mapping']}/versions"))["items"]
    assert [(version["version"], version["name"]) for version in versions] == [(2, "shorter"), (1, "customers")]


async def test_following_a_run_ends_when_it_ends(place: Place) -> None:
    await place.sync()
    run = await place.api.made(f"{place.tenant}/syncs/{place.ids['sync']}/runs", {"mode": "full"}, 202)

    async def follow() -> bytes:
        return (await place.api.get(f"{place.tenant}/runs/{run['id']}/events")).content

    following = asyncio.create_task(follow())
    await asyncio.sleep(0.1)
    done = await place.worked(run["id"])
    events = [part for part in (await asyncio.wait_for(following, 20)).decode().split("\n\n") if "event:" in part]

    names = [event.split("\n")[0] for event in events]
    assert names[0] == "event: progress"
    assert names[-2:] == ["event: progress", "event: end"]
    last = msgspec.json.decode(events[-1].split("data: ")[1])
    assert last["state"] == done["state"]
    assert last["counts"] == done["counts"]


async def test_a_refused_record_is_replayed_or_dismissed(place: Place) -> None:
    await place.sync()
    run = await place.carry()
    letters = (await place.read("dead-letters?state=open&limit=200"))["items"]
    assert len(letters) == run["counts"]["rejected"] > 0
    letter = letters[0]

    one = await place.api.post(f"{place.tenant}/dead-letters/{letter['id']}/replay")
    done = await place.worked(one.json()["id"])
    still = (await place.read(f"dead-letters?sync_id={place.ids['sync']}&state=open&limit=200"))["items"]
    again = next(item for item in still if item["key"] == letter["key"])
    dismissed = (await place.api.post(f"{place.tenant}/dead-letters/{again['id']}/dismiss")).json()
    twice = await place.api.post(f"{place.tenant}/dead-letters/{again['id']}/replay")

    assert one.status_code == 202
    assert (done["mode"], done["codes"]) == ("replay", [letter["code"]])
    assert again["attempts"] == letter["attempts"] + 1
    assert dismissed["state"] == "dismissed"
    assert twice.status_code == 409
    many = await place.api.post(f"{place.tenant}/dead-letters/replay", {"sync_id": place.ids["sync"]})
    assert many.status_code == 202


async def test_the_audit_trail_verifies_exports_and_filters(place: Place) -> None:
    await place.sync()
    run = await place.carry()

    verdict = await place.read("audit/verify")
    lines = (await place.api.get(f"{place.tenant}/audit/export")).text.splitlines()
    *same, signed = (await place.api.get(f"{place.tenant}/audit/export?signed=true")).text.splitlines()
    of_run = (await place.read(f"audit?run_id={run['id']}&limit=200"))["items"]

    assert verdict["ok"]
    assert verdict["first_broken"] is None
    assert verdict["events"] == len(lines)
    assert same == lines
    assert msgspec.json.decode(signed).keys() == {"signature"}
    assert [msgspec.json.decode(line)["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert msgspec.json.decode(lines[-1])["hash"] == verdict["head"]
    assert {event["run_id"] for event in of_run} == {run["id"]}
    assert [event["seq"] for event in of_run] == sorted((event["seq"] for event in of_run), reverse=True)


async def test_a_changed_event_breaks_the_chain_where_it_was_changed(place: Place) -> None:
    await place.sync()
    async with place.api.resources.database.pool.acquire() as connection:
        await connection.execute("alter table audit_event disable row level security")
        parts = await connection.fetch(
            "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_event'::regclass"
        )
        for part in parts:
            await connection.execute(f"alter table {part['name']} disable row level security")
        await connection.execute("update audit_event set actor = 'nobody' where seq = 3")

    verdict = await place.read("audit/verify")

    assert (verdict["ok"], verdict["first_broken"]) == (False, 3)


async def test_every_state_changing_call_is_exactly_one_event(place: Place) -> None:
    sync = await place.sync()
    calls: list[tuple[str, str, Any]] = [
        ("PATCH", f"syncs/{sync['id']}", {"name": "x"}),
        ("POST", f"syncs/{sync['id']}/pause", None),
        ("POST", f"syncs/{sync['id']}/resume", None),
        ("POST", f"syncs/{sync['id']}/runs", {"mode": "delta"}),
        ("PUT", f"mappings/{place.ids['mapping']}", a_mapping()),
        ("PATCH", f"connections/{place.ids['x3']}", {"name": "x"}),
        ("POST", f"connections/{place.ids['x3']}/verify", None),
        ("POST", "api-keys", {"name": "x", "role": "viewer"}),
        ("PATCH", "", {"name": "x"}),
    ]
    for method, path, body in calls:
        before = (await place.read("audit/verify"))["events"]
        response: httpx.Response = await place.api.call(
            method, f"{place.tenant}/{path}".rstrip("/"), **({"json": body} if body is not None else {})
        )
        assert response.status_code < 300, response.text
        assert (await place.read("audit/verify"))["events"] == before + 1, (method, path)
