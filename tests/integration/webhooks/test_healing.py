"""Registrations are compared and repaired, and what a dead webhook failed to tell is found by a pull."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.resources import Resources
from app.webhooks.checking import Finding, check
from app.webhooks.sweeping import forget_old
from tests.fixtures.site import Site, reached
from workers import quick
from workers.jobs import check_webhook, pull_audience

pytestmark = pytest.mark.integration

ADA = "ada@acme.test"


async def checked(site: Site, made: dict[str, Any], **given: Any) -> Finding | None:
    settings: dict[str, Any] = {"public_url": site.url, "every_seconds": 0, **given}
    return await check(site.resources.opener, site.tenant_id, UUID(made["id"]), **settings)


async def registration(site: Site, method: str, path: str, **given: Any) -> Any:
    """Somebody meddles with the registrations at Mailchimp."""
    return await site.call(method, f"/lists/{site.list_id}/webhooks{path}", **given)


async def test_a_good_registration_is_left_alone(site: Site) -> None:
    made = await site.hook()
    there = await site.registered()

    assert await checked(site, made) == Finding()
    assert await site.registered() == there
    assert [e["action"] for e in await site.audited("webhook.")] == ["webhook.created"]
    assert await checked(site, made, every_seconds=60) is None


async def test_a_registration_somebody_removed_is_made_anew_under_a_new_path(site: Site) -> None:
    made = await site.hook()
    (there,) = await site.registered()
    await registration(site, "DELETE", f"/{there['id']}")

    found = await checked(site, made)

    assert found == Finding("registered_anew", 0, await site.audience_id())
    (now,) = await site.registered()
    assert now["url"] != made["url"]
    assert [await reached(url) for url in (now["url"], made["url"])] == [200, 200]
    (event,) = await site.audited("webhook.repaired")
    assert event["detail"] == {"repair": "registered_anew", "removed": 0, "kind": "audience"}
    await site.join(ADA)
    await site.mailchimp("POST", "unsubscribe", json={"email": ADA})
    (arrived,) = await site.arrived(1)
    assert arrived["signed"] is True


@pytest.mark.parametrize("changed", [{"events": {"unsubscribe": False}}, {"sources": {"api": True}}])
async def test_a_registration_that_was_changed_is_changed_back(site: Site, changed: dict[str, Any]) -> None:
    made = await site.hook()
    (before,) = await site.registered()
    await registration(site, "PATCH", f"/{before['id']}", json=changed)

    found = await checked(site, made)

    assert found is not None
    assert (found.repair, found.heal) == ("mended", await site.audience_id())
    assert await site.registered() == [before]


async def test_stray_registrations_of_ours_are_removed_and_those_of_others_left(site: Site) -> None:
    made = await site.hook()
    turned = (await site.api.post(f"{site.hooks}/{made['id']}/rotate")).json()
    for url in (made["url"], f"{site.url}/healthz"):
        await registration(site, "POST", "", json={"url": url, "events": {"unsubscribe": True}})

    found = await checked(site, made)

    assert found == Finding("none", 1)
    assert {hook["url"] for hook in await site.registered()} == {turned["url"], f"{site.url}/healthz"}


async def test_another_public_address_moves_the_registration(site: Site) -> None:
    made = await site.hook()
    elsewhere = site.url.replace("127.0.0.1", "localhost")

    found = await checked(site, made, public_url=elsewhere)

    assert found is not None
    assert found.repair == "moved"
    (there,) = await site.registered()
    assert there["url"].startswith(f"{elsewhere}/hooks/mailchimp/")
    assert (await checked(site, made, public_url=elsewhere)) == Finding()


async def test_what_only_the_tenant_can_put_right_is_shown_and_goes_away(site: Site) -> None:
    made = await site.hook()
    key = site.addresses.mailchimp["api_key"]
    await site.mailchimp("POST", "faults", json={"kind": "unauthorised", "count": 1})
    await checked(site, made)
    (shown,) = (await site.api.get(site.hooks)).json()["items"]
    assert shown["state"] == "needs_attention"
    assert "key" in shown["state_reason"]
    assert key not in shown["state_reason"]

    await site.mailchimp("POST", "faults", json={"kind": "unavailable", "count": None})
    await checked(site, made)
    await site.mailchimp("DELETE", "faults")
    assert await checked(site, made) == Finding()
    (shown,) = (await site.api.get(site.hooks)).json()["items"]
    assert (shown["state"], shown["state_reason"]) == ("ok", None)


async def test_a_creation_that_died_halfway_is_repaired_or_replaced(site: Site) -> None:
    made = await site.hook()
    await site.execute("update webhook set state = 'registering', created_at = now() - interval '1 hour'")
    await site.execute("update webhook_path set remote_id = null, signing_secret = null")
    assert (await checked(site, made)) == Finding("registered_anew", 1, await site.audience_id())
    assert len(await site.registered()) == 1

    await site.execute("update webhook set state = 'registering', created_at = now() - interval '1 hour'")
    again = await site.hook()
    assert again["id"] != made["id"]
    assert (await checked(site, again)) == Finding()


async def test_a_batch_webhook_is_checked_too(site: Site) -> None:
    made = await site.hook(kind="batch")
    (there,) = (await site.call("GET", "/batch-webhooks"))["webhooks"]
    await site.call("PATCH", f"/batch-webhooks/{there['id']}", json={"enabled": False})
    assert (await checked(site, made)) == Finding("mended")
    await site.call("DELETE", f"/batch-webhooks/{there['id']}")
    assert (await checked(site, made)) == Finding("registered_anew")
    (there,) = (await site.call("GET", "/batch-webhooks"))["webhooks"]
    assert await reached(there["url"]) == 200


def worker(resources: Resources) -> dict[str, Any]:
    return {"resources": resources}


async def old(site: Site) -> None:
    """Everything was last looked at long ago."""
    await site.execute("update webhook set checked_at = now() - interval '1 day'")
    await site.execute("update audience set pulled_through = now() - interval '1 day'")


async def test_opt_outs_missed_while_the_webhook_was_dead_are_found(site: Site) -> None:
    await site.join(ADA, "eve@acme.test")
    await site.mirrored()
    made = await site.hook()
    (there,) = await site.registered()
    await registration(site, "DELETE", f"/{there['id']}")
    await site.mailchimp("POST", "unsubscribe", json={"email": ADA})
    assert await site.status(ADA) == "subscribed"

    await old(site)
    await check_webhook(worker(site.resources), str(site.tenant_id), made["id"])

    assert await site.status(ADA) == "unsubscribed"
    assert await site.consent(ADA) == [
        (None, "subscribed", "mirror_pull"),
        ("subscribed", "unsubscribed", "mirror_pull"),
    ]
    assert await site.consent("eve@acme.test") == [(None, "subscribed", "mirror_pull")]


async def test_old_mirrors_are_pulled_without_any_webhook(site: Site) -> None:
    await site.join(ADA)
    await site.mirrored()
    await site.mailchimp("POST", "clean", json={"email": ADA})
    audience = str(await site.audience_id())
    await pull_audience(worker(site.resources), str(site.tenant_id), audience)
    assert await site.status(ADA) == "cleaned"

    requests = await site.mailchimp("GET", "stats")
    await pull_audience(worker(site.resources), str(site.tenant_id), audience)
    assert await site.mailchimp("GET", "stats") == requests


async def test_a_vendor_that_is_down_breaks_no_job(site: Site) -> None:
    await site.mirrored()
    made = await site.hook()
    await old(site)
    await site.mailchimp("POST", "revoke", json={})

    await pull_audience(worker(site.resources), str(site.tenant_id), str(await site.audience_id()))
    await check_webhook(worker(site.resources), str(site.tenant_id), made["id"])


async def test_the_sweeper_rings_for_events_checks_and_pulls_once_each(site: Site) -> None:
    await site.join(ADA)
    await site.mirrored()
    await site.hook()
    settings = site.resources.settings
    assert await quick.sweep(settings, site.resources) == 0

    await site.mailchimp("POST", "unsubscribe", json={"email": ADA})
    await site.stored(1)
    await old(site)

    assert await quick.sweep(settings, site.resources) == 3
    await site.process()
    await check_webhook(
        worker(site.resources), str(site.tenant_id), (await site.api.get(site.hooks)).json()["items"][0]["id"]
    )
    await pull_audience(worker(site.resources), str(site.tenant_id), str(await site.audience_id()))
    assert await quick.sweep(settings, site.resources) == 0


async def test_bodies_are_dropped_before_the_events_are(site: Site) -> None:
    await site.join(ADA)
    await site.hook()
    await site.mailchimp("POST", "unsubscribe", json={"email": ADA})
    await site.arrived(1)
    database = site.resources.database

    await site.execute("update webhook_event set created_at = now() - interval '31 days'")
    await forget_old(database, timedelta(days=30), timedelta(days=90))
    (event,) = (await site.api.get(f"{site.tenant}/webhook-events")).json()["items"]
    assert (event["type"], event["email"], event["data"]) == ("unsubscribe", None, None)
    await site.execute("update webhook_event set created_at = now() - interval '91 days'")
    await forget_old(database, timedelta(days=30), timedelta(days=90))
    assert (await site.api.get(f"{site.tenant}/webhook-events")).json()["items"] == []
