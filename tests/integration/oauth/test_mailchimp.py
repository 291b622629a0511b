"""Signing in to Mailchimp over real HTTP: form, metadata, data centre, and what must not work."""

from typing import Any

import httpx
import pytest

from tests.integration.oauth.conftest import Stage, query_of

pytestmark = pytest.mark.integration


async def callback(stage: Stage, **fields: str) -> httpx.Response:
    return await stage.http.get(f"{stage.url}/oauth/callback/mailchimp", params=fields)


async def asked_for(stage: Stage, **given: Any) -> dict[str, str]:
    """The fields of a callback that Mailchimp made and nobody has delivered."""
    connection = await stage.connect_mailchimp(**given)
    sent = await stage.http.get(await stage.authorize(connection), follow_redirects=False)
    assert sent.status_code == 302, sent.text
    return query_of(sent.headers["location"])


async def only_connection(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.call("GET", f"{stage.tenant}/connections")).json()["items"][0]
    return found


async def test_a_sign_in_connects_and_learns_the_data_centre(stage: Stage) -> None:
    connection = await stage.connect_mailchimp()
    await stage.mailchimp("PATCH", "settings", {"redirect_uris": [f"{stage.url}/oauth/callback/mailchimp"]})
    assert (await stage.connection(connection))["state"] == "needs_authorization"

    page = await stage.sign_in(connection)

    assert "Mailchimp is connected" in page.text
    found = await stage.connection(connection)
    assert (found["state"], found["state_reason"]) == ("ok", None)
    assert found["facts"]["data_centre"] == "us6"
    assert {"account_id", "account_name", "role", "login_id", "authorized_at"} <= found["facts"].keys()
    assert await stage.actions() == ["connection.authorization_started", "connection.authorized"]


async def test_the_address_is_the_one_mailchimp_documents(stage: Stage) -> None:
    url = await stage.authorize(await stage.connect_mailchimp(settings={}))

    assert url.startswith("https://login.mailchimp.com/oauth2/authorize?")
    query = query_of(url)
    assert query.keys() == {"response_type", "client_id", "redirect_uri", "state"}
    assert query["response_type"] == "code"
    assert query["redirect_uri"] == f"{stage.url}/oauth/callback/mailchimp"


async def test_the_owner_may_say_no(stage: Stage) -> None:
    await stage.mailchimp("PATCH", "settings", {"owner_refuses": True})
    connection = await stage.connect_mailchimp()

    page = await stage.sign_in(connection)

    assert page.status_code == 403
    assert "declined" in page.text
    found = await stage.connection(connection)
    assert found["state"] == "needs_authorization"
    assert "declined" in found["state_reason"]


async def test_a_no_changes_nothing_that_works(stage: Stage) -> None:
    connection = await stage.connect_mailchimp()
    await stage.sign_in(connection)
    await stage.mailchimp("PATCH", "settings", {"owner_refuses": True})

    await stage.sign_in(connection)

    found = await stage.connection(connection)
    assert (found["state"], found["state_reason"]) == ("ok", None)


async def test_a_code_or_a_state_works_once(stage: Stage) -> None:
    fields = await asked_for(stage)

    assert (await callback(stage, **fields)).json()["status"] == "connected"
    assert (await callback(stage, **fields)).json()["code"] == "oauth_unknown"


async def test_a_spent_code_is_refused_in_a_sentence(stage: Stage) -> None:
    fields = await asked_for(stage)

    answer = await callback(stage, **{**fields, "code": "0" * 32})

    assert (answer.status_code, answer.json()["code"]) == (409, "oauth_refused")
    found = await only_connection(stage)
    assert found["state_reason"] == answer.json()["detail"]


async def test_a_wrong_client_secret_is_named(stage: Stage) -> None:
    client_id = stage.vendors.mailchimp["client_id"]
    fields = await asked_for(stage, credential={"client_id": client_id, "client_secret": "wrong"})

    answer = await callback(stage, **fields)

    assert "client secret" in answer.json()["detail"]


async def test_there_is_no_late_approval(stage: Stage) -> None:
    fields = await asked_for(stage)
    await stage.execute("update oauth_state set expires_at = now() - interval '1 second'")

    assert (await callback(stage, **fields)).json()["code"] == "oauth_expired"


async def test_a_login_server_that_fails_costs_the_sign_in_and_says_so(stage: Stage) -> None:
    fields = await asked_for(stage)
    await stage.mailchimp("POST", "faults", {"kind": "unavailable", "path": "/oauth2/token", "count": 1})

    answer = await callback(stage, **fields)

    assert (answer.status_code, answer.json()["code"]) == (409, "oauth_refused")
    assert "start the sign-in again" in answer.json()["detail"]


async def test_a_metadata_call_that_fails_is_made_again_by_the_verification(stage: Stage) -> None:
    fields = await asked_for(stage)
    await stage.mailchimp("POST", "faults", {"kind": "unavailable", "path": "/oauth2/metadata", "count": 1})

    assert (await callback(stage, **fields)).json()["status"] == "connected"
    assert (await only_connection(stage))["facts"]["data_centre"] == "us6"


async def test_a_post_is_no_answer_of_mailchimp(stage: Stage) -> None:
    fields = await asked_for(stage)

    answer = await stage.http.post(f"{stage.url}/oauth/callback/mailchimp", data=fields)

    assert answer.status_code == 405


async def test_a_state_of_one_vendor_is_none_at_the_other(stage: Stage) -> None:
    fields = await asked_for(stage)

    answer = await stage.http.get(f"{stage.url}/oauth/callback/sage-x3", params=fields)

    assert answer.json()["code"] == "oauth_unknown"
    assert (await callback(stage, **fields)).json()["status"] == "connected"


async def test_a_connection_with_a_token_alone_has_no_application_to_sign_in_with(stage: Stage) -> None:
    connection = await stage.connect_mailchimp(credential={"access_token": "0" * 32})

    answer = await stage.call("POST", f"{stage.tenant}/connections/{connection}/authorize")

    assert (answer.status_code, answer.json()["code"]) == (409, "oauth_client_missing")
