"""Webhooks are made, registered, rotated and ended against a Mailchimp that really checks the address."""

import asyncio
from typing import Any

import pytest

from tests.fixtures.site import Site, reached

pytestmark = pytest.mark.integration

ALL = dict.fromkeys(("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"), True)


async def test_a_webhook_is_registered_with_a_path_of_its_own(site: Site) -> None:
    made = await site.hook()

    (there,) = await site.registered()
    assert made["url"] == there["url"]
    assert made["url"].startswith(f"{site.url}/hooks/mailchimp/")
    assert (made["state"], made["kind"], made["audience_id"]) == ("ok", "audience", site.list_id)
    assert there["events"] == ALL
    assert there["sources"] == {"user": True, "admin": True, "api": False}
    assert [await reached(made["url"]), await reached(made["url"], "HEAD")] == [200, 200]
    assert [path["signed"] for path in made["paths"]] == [True]
    assert [event["action"] for event in await site.audited("webhook.")] == ["webhook.created"]


async def test_the_secret_is_shown_once_and_stored_nowhere(site: Site) -> None:
    made = await site.hook()
    secret = made["url"].rpartition("/")[2]

    listed = await site.api.get(site.hooks)
    assert [item["id"] for item in listed.json()["items"]] == [made["id"]]
    assert secret not in listed.text
    assert "url" not in listed.json()["items"][0]
    (path,) = await site.fetch("select p::text as row, secret_hash from webhook_path p")
    assert secret[12:] not in path["row"]
    assert len(path["secret_hash"]) == 32


async def test_every_tenant_and_audience_has_another_path(site: Site) -> None:
    first = await site.hook()
    second = await site.hook(audience_id=site.addresses.mailchimp["lists"][1])

    assert first["url"] != second["url"]
    again = await site.api.post(site.hooks, {"audience_id": site.list_id})
    assert (again.status_code, again.json()["code"]) == (409, "webhook_exists")
    assert len(await site.registered()) == 2


async def test_the_same_request_again_registers_nothing_twice(site: Site) -> None:
    key = {"Idempotency-Key": "one"}
    first = await site.api.post(site.hooks, {"audience_id": site.list_id}, headers=key)
    second = await site.api.post(site.hooks, {"audience_id": site.list_id}, headers=key)

    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(await site.registered()) == 1


@pytest.mark.parametrize("answer", [404, 500])
async def test_an_address_mailchimp_cannot_reach_leaves_nothing_behind(site: Site, answer: int) -> None:
    await site.mailchimp("POST", "faults", json={"kind": "error" if answer == 500 else "refuse", "count": 9})
    failed = await site.api.post(site.hooks, {"audience_id": site.list_id})
    await site.mailchimp("DELETE", "faults")

    assert failed.status_code in (409, 503), failed.text
    assert await site.fetch("select id from webhook union all select id from webhook_path") == []
    await site.hook()


async def test_a_refused_address_is_explained(site: Site) -> None:
    object.__setattr__(site.resources.settings, "public_url", "http://127.0.0.1:9")

    refused = await site.api.post(site.hooks, {"audience_id": site.list_id})

    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_refused")
    assert "MLC_PUBLIC_URL" in refused.json()["detail"]
    assert "/hooks/" not in refused.text


async def test_an_answer_that_never_came_leaves_no_registration(site: Site) -> None:
    await site.mailchimp(
        "POST", "faults", json={"kind": "apply_then_timeout", "path": "webhooks$", "method": "POST", "seconds": 0.3}
    )

    failed = await site.api.post(site.hooks, {"audience_id": site.list_id})

    assert failed.status_code == 503, failed.text
    assert await site.registered() == []
    assert await site.fetch("select id from webhook") == []


async def test_unknown_audiences_and_kinds_are_refused(site: Site) -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"kind": "batch", "audience_id": site.list_id},
        {"kind": "other"},
        {"audience_id": "../x"},
        {"audience_id": site.list_id, "url": "https://evil.test"},
    ]
    assert [(await site.api.post(site.hooks, body)).status_code for body in bodies] == [422] * len(bodies)
    assert (await site.api.post(site.hooks, {"audience_id": "ffffffffff"})).status_code == 409
    on_x3 = f"{site.tenant}/connections/{site.x3}/webhooks"
    assert (await site.api.post(on_x3, {"audience_id": site.list_id})).status_code == 422


async def test_a_rotation_moves_the_registration_and_keeps_the_old_path_for_a_while(site: Site) -> None:
    made = await site.hook()

    turned = (await site.api.post(f"{site.hooks}/{made['id']}/rotate", {"grace_seconds": 1})).json()

    assert turned["url"] != made["url"]
    assert [hook["url"] for hook in await site.registered()] == [turned["url"]]
    assert [await reached(url) for url in (turned["url"], made["url"])] == [200, 200]
    assert [path["expires_at"] is None for path in turned["paths"]] == [True, False]
    await asyncio.sleep(1.1)
    assert [await reached(url) for url in (turned["url"], made["url"])] == [200, 404]


async def test_a_second_rotation_ends_the_oldest_path(site: Site) -> None:
    made = await site.hook()
    turned = [(await site.api.post(f"{site.hooks}/{made['id']}/rotate")).json()["url"] for _ in range(2)]

    assert [await reached(url) for url in (made["url"], *turned)] == [404, 200, 200]


async def test_a_deleted_webhook_is_gone_on_both_sides(site: Site) -> None:
    made = await site.hook()

    deleted = await site.api.call("DELETE", f"{site.hooks}/{made['id']}")

    assert deleted.status_code == 204
    assert await site.registered() == []
    assert await reached(made["url"]) == 404
    assert (await site.api.call("DELETE", f"{site.hooks}/{made['id']}")).status_code == 404


async def test_a_webhook_can_be_deleted_when_mailchimp_lets_nobody_in(site: Site) -> None:
    made = await site.hook()
    await site.mailchimp("POST", "revoke", json={})

    assert (await site.api.call("DELETE", f"{site.hooks}/{made['id']}")).status_code == 204
    assert await reached(made["url"]) == 404


async def test_nothing_is_deleted_while_mailchimp_does_not_answer(site: Site) -> None:
    made = await site.hook()
    await site.mailchimp("POST", "faults", json={"kind": "unavailable", "count": None})

    assert (await site.api.call("DELETE", f"{site.hooks}/{made['id']}")).status_code == 503
    assert await reached(made["url"]) == 200


async def test_a_batch_webhook_is_registered_for_the_account(site: Site) -> None:
    made = await site.hook(kind="batch")

    assert (made["kind"], made["audience_id"], made["state"]) == ("batch", None, "ok")
    assert (await site.api.call("DELETE", f"{site.hooks}/{made['id']}")).status_code == 204


async def test_a_transactional_webhook_waits_for_its_key(site: Site) -> None:
    made = await site.hook(kind="transactional")

    assert made["url"].startswith(f"{site.url}/hooks/mandrill/")
    assert (made["state"], made["paths"][0]["signed"]) == ("needs_attention", False)
    changed = await site.api.call("PATCH", f"{site.hooks}/{made['id']}", json={"signing_key": "mandrills-key"})
    assert (changed.json()["state"], changed.json()["paths"][0]["signed"]) == ("ok", True)
    assert "mandrills-key" not in changed.text
    turned = (await site.api.post(f"{site.hooks}/{made['id']}/rotate")).json()
    assert [path["signed"] for path in turned["paths"]] == [True, True]
    other = await site.hook()
    refused = await site.api.call("PATCH", f"{site.hooks}/{other['id']}", json={"signing_key": "mandrills-key"})
    assert refused.status_code == 409


async def test_a_webhook_belongs_to_its_connection(site: Site) -> None:
    made = await site.hook()

    for method, path in (("POST", f"{made['id']}/rotate"), ("DELETE", made["id"])):
        answer = await site.api.call(method, f"{site.tenant}/connections/{site.x3}/webhooks/{path}")
        assert answer.status_code in (404, 422)
    assert len(await site.registered()) == 1


@pytest.mark.parametrize("revoked", [False, True])
async def test_a_deleted_connection_takes_its_webhooks_along(site: Site, revoked: bool) -> None:
    made = await site.hook()
    if revoked:
        await site.mailchimp("POST", "revoke", json={})

    deleted = await site.api.call("DELETE", f"{site.tenant}/connections/{site.connection}")

    assert deleted.status_code == 204
    assert len(await site.registered()) == (1 if revoked else 0)
    assert await reached(made["url"]) == 404
    assert await site.fetch("select id from webhook union all select id from webhook_path") == []
