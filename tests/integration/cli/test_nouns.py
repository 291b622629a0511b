"""Syncs, runs, records, dead letters and the audit trail from the command line, with runs against both stand-ins."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from app.sync.opened import Pace
from app.sync.working import Workshop, work
from tests.fixtures.database import run_on
from tests.fixtures.site import Site, site, vendor_addresses
from tests.integration.api.objects import a_mapping
from tests.integration.cli.conftest import Shell

__all__ = ["site", "vendor_addresses"]

pytestmark = pytest.mark.integration

SYNC = "customers to newsletter"
GOOD = {"code": "GOOD", "name": "Good [red]Ltd", "emails": ["good@acme.test"], "is_active": True}
BAD = {"code": "BAD", "name": "Bad Ltd", "emails": ["no-address"], "is_active": True}


@pytest.fixture
async def place(site: Site) -> AsyncIterator[Site]:
    """A sync by name, one customer who can be carried and one who cannot."""
    await site.customers(GOOD, BAD)
    await site.sync()
    with capture_logs():
        yield site


@pytest.fixture
def shell(place: Site, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr("app.cli.runs.POLL_SECONDS", 0.05)
    monkeypatch.setenv("MLC_TENANT", "acme")
    return Shell(place.url, place.api)


async def worked(place: Site, shell: Shell, *words: str) -> Any:
    """A command that waits for a run, which a worker takes up meanwhile."""
    command = asyncio.create_task(shell.run(*words))
    while not (queued := (await place.api.get(f"{place.tenant}/runs?state=queued")).json()["items"]):
        assert not command.done(), command.result().output
        await asyncio.sleep(0.05)
    shop = Workshop(place.resources.opener, place.resources.queue, Pace(settle_seconds=0.1))
    await work(shop, place.tenant_id, UUID(queued[0]["id"]))
    return await command


async def test_a_run_is_followed_to_its_end_and_its_changes_are_shown(place: Site, shell: Shell) -> None:
    dry = await worked(place, shell, "runs", "start", SYNC, "--mode", "full", "--dry-run", "--follow", "--json")
    real = await worked(place, shell, "runs", "start", SYNC, "--mode", "full", "--wait", "--json")
    changes = await shell.ok("runs", "changes", json.loads(real.stdout)["id"])
    would = json.loads(await shell.ok("runs", "changes", json.loads(dry.stdout)["id"], "--json"))["items"]
    listed = json.loads(await shell.ok("runs", "list", "--sync", SYNC, "--json"))["items"]

    run = json.loads(real.stdout)
    assert (real.exit_code, run["state"], run["counts"]["rejected"]) == (1, "partially_failed", 1)
    assert {change["code"]: change["decision"] for change in would}["GOOD"] == "would_be_created"
    assert "COMPANY: Good [red]Ltd" in changes
    assert [item["id"] for item in listed] == [run["id"], json.loads(dry.stdout)["id"]]


async def test_only_the_given_records_are_run(place: Site, shell: Shell) -> None:
    words = ("runs", "start", SYNC, "--mode", "full", "--code", "GOOD", "--wait", "--json")
    run = json.loads((await worked(place, shell, *words)).stdout)

    assert (run["state"], run["counts"]["read"]) == ("succeeded", 1)


async def test_a_waiting_run_is_cancelled(place: Site, shell: Shell) -> None:
    run = json.loads(await shell.ok("runs", "start", SYNC, "--json"))

    assert "cancelled" in await shell.ok("runs", "cancel", run["id"])
    assert json.loads(await shell.ok("runs", "show", run["id"], "--json"))["state"] == "cancelled"
    assert (await shell.run("runs", "approve", run["id"])).exit_code == 1


async def test_a_customer_who_is_in_is_explained_by_code_and_by_address(place: Site, shell: Shell) -> None:
    sync = (await place.api.get(f"{place.tenant}/syncs")).json()["items"][0]["id"]
    await place.carry(sync)

    by_code = await shell.ok("records", "explain", "GOOD")
    by_address = json.loads(await shell.ok("records", "explain", "good@acme.test", "--json"))["items"]

    assert f"{SYNC}: GOOD good@acme.test\n  It is carried into the audience.\n" in by_code
    assert "Mailchimp: transactional since" in by_code
    assert "COMPANY: Good [red]Ltd" in by_code
    (answer,) = by_address
    assert (answer["record"]["code"], answer["status"]["status"]) == ("GOOD", "transactional")
    assert [event["decision"] for event in answer["timeline"] if event["decision"]] == ["created"]


async def test_a_customer_who_is_not_in_is_explained_too(place: Site, shell: Shell) -> None:
    sync = (await place.api.get(f"{place.tenant}/syncs")).json()["items"][0]["id"]
    await place.carry(sync)
    await place.api.post(f"{place.tenant}/syncs/{sync}/pause")

    bad = await shell.ok("records", "explain", "BAD", "--sync", SYNC)
    unknown = await shell.run("records", "explain", "NOBODY", "--look")
    looked = await shell.ok("records", "explain", "GOOD", "--look")

    assert "It was refused." in bad
    assert "Dead letter" in bad
    assert "bad_email" in bad
    assert "The sync is paused." in bad
    assert (unknown.exit_code, unknown.stderr[:31]) == (1, "No sync has met NOBODY yet: no ")
    assert f"{SYNC}, now: " in unknown.stdout
    assert f"{SYNC}, now: Already right" in looked


async def test_a_dead_letter_is_listed_replayed_and_dismissed(place: Site, shell: Shell) -> None:
    sync = (await place.api.get(f"{place.tenant}/syncs")).json()["items"][0]["id"]
    await place.carry(sync)
    (letter,) = json.loads(await shell.ok("dead-letters", "list", "--state", "open", "--json"))["items"]
    await place.customers({**BAD, "emails": ["better@acme.test"]})

    neither = await shell.run("dead-letters", "replay")
    replayed = await worked(place, shell, "dead-letters", "replay", "--sync", SYNC, "--wait", "--json")
    dismissed = await shell.run("dead-letters", "dismiss", letter["id"])

    assert neither.exit_code == 2
    assert json.loads(replayed.stdout)["state"] == "succeeded"
    assert "better@acme.test" in await place.people()
    assert dismissed.exit_code == 1
    assert "this one is resolved" in dismissed.stderr


async def test_a_sync_is_listed_shown_paused_and_resumed_by_name(place: Site, shell: Shell) -> None:
    assert SYNC in await shell.ok("syncs", "list")
    assert json.loads(await shell.ok("syncs", "pause", SYNC, "--json"))["state"] == "paused"
    assert json.loads(await shell.ok("syncs", "show", SYNC, "--json"))["state"] == "paused"
    assert json.loads(await shell.ok("syncs", "resume", SYNC, "--json"))["state"] == "active"
    unknown = await shell.run("syncs", "show", "no such sync")
    assert (unknown.exit_code, unknown.stderr) == (2, "There is no sync of the name 'no such sync'.\n")


async def test_the_trail_is_whole_until_somebody_touches_it(place: Site, shell: Shell) -> None:
    whole = await shell.run("audit", "verify")
    events = json.loads(await shell.ok("audit", "list", "--action", "sync.created", "--json"))["items"]
    await run_on(
        place.resources.settings.database_url.get_secret_value().replace("+asyncpg", ""),
        "alter table audit_event disable trigger user",
        "update audit_event set actor = 'nobody' where seq = 2",
    )
    broken = await shell.run("audit", "verify")
    data = await shell.run("audit", "verify", "--json")

    assert (whole.exit_code, "is whole" in whole.stdout, len(events)) == (0, True, 1)
    assert (broken.exit_code, broken.stderr[:32]) == (1, "The chain is broken at event 2 o")
    assert (data.exit_code, json.loads(data.stdout)["first_broken"]) == (1, 2)


async def test_a_tenant_is_shown_by_slug_and_destroyed_only_when_meant(place: Site, shell: Shell) -> None:
    assert json.loads(await shell.ok("tenants", "show", "acme", "--json"))["slug"] == "acme"

    refused = await shell.run("tenants", "delete", "acme", typed="n\n")
    assert (refused.exit_code, (await place.api.get(place.tenant)).status_code) == (1, 200)
    await shell.ok("tenants", "delete", "acme", "--yes")
    assert (await place.api.get(place.tenant)).status_code == 404


async def test_a_connection_is_listed_shown_verified_and_looked_into_by_name(place: Site, shell: Shell) -> None:
    listed = json.loads(await shell.ok("connections", "list", "--json"))["items"]
    verdict = json.loads(await shell.ok("connections", "verify", "Mailchimp", "--json"))
    checks = await shell.ok("connections", "verify", "X3")
    shown = await shell.ok("connections", "show", "Mailchimp")
    audiences = json.loads(await shell.ok("connections", "audiences", "Mailchimp", "--json"))["items"]
    fields = await shell.ok("connections", "merge-fields", "Mailchimp", place.list_id)
    stores = json.loads(await shell.ok("connections", "stores", "Mailchimp", "--json"))["items"]

    assert {item["name"] for item in listed} == {"X3", "Mailchimp"}
    assert verdict["ok"]
    assert all(check["ok"] for check in verdict["checks"])
    assert "True" in checks
    assert "data_centre" in shown
    assert place.addresses.mailchimp["api_key"] not in shown
    assert place.list_id in [audience["id"] for audience in audiences]
    assert "FNAME" in fields
    assert isinstance(stores, list)


async def test_a_connection_that_fails_its_checks_ends_with_1(place: Site, shell: Shell) -> None:
    body = {"name": "Lost", "system": "mailchimp", "kind": "api_key", "credential": {"api_key": "k-us6"}}
    await place.api.made(f"{place.tenant}/connections", {**body, "settings": {"base_url": "http://127.0.0.1:9/3.0"}})

    failed = await shell.run("connections", "verify", "Lost")
    no_sign_in = await shell.run("connections", "authorize", "Lost")
    kept = await shell.run("connections", "delete", "Lost", typed="n\n")
    deleted = await shell.run("connections", "delete", "Lost", "--yes")
    used = await shell.run("connections", "delete", "X3", "--yes")
    unknown = await shell.run("connections", "show", "Lost")

    assert failed.exit_code == 1
    assert "False" in failed.stdout
    assert no_sign_in.exit_code == 1
    assert (kept.exit_code, deleted.exit_code) == (1, 0)
    assert (used.exit_code, "A sync uses this connection" in used.stderr) == (1, True)
    assert (unknown.exit_code, unknown.stderr) == (2, "There is no connection of the name 'Lost'.\n")


async def test_a_sign_in_is_begun(place: Site, shell: Shell) -> None:
    credential = {"client_id": "a", "client_secret": "b"}
    body = {"name": "Signing in", "system": "mailchimp", "kind": "oauth", "credential": credential}
    await place.api.made(f"{place.tenant}/connections", body)

    address = await shell.ok("connections", "authorize", "Signing in")
    again = json.loads(await shell.ok("connections", "authorize", "Signing in", "--json"))

    assert address.startswith("https://login.mailchimp.com/oauth2/authorize?")
    assert address.count("\n") == 1
    assert again.keys() == {"authorize_url", "expires_at"}


async def test_a_mapping_is_listed_shown_versioned_and_previewed(place: Site, shell: Shell) -> None:
    (mapping,) = json.loads(await shell.ok("mappings", "list", "--json"))["items"]
    await place.api.call("PUT", f"{place.tenant}/mappings/{mapping['id']}", json=a_mapping(tags=[{"name": "new"}]))

    shown = json.loads(await shell.ok("mappings", "show", "customers", "--json"))
    versions = json.loads(await shell.ok("mappings", "versions", "customers", "--json"))["items"]
    words = ("mappings", "preview", "customers", "--connection", "X3", "--mailchimp", "Mailchimp")
    table = await shell.ok(*words, "--audience", place.list_id, "--code", "GOOD", "--code", "BAD")
    items = json.loads(await shell.ok("mappings", "preview", "customers", "--connection", "X3", "--json"))["items"]
    used = await shell.run("mappings", "delete", "customers", "--yes")

    assert (shown["version"], shown["tags"]) == (2, [{"name": "new"}])
    assert [version["version"] for version in versions] == [2, 1]
    assert "good@acme.test" in table
    assert "would_create" in table
    assert {item["code"] for item in items} >= {"GOOD", "BAD"}
    assert used.exit_code == 1
    assert (await place.people()) == {}


async def test_keys_of_a_tenant_are_listed_and_revoked(place: Site, shell: Shell) -> None:
    made = json.loads(await shell.ok("tenants", "add-key", "acme", "for the shop", "--role", "viewer", "--json"))
    listed = await shell.ok("tenants", "keys", "acme")
    await shell.ok("tenants", "revoke-key", "acme", made["id"])

    assert made["id"] in listed
    assert made["key"] not in listed
    assert (await place.api.with_key(made["key"]).get(place.tenant)).status_code == 401
    assert (await shell.run("tenants", "revoke-key", "acme", made["id"])).exit_code == 1
