"""What is refused says where and why, in a sentence that somebody can act on."""

from typing import Any

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.objects import a_mailchimp, a_mapping, an_x3, furnish

pytestmark = pytest.mark.integration

HOST = "Must be an address that begins with https:// (or http://), without a user, blanks or a #."
SLUG = "Must be 1 to 63 small letters, digits and hyphens, no hyphen at either end."
SIGN_IN = "Must have client_id and client_secret to sign in with, or an access_token."
OAUTH = {"kind": "oauth"}
REFUSED: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("connections", an_x3(url="ftp://x3.acme.test"), "/url", HOST),
    ("connections", an_x3(settings={"endpoint": "a\nb"}), "/settings/endpoint", "Must not hold control characters."),
    ("connections", an_x3(settings=[]), "/settings", "Must be an object."),
    (
        "connections",
        an_x3(credential={"client_id": "a", "client_secret": ""}),
        "/credential/client_secret",
        "Must have 1 to 8192 characters.",
    ),
    (
        "connections",
        an_x3(credential={"client_id": "a", "client_secret": "s" * 100_000}),
        "/credential/client_secret",
        "Must have 1 to 8192 characters.",
    ),
    (
        "connections",
        an_x3(kind="rest_basic", credential={"username": "a:b", "password": "c"}),
        "/credential/username",
        "Must not hold a colon or control characters.",
    ),
    ("connections", a_mailchimp(**OAUTH, credential={}), "/credential", SIGN_IN),
    ("connections", a_mailchimp(**OAUTH, credential={"client_id": "a"}), "/credential", SIGN_IN),
    ("erasures", {"email": "nobody"}, "/email", "Must be an e-mail address."),
    ("dead-letters/replay", {"sync_id": 7}, "/sync_id", "Must be a UUID."),
)


@pytest.mark.parametrize(("path", "body", "pointer", "detail"), REFUSED)
async def test_a_wrong_body_is_told_in_words(
    api: Api, path: str, body: dict[str, Any], pointer: str, detail: str
) -> None:
    response = await api.post(f"{await api.tenant()}/{path}", body)

    assert response.status_code == 422
    assert response.json()["errors"] == [{"pointer": pointer, "detail": detail}]


async def test_a_slug_is_told_in_words(api: Api) -> None:
    response = await api.post("/v1/tenants", {"slug": "Acme", "name": "Acme", "time_zone": "UTC"})

    assert response.json()["errors"] == [{"pointer": "/slug", "detail": SLUG}]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("records?code=%01", "Must not hold control characters."),
        ("consent?email=%20%20%20", "Must be an e-mail address."),
        ("dead-letters?reason=a%20b", "Must be a reason, such as fake_address."),
        ("audit?action=x", "Must be an action, such as member.created."),
        ("webhook-events?type=A", "Must be a type of event, such as unsubscribe."),
        ("runs?cursor=%00", "This cursor does not belong to this list; start again without it."),
    ],
)
async def test_a_wrong_question_is_told_in_words(api: Api, query: str, detail: str) -> None:
    response = await api.get(f"{await api.tenant()}/{query}")

    assert response.status_code == 422
    name = query.partition("?")[2].partition("=")[0]
    assert response.json()["errors"] == [{"pointer": f"/query/{name}", "detail": detail}]


async def test_no_refusal_shows_a_pattern(api: Api) -> None:
    """What has no sentence of its own yet gets a plain one."""
    tenant = await api.tenant()
    odd = an_x3(settings={"headers": {"a b": "c"}, "fields": {"customers": {"A B": "x"}}, "link_hosts": ["a/b"]})

    for path, body in (("connections", odd), ("mappings", a_mapping(fields=[{"target": "a b", "constant": "c"}]))):
        response = await api.post(f"{tenant}/{path}", body)
        assert response.status_code == 422
        assert "pattern" not in response.text


async def test_an_unknown_name_in_a_map_is_pointed_at(api: Api) -> None:
    rest = an_x3(kind="rest_basic", settings={"rest": {"nothing": {}}}, credential={"username": "a", "password": "b"})

    response = await api.post(f"{await api.tenant()}/connections", rest)

    assert [fault["pointer"] for fault in response.json()["errors"]] == ["/settings/rest/nothing"]


async def test_what_only_mailchimp_has_is_refused_at_the_connection(api: Api) -> None:
    tenant = await api.tenant()
    x3 = f"{tenant}/connections/{(await furnish(api, tenant))['connections']}"

    answers = [
        await api.get(f"{x3}/audiences"),
        await api.get(f"{x3}/stores"),
        await api.post(f"{x3}/webhooks", {"audience_id": "a6b5da1054"}),
    ]

    for answer in answers:
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "wrong_system")
        assert problem["errors"] == [{"pointer": "/path/id", "detail": problem["detail"]}]


async def test_a_webhook_without_an_audience_is_told_what_is_missing(api: Api) -> None:
    tenant = await api.tenant()
    mailchimp = (await furnish(api, tenant))["mailchimp"]

    for body in ({}, {"kind": "batch", "audience_id": "a6b5da1054"}):
        response = await api.post(f"{tenant}/connections/{mailchimp}/webhooks", body)
        assert [fault["pointer"] for fault in response.json()["errors"]] == ["/audience_id"]


async def test_a_run_says_how_much_it_is_to_read(api: Api) -> None:
    tenant = await api.tenant()
    sync = (await furnish(api, tenant))["syncs"]

    response = await api.post(f"{tenant}/syncs/{sync}/runs", {"dry_run": True})

    assert [fault["pointer"] for fault in response.json()["errors"]] == ["/mode"]


async def test_null_is_no_value_of_what_has_none(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    places = {
        tenant: ("name", "slug", "time_zone"),
        f"{tenant}/connections/{ids['connections']}": ("name", "url", "settings", "credential"),
        f"{tenant}/connections/{ids['mailchimp']}": ("name",),
        f"{tenant}/syncs/{ids['syncs']}": ("name", "target", "brake", "enabled"),
    }

    for path, names in places.items():
        for name in names:
            response = await api.call("PATCH", path, json={name: None})
            assert response.json()["errors"] == [{"pointer": f"/{name}", "detail": "Cannot be null."}]

    kept = await api.call("PATCH", f"{tenant}/connections/{ids['mailchimp']}", json={"url": None})
    assert (kept.status_code, kept.json()["url"]) == (200, None)


async def test_another_request_under_the_same_key_is_pointed_at(api: Api) -> None:
    path, headers = f"{await api.tenant()}/mappings", {"Idempotency-Key": "one"}
    await api.made(path, a_mapping(), headers=headers)

    problem = (await api.post(path, a_mapping(name="other"), headers=headers)).json()

    assert problem["code"] == "idempotency_mismatch"
    assert problem["errors"] == [{"pointer": "/header/Idempotency-Key", "detail": problem["detail"]}]
