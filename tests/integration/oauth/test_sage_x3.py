"""Signing in to the Sage gateway over real HTTP: the four ways a callback comes, and everything that must not work."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.api import oauth
from app.connections.answering import look_again
from sandbox.server import Options
from sandbox.x3.state import Settings
from tests.integration.oauth.conftest import HTML, Stage, query_of

pytestmark = pytest.mark.integration


async def callback(stage: Stage, **fields: str) -> httpx.Response:
    return await stage.http.get(f"{stage.url}/oauth/callback/sage-x3", params=fields)


async def test_the_address_is_the_one_sage_documents(stage: Stage) -> None:
    connection = await stage.connect_x3()

    answer = await stage.call("POST", f"{stage.tenant}/connections/{connection}/authorize")

    url, expires_at = answer.json()["authorize_url"], datetime.fromisoformat(answer.json()["expires_at"])
    assert url.startswith(f"{stage.vendors.x3['gateway_url']}/token/authorise?")
    assert "scope=businessDomain.ALL%20api.graphQL" in url
    query = query_of(url)
    assert query.keys() == {"client_id", "scope", "customer", "redirect_uri", "state"}
    assert query["customer"] == "https://x3.acme.test"
    assert query["redirect_uri"] == f"{stage.url}/oauth/callback/sage-x3"
    assert len(query["state"]) == 43
    assert timedelta(minutes=9) < expires_at - datetime.now(UTC) <= timedelta(minutes=10)


@pytest.mark.parametrize("how", ["get", "post_form", "post_json"])
async def test_a_sign_in_connects_whichever_way_the_answer_comes(stage: Stage, how: str) -> None:
    await stage.x3("PATCH", "settings", {"callback": how})
    connection = await stage.connect_x3()
    assert (await stage.connection(connection))["state"] == "needs_authorization"

    page = await stage.sign_in(connection)

    found = await stage.connection(connection)
    assert (found["state"], found["state_reason"]) == ("ok", None)
    assert found["facts"]["folders"] == ["SEED"]
    assert "folder.SEED" in found["facts"]["granted_scope"]
    ends = datetime.fromisoformat(found["facts"]["refresh_token_expires_at"])
    assert timedelta(days=30) < ends - datetime.now(UTC) < timedelta(days=31)
    assert await stage.actions() == ["connection.authorization_started", "connection.authorized"]
    assert await stage.states() == []
    assert page.status_code == 200
    if how != "post_json":  # there Sage's own page is the last one the browser sees
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "Sage X3 is connected" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert page.headers["cache-control"] == "no-store"
        assert "<script" not in page.text


@pytest.mark.parametrize("kind", ["query", "form", "json", "multipart"])
async def test_a_post_may_carry_its_fields_in_every_encoding(stage: Stage, kind: str) -> None:
    await stage.x3("PATCH", "settings", {"callback": "post_json"})
    fields = await asked_for(stage)
    given: dict[str, Any] = {
        "query": {"params": fields},
        "form": {"data": fields},
        "json": {"json": {**fields, "extra": [1]}},
        "multipart": {"files": {name: (None, value) for name, value in fields.items()}},
    }[kind]

    answer = await stage.http.post(f"{stage.url}/oauth/callback/sage-x3", **given)

    assert (answer.status_code, answer.json()["status"]) == (200, "connected")


async def asked_for(stage: Stage, **settings: Any) -> dict[str, str]:
    """The fields of a callback that was approved but has not been sent yet."""
    await stage.x3("PATCH", "settings", {"approval": "later", "callback": "get", **settings})
    connection = await stage.connect_x3()
    await stage.browser.visit(await stage.authorize(connection))
    sent = await stage.x3("POST", "approve")
    return query_of(sent.headers["location"])


async def test_machines_get_json_and_problems(stage: Stage) -> None:
    fields = await asked_for(stage)

    good = await callback(stage, **fields)
    again = await callback(stage, **fields)

    assert good.json() == {"status": "connected", "detail": "Sage X3 is connected. You can close this window."}
    assert (again.status_code, again.json()["code"]) == (400, "oauth_unknown")
    assert again.headers["content-type"] == "application/problem+json"


async def test_a_state_is_answered_once_even_by_many_at_once(stage: Stage) -> None:
    fields = await asked_for(stage)

    answers = await asyncio.gather(*(callback(stage, **fields) for _ in range(6)))

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400, 400]
    assert await stage.asked("token.authorization_code") == 1


async def test_what_no_state_of_ours_comes_with_is_refused_alike(stage: Stage) -> None:
    fields = await asked_for(stage)
    mailchimp = await stage.connect_mailchimp()
    of_mailchimp = query_of(await stage.authorize(mailchimp))["state"]
    states = ["", "x", "A" * 43, fields["state"][:-1], fields["state"] + "A", "é" * 43, of_mailchimp, "A" * 9000]

    answers = [await callback(stage, **{**fields, "state": state}) for state in states]

    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.content for answer in answers[:-1]}) == 1
    assert await stage.asked("token.authorization_code") == 0
    assert (await callback(stage, **fields)).status_code == 200  # the good one was not used up by any of them


async def test_without_a_code_nothing_is_used_up(stage: Stage) -> None:
    fields = await asked_for(stage)

    empty = await callback(stage, state=fields["state"])

    assert (empty.status_code, empty.json()["code"]) == (400, "oauth_incomplete")
    assert (await callback(stage, **fields)).status_code == 200


async def test_two_values_for_one_name_are_refused(stage: Stage) -> None:
    fields = await asked_for(stage)

    answer = await stage.http.post(
        f"{stage.url}/oauth/callback/sage-x3?endpoint=https://evil.test/v1",
        data={**fields, "endpoint": stage.vendors.x3["gateway_url"]},
    )

    assert answer.status_code == 400
    assert await stage.asked("token.authorization_code") == 0


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"state": "a", "state": "b"}', b"[]", b"\xff\xfe", b"%zz=%", b"a=1&" * 40, b"x" * 20_000, b'{"a": NaN}'],
)
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"]
)
async def test_an_unreadable_body_is_a_problem_not_a_fault(stage: Stage, body: bytes, content_type: str) -> None:
    answer = await stage.http.post(
        f"{stage.url}/oauth/callback/sage-x3", content=body, headers={"content-type": content_type}
    )

    assert answer.status_code == 400
    assert answer.json()["code"] in ("oauth_incomplete", "oauth_unknown")


async def test_an_expired_sign_in_is_refused(stage: Stage) -> None:
    fields = await asked_for(stage)
    await stage.execute("update oauth_state set expires_at = now() - interval '1 second', late_until = now()")

    answer = await callback(stage, **fields)

    assert (answer.status_code, answer.json()["code"]) == (400, "oauth_expired")
    assert await stage.asked("token.authorization_code") == 0
    assert (await stage.actions())[-1] == "connection.authorization_expired"


async def test_a_late_approval_is_taken_while_the_connection_waits_for_it(stage: Stage) -> None:
    fields = await asked_for(stage)
    await stage.execute("update oauth_state set expires_at = now() - interval '1 hour'")

    assert (await callback(stage, **fields)).status_code == 200


async def test_a_late_approval_replaces_nothing_that_works(stage: Stage) -> None:
    await stage.x3("PATCH", "settings", {"callback": "get"})
    connection = await stage.connect_x3()
    await stage.sign_in(connection)
    await stage.x3("PATCH", "settings", {"approval": "later"})
    await stage.browser.visit(await stage.authorize(connection))
    fields = query_of((await stage.x3("POST", "approve")).headers["location"])
    await stage.execute("update oauth_state set expires_at = now() - interval '1 hour'")

    assert (await callback(stage, **fields)).json()["code"] == "oauth_expired"


async def test_a_sign_in_dies_with_the_key_that_began_it(stage: Stage) -> None:
    await stage.x3("PATCH", "settings", {"approval": "later", "callback": "get"})
    key = await stage.made(f"{stage.tenant}/api-keys", {"name": "gone", "role": "admin"})
    connection = await stage.connect_x3()
    await stage.browser.visit(await stage.authorize(connection, key=key["key"]))
    fields = query_of((await stage.x3("POST", "approve")).headers["location"])
    await stage.call("DELETE", f"{stage.tenant}/api-keys/{key['id']}")

    answer = await callback(stage, **fields)

    assert (answer.status_code, answer.json()["code"]) == (409, "oauth_refused")
    assert await stage.asked("token.authorization_code") == 0


async def test_a_sign_in_dies_when_its_application_is_replaced(stage: Stage) -> None:
    fields = await asked_for(stage)
    connection = (await stage.call("GET", f"{stage.tenant}/connections")).json()["items"][0]["id"]
    other = {"client_id": "other", "client_secret": "other"}
    await stage.call("PUT", f"{stage.tenant}/connections/{connection}/credential", other)

    answer = await callback(stage, **fields)

    assert answer.status_code == 409
    assert "changed" in answer.json()["detail"]
    assert await stage.asked("token.authorization_code") == 0


async def test_a_deleted_connection_takes_no_answer(stage: Stage) -> None:
    fields = await asked_for(stage)
    connection = (await stage.call("GET", f"{stage.tenant}/connections")).json()["items"][0]["id"]
    await stage.call("DELETE", f"{stage.tenant}/connections/{connection}")

    assert (await callback(stage, **fields)).json()["code"] == "oauth_unknown"


async def test_no_is_an_answer(stage: Stage) -> None:
    fields = await asked_for(stage)

    page = await stage.http.get(
        f"{stage.url}/oauth/callback/sage-x3", params={"state": fields["state"], "error": "access_denied"}, headers=HTML
    )

    assert page.status_code == 403
    assert "declined" in page.text
    assert (await stage.actions())[-1] == "connection.authorization_declined"
    assert (await callback(stage, **fields)).status_code == 400


async def test_the_region_of_the_customer_is_used_from_then_on(stage: Stage) -> None:
    elsewhere = stage.vendors.x3["gateway_url"].replace("127.0.0.1", "localhost")
    fields = await asked_for(stage, customer_endpoint=elsewhere)
    assert fields["endpoint"] == elsewhere

    answer = await callback(stage, **fields)

    assert answer.json()["status"] == "connected", answer.text
    connection = (await stage.call("GET", f"{stage.tenant}/connections")).json()["items"][0]
    assert connection["facts"]["gateway_url"] == elsewhere
    assert connection["facts"]["graphql_url"].startswith(elsewhere)
    again = (await stage.call("POST", f"{stage.tenant}/connections/{connection['id']}/verify")).json()
    assert again["facts"]["graphql_url"].startswith(elsewhere)


class Trap:
    """A server at the gateway's own port of another address, which we may call; keeps whatever is sent to it."""

    def __init__(self, port: int) -> None:
        self.heard: list[bytes] = []
        self.port = port

    async def __aenter__(self) -> "Trap":
        self._server = await asyncio.start_server(self._listen, "127.0.0.2", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.read(65536))
        writer.close()


FORGED = (
    "http://127.0.0.2:{port}/v1",
    "http://127.0.0.2/v1",
    "http://127.0.0.1:8080/v1",
    "http://localhost:8080/v1",
    "https://localhost:{port}/v1",
    "http://localhost@127.0.0.2:{port}/v1",
    "http://127.0.0.2:{port}\\@localhost/v1",
    "http://127.0.0.2:{port}/v1?x=localhost",
    "http://127.0.0.2:{port}#localhost",
    "http://evil-localhost:{port}/v1",
    "http://2130706434:{port}/v1",
    "http://127.0.0.2.localhost:{port}/v1",
    "http://[::ffff:127.0.0.2]:{port}/v1",
    "//127.0.0.2:{port}/v1",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://localhost:{port}%2f@127.0.0.2/v1",
)


@pytest.mark.parametrize("endpoint", FORGED)
async def test_a_forged_endpoint_is_never_sent_the_secret(stage: Stage, endpoint: str) -> None:
    fields = await asked_for(stage)
    sent: list[httpx.Request] = []
    client = stage.resources.outbound.client()
    real = client._transport.handle_async_request

    async def noting(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return await real(request)

    client._transport.handle_async_request = noting  # type: ignore[method-assign]  # everything that leaves the process
    async with Trap(urlsplit(stage.vendors.x3["url"]).port or 0) as trap:
        answer = await callback(stage, **{**fields, "endpoint": endpoint.format(port=trap.port)})

        assert (answer.status_code, answer.json()["code"]) == (409, "oauth_refused"), answer.text
        assert "not one of Sage's" in answer.json()["detail"]
        assert trap.heard == []
    assert sent == []
    assert await stage.asked("token.authorization_code") == 0
    assert (await stage.actions())[-1] == "connection.authorization_failed"
    assert (await callback(stage, **fields)).status_code == 400  # whoever forges has used the sign-in up


async def test_a_code_before_the_approval_waits_and_completes_by_itself(stage: Stage) -> None:
    await stage.x3("PATCH", "settings", {"approval": "later", "callback": "post_json"})
    connection = await stage.connect_x3()
    state = query_of(await asked(stage, connection))["state"]
    code = (await stage.x3("GET", "pairings")).json()[-1]["code"]

    answer = await callback(stage, state=state, authorizationCode=code)

    assert (answer.status_code, answer.json()["status"]) == (202, "waiting")
    found = await stage.connection(connection)
    assert found["state"] == "needs_authorization"
    assert "approved" in found["state_reason"]
    assert code.encode() not in (await stage.states())[0]["answer"]
    await due(stage)
    assert await look_again(stage.resources.opener) == 1
    assert (await stage.connection(connection))["state"] == "needs_authorization"
    await stage.x3("POST", "approve")
    await due(stage)
    await look_again(stage.resources.opener)
    assert (await stage.connection(connection))["state"] == "ok"
    assert await stage.states() == []
    assert await look_again(stage.resources.opener) == 0
    assert await stage.actions() == [
        "connection.authorization_started",
        "connection.authorization_waiting",
        "connection.authorized",
    ]


async def asked(stage: Stage, connection: str) -> str:
    url = await stage.authorize(connection)
    await stage.browser.visit(url)
    return url


async def due(stage: Stage) -> None:
    await stage.execute("update oauth_state set next_try_at = now() where next_try_at is not null")


async def test_a_request_that_expires_at_sage_says_so(stage: Stage) -> None:
    await stage.x3("PATCH", "settings", {"approval": "later"})
    connection = await stage.connect_x3()
    state = query_of(await asked(stage, connection))["state"]
    code = (await stage.x3("GET", "pairings")).json()[-1]["code"]
    await callback(stage, state=state, authorizationCode=code)
    await stage.x3("POST", "approve", {"expire": True})
    await due(stage)

    await look_again(stage.resources.opener)

    found = await stage.connection(connection)
    assert found["state"] == "needs_authorization"
    assert (
        found["state_reason"] == "The request at Sage X3 is no longer open (The request has expired); start it again."
    )
    assert await stage.states() == []


async def test_nobody_waits_for_an_approval_for_ever(stage: Stage) -> None:
    await stage.x3("PATCH", "settings", {"approval": "later"})
    connection = await stage.connect_x3()
    state = query_of(await asked(stage, connection))["state"]
    code = (await stage.x3("GET", "pairings")).json()[-1]["code"]
    await callback(stage, state=state, authorizationCode=code)
    await stage.execute("update oauth_state set expires_at = now() - interval '9 days', late_until = now()")
    await due(stage)

    await look_again(stage.resources.opener)

    assert "in time" in (await stage.connection(connection))["state_reason"]
    assert await stage.states() == []


async def test_a_gateway_that_is_down_costs_no_sign_in(stage: Stage) -> None:
    fields = await asked_for(stage)
    await stage.x3("POST", "faults", {"kind": "error", "status": 501, "path": "/v1/token", "count": 1})

    answer = await callback(stage, **fields)

    assert answer.json()["status"] == "waiting"
    await due(stage)
    await look_again(stage.resources.opener)
    assert [c["state"] for c in (await stage.call("GET", f"{stage.tenant}/connections")).json()["items"]] == ["ok"]


async def test_two_workers_exchange_a_waiting_code_once(stage: Stage) -> None:
    fields = await asked_for(stage)
    await stage.x3("POST", "faults", {"kind": "error", "status": 501, "path": "/v1/token", "count": 1})
    await callback(stage, **fields)
    await due(stage)

    await asyncio.gather(*(look_again(stage.resources.opener) for _ in range(4)))

    assert await stage.asked("token.authorization_code") == 1
    assert (await stage.actions())[-1] == "connection.authorized"


class TestSeveralFolders:
    @pytest.fixture
    def options(self) -> Options:
        return Options(customers=5, suppliers=1, invoices=0, x3=Settings(cloud_folders=("SEED", "PROD")))

    async def test_the_page_says_what_is_still_missing_and_the_rest_comes_by_itself(self, stage: Stage) -> None:
        connection = await stage.connect_x3()

        page = await stage.sign_in(connection)

        assert "PROD, SEED" in page.text
        assert (await stage.connection(connection))["state"] == "needs_attention"
        path = f"{stage.tenant}/connections/{connection}"
        changed = await stage.call("PATCH", path, {"settings": {"folder": "PROD"}})
        assert changed.status_code == 200, changed.text
        await due(stage)
        await look_again(stage.resources.opener)
        found = await stage.connection(connection)
        assert found["state"] == "ok"
        assert "PROD" in found["facts"]["graphql_url"]


async def test_only_the_newest_sign_ins_of_a_connection_are_kept_and_success_ends_the_others(stage: Stage) -> None:
    connection = await stage.connect_x3()
    urls = [await stage.authorize(connection) for _ in range(12)]
    assert len(await stage.states()) == 10

    await stage.browser.visit(urls[-1])

    assert (await stage.connection(connection))["state"] == "ok"
    assert (await stage.browser.visit(urls[5])).status_code == 400
    assert (await stage.browser.visit(urls[0])).status_code == 400


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"settings": {"customer_url": None}}, "x3_customer_url"),
        ({"kind": "graphql_jwt"}, "oauth_not_used"),
    ],
)
async def test_what_cannot_be_signed_in_to_says_why(stage: Stage, given: dict[str, Any], code: str) -> None:
    connection = await stage.connect_x3(**given)

    answer = await stage.call("POST", f"{stage.tenant}/connections/{connection}/authorize")

    assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_no_secret_of_a_sign_in_is_kept_in_clear_or_shown(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = await asked_for(stage)
    await callback(stage, **fields)
    connection = (await stage.call("GET", f"{stage.tenant}/connections")).json()["items"][0]
    tokens = [fields["state"], fields["authorizationCode"], "eyJ", stage.vendors.x3["client_secret"]]

    shown = str(connection) + (await stage.call("GET", f"{stage.tenant}/audit")).text
    logged = capsys.readouterr().out

    assert "connection.authorized" in shown  # where logs go depends on the process; test_canaries.py reads them all
    assert [token for token in tokens if token in shown + logged] == []


async def test_a_slow_verification_keeps_no_browser_waiting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(oauth.PATIENCE_SECONDS, "GET", 0.01)
    fields = await asked_for(stage)

    answer = await callback(stage, **fields)

    assert (answer.status_code, answer.json()["status"]) == (202, "waiting")
    for _ in range(200):
        connection = (await stage.call("GET", f"{stage.tenant}/connections")).json()["items"][0]
        if connection["state"] == "ok":
            break
        await asyncio.sleep(0.05)
    assert connection["state"] == "ok"


async def test_a_tenant_may_be_deleted_with_sign_ins_under_way(stage: Stage) -> None:
    fields = await asked_for(stage)

    assert (await stage.call("DELETE", stage.tenant)).status_code == 204

    assert (await callback(stage, **fields)).json()["code"] == "oauth_unknown"
