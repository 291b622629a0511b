"""Connections: secrets go in and never come out, and a secret goes only where it was meant for."""

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.objects import SECRETS, a_mailchimp, an_x3, furnish

pytestmark = pytest.mark.integration


async def test_a_connection_is_answered_without_its_secret(api: Api) -> None:
    tenant = await api.tenant()

    response = await api.post(f"{tenant}/connections", an_x3())

    made = response.json()
    assert response.status_code == 201
    assert set(made) == {
        *("id", "name", "system", "kind", "url", "settings", "state", "state_reason", "facts"),
        *("created_at", "updated_at"),
    }
    assert made["state"] == "unverified"
    assert made["settings"] == {"endpoint": "SEED", "page_size": 500, "max_concurrency": 2}
    assert SECRETS[0] not in response.text
    assert response.headers["etag"] == '"1"'


async def test_no_answer_of_any_path_holds_a_secret(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    await api.post(f"{tenant}/connections/{ids['connections']}/verify")
    await api.post(f"{tenant}/connections/{ids['mailchimp']}/verify")

    paths = ["connections", f"connections/{ids['connections']}", "audit", "audit/export", "syncs", "runs", ""]
    texts = [(await api.get(f"{tenant}/{path}".rstrip("/"))).text for path in paths]

    assert not [secret for secret in SECRETS for text in texts if secret in text]


async def test_nothing_stored_holds_a_secret_in_clear(api: Api) -> None:
    tenant = await api.tenant()
    await furnish(api, tenant)

    async with api.resources.database.transaction(tenant.rpartition("/")[2]) as connection:
        rows = await connection.fetch("select c::text as whole from connection c")

    hexed = [secret.encode().hex() for secret in SECRETS]
    assert not [s for s in (*SECRETS, *hexed) for row in rows if s in row["whole"]]


async def test_verifying_a_dead_system_is_an_answer_not_an_error(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)

    for name, system in (("connections", "sage_x3"), ("mailchimp", "mailchimp")):
        response = await api.post(f"{tenant}/connections/{ids[name]}/verify")
        found = response.json()
        assert response.status_code == 200, response.text
        assert found["ok"] is False
        assert [check for check in found["checks"] if not check["ok"] and check["detail"]]
        after = (await api.get(f"{tenant}/connections/{ids[name]}")).json()
        assert (after["system"], after["state"]) == (system, "needs_attention")
        assert after["state_reason"]


async def test_verification_is_one_audit_event(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    await api.post(f"{tenant}/connections/{ids['connections']}/verify")

    events = (await api.get(f"{tenant}/audit?action=connection.verified")).json()["items"]

    assert [(e["object_id"], e["actor"], e["detail"]["ok"]) for e in events] == [
        (ids["connections"], "operator", False)
    ]


async def test_lists_of_a_mailchimp_that_is_down_say_when_to_come_back(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)

    for path in ("audiences", "audiences/a6b5da1054/merge-fields", "stores"):
        response = await api.get(f"{tenant}/connections/{ids['mailchimp']}/{path}")
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1


async def test_an_x3_connection_has_no_audiences(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)

    assert (await api.get(f"{tenant}/connections/{ids['connections']}/audiences")).status_code == 422


async def test_a_new_address_needs_the_credential_again(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    path = f"{tenant}/connections/{ids['connections']}"
    elsewhere = {"url": "http://127.0.0.1:10/xtrem/api"}

    refused = await api.call("PATCH", path, json=elsewhere)
    taken = await api.call("PATCH", path, json={**elsewhere, "credential": {"client_id": "a", "client_secret": "b"}})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/credential")
    assert (taken.status_code, taken.json()["url"]) == (200, elsewhere["url"])


async def test_a_base_url_counts_as_an_address(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)

    response = await api.call(
        "PATCH", f"{tenant}/connections/{ids['mailchimp']}", json={"settings": {"base_url": "http://127.0.0.1:10"}}
    )

    assert response.status_code == 422


async def test_settings_are_merged_name_by_name_and_null_gives_the_default_back(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    path = f"{tenant}/connections/{ids['connections']}"

    changed = await api.call("PATCH", path, json={"settings": {"page_size": 100, "max_concurrency": None}})

    assert changed.json()["settings"] == {"endpoint": "SEED", "page_size": 100}


async def test_replacing_a_credential_verifies_at_once_and_forgets_what_the_old_one_taught(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    path = f"{tenant}/connections/{ids['connections']}"

    response = await api.call("PUT", f"{path}/credential", json={"client_id": "app", "client_secret": "another"})

    assert response.status_code == 200, response.text
    assert response.json()["state"] == "needs_attention"
    actions = [event["action"] for event in (await api.get(f"{tenant}/audit")).json()["items"]][:2]
    assert actions == ["connection.verified", "connection.credential_replaced"]


async def test_a_credential_of_another_kind_is_refused_without_being_repeated(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)

    response = await api.call(
        "PUT",
        f"{tenant}/connections/{ids['mailchimp']}/credential",
        json={"api_key": ["canary-list"], "password": "canary"},
    )

    assert response.status_code == 422
    assert {error["pointer"] for error in response.json()["errors"]} == {"/api_key", "/password"}
    assert "canary" not in response.text


async def test_whoever_must_sign_in_first_needs_authorization(api: Api) -> None:
    tenant = await api.tenant()
    oauth = an_x3(kind="graphql_oauth", credential={"client_id": "a", "client_secret": "b"})

    made = await api.made(f"{tenant}/connections", oauth)
    checked = (await api.post(f"{tenant}/connections/{made['id']}/verify")).json()

    assert made["state"] == "needs_authorization"
    assert checked["ok"] is False
    state = (await api.get(f"{tenant}/connections/{made['id']}")).json()["state"]
    assert state == "needs_authorization"


async def test_a_connection_in_use_is_not_deleted(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    path = f"{tenant}/connections/{ids['connections']}"
    assert (await api.call("DELETE", path)).status_code == 409
    await api.post(f"{tenant}/runs/{ids['runs']}/cancel")
    assert (await api.call("DELETE", f"{tenant}/syncs/{ids['syncs']}")).status_code == 204

    assert (await api.call("DELETE", path)).status_code == 204

    assert (await api.get(path)).status_code == 404


async def test_an_old_version_is_not_changed(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    for name, method, body in (
        ("connections", "PATCH", {"name": "x"}),
        ("mappings", "PUT", {"name": "x", "stream": "customers"}),
        ("syncs", "PATCH", {"name": "x"}),
    ):
        path = f"{tenant}/{name}/{ids[name]}"
        tag = (await api.get(path)).headers["etag"]
        first = await api.call(method, path, json=body, headers={"If-Match": tag})
        second = await api.call(method, path, json=body, headers={"If-Match": tag})
        deleted = await api.call("DELETE", path, headers={"If-Match": tag})
        weak = await api.call(method, path, json=body, headers={"If-Match": "W/" + first.headers["etag"]})
        any_version = await api.call(method, path, json=body, headers={"If-Match": "*"})
        codes = [response.status_code for response in (first, second, deleted, weak, any_version)]
        assert codes == [200, 412, 412, 412, 200], name


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x3.acme.test/",
        "https://user:password@x3.acme.test/",
        "javascript:alert(1)",
        "https://",
        "https://x3.acme.test/#fragment",
        "https://x3 acme/",
        "https://good.example\\@127.0.0.1/",
        "//x3.acme.test",
        "https://" + "a" * 3000,
    ],
)
async def test_odd_addresses_are_refused(api: Api, url: str) -> None:
    tenant = await api.tenant()

    response = await api.post(f"{tenant}/connections", an_x3(url=url))

    assert response.status_code == 422
    assert "/url" in {error["pointer"] for error in response.json()["errors"]}


async def test_system_and_kind_must_fit(api: Api) -> None:
    tenant = await api.tenant()

    for body in (
        an_x3(kind="api_key"),
        a_mailchimp(kind="graphql_jwt"),
        a_mailchimp(url="https://x.test/"),
        an_x3(system=1),
    ):
        assert (await api.post(f"{tenant}/connections", body)).status_code == 422
