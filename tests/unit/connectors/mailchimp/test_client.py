import httpx
import msgspec
import pytest

from app.connectors.mailchimp.client import Answer
from app.connectors.mailchimp.shapes import Account, Health
from app.domain.errors import NeedsTenant, ProtocolMismatch, RecordRejected, Transient
from tests.unit.connectors.mailchimp.scripted import Reply, Script, html, ok, problem

HEALTH = Answer(Health)
ALIVE = {"health_status": "Everything's Chimpy!"}
MEMBER = "/lists/L/members/2b9150605ac374d671a306b5fcee60a0"


async def test_a_request_carries_key_agent_and_data_centre() -> None:
    script = Script(ok(ALIVE))
    await script.client().ask("/ping", HEALTH)

    request = script.requests[0]
    assert request.url == "https://us6.api.mailchimp.com/3.0/ping"
    assert request.headers["Authorization"] == "Bearer 0123456789abcdef-us6"
    assert request.headers["User-Agent"].startswith("ml-connector/")
    assert request.extensions["timeout"]["read"] == 130


@pytest.mark.parametrize(
    ("path", "reply", "error", "code"),
    [
        ("/ping", problem(401, "API Key Invalid"), NeedsTenant, "mailchimp_key_invalid"),
        ("/ping", html(401), NeedsTenant, "mailchimp_key_invalid"),
        ("/ping", problem(403, "Forbidden"), NeedsTenant, "mailchimp_forbidden"),
        ("/ping", problem(403, "User Disabled"), NeedsTenant, "mailchimp_user_disabled"),
        ("/ping", html(403), Transient, "mailchimp_throttled"),
        ("/lists/L", problem(404, "Resource Not Found"), NeedsTenant, "mailchimp_audience_gone"),
        ("/lists/L/members", problem(404, "Resource Not Found"), NeedsTenant, "mailchimp_audience_gone"),
        ("/ecommerce/stores/S", problem(404), NeedsTenant, "mailchimp_store_gone"),
        ("/ecommerce/stores/S/customers/C", problem(404), RecordRejected, "not_found"),
        ("/batches/B", problem(404), RecordRejected, "not_found"),
        (MEMBER, problem(404, "Resource Not Found"), RecordRejected, "member_gone"),
        (MEMBER, problem(400, "Bad Request", "who knows"), RecordRejected, "rejected"),
        (MEMBER, html(400), RecordRejected, "rejected"),
        ("/nowhere", problem(404), ProtocolMismatch, "mailchimp_unknown_path"),
        ("/ping", problem(405, "Method Not Allowed"), ProtocolMismatch, "mailchimp_refused_request"),
        ("/ping", httpx.Response(302, headers={"Location": "https://evil.test/"}), ProtocolMismatch, None),
        ("/ping", problem(429, "TooManyRequests"), Transient, "mailchimp_busy"),
        ("/ping", httpx.Response(429), Transient, "mailchimp_busy"),
        ("/ping", problem(500, "InternalServerError"), Transient, "mailchimp_failing"),
        ("/ping", html(503), Transient, "mailchimp_failing"),
        ("/ping", httpx.Response(200, text="<html>login here</html>"), Transient, "mailchimp_unreadable"),
        ("/ping", httpx.Response(200, text='{"health_status": "Every'), Transient, "mailchimp_unreadable"),
        ("/ping", ok({"health_status": 5}), ProtocolMismatch, "mailchimp_shape"),
    ],
)
async def test_every_answer_has_its_error(
    path: str, reply: httpx.Response, error: type[Exception], code: str | None
) -> None:
    with pytest.raises(error) as raised:
        await Script(reply).client(attempts=1).ask(path, HEALTH)
    assert code is None or raised.value.code == code  # type: ignore[attr-defined]  # all ours have one


@pytest.mark.parametrize(
    ("reply", "unknown"),
    [
        (httpx.ConnectError("no"), False),
        (httpx.ConnectTimeout("no"), False),
        (httpx.PoolTimeout("no"), False),
        (httpx.ReadTimeout("late"), True),
        (httpx.WriteTimeout("late"), True),
        (httpx.ReadError("cut"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (problem(429), False),
        (problem(500), False),
        (html(503), False),
        (html(502), True),
        (html(504), True),
        (httpx.Response(200, text="{"), True),
    ],
)
async def test_the_outcome_is_unknown_where_the_request_may_have_been_carried_out(reply: Reply, unknown: bool) -> None:
    with pytest.raises(Transient) as raised:
        await Script(reply).client(attempts=1).ask("/ping", HEALTH)
    assert raised.value.outcome_unknown is unknown


async def test_a_busy_mailchimp_is_asked_again() -> None:
    script = Script(problem(429), html(503), httpx.ReadTimeout("late"), ok(ALIVE))
    assert (await script.client().ask("/ping", HEALTH)).health_status
    assert len(script.requests) == 4


async def test_an_unknown_outcome_is_not_repeated_where_that_matters() -> None:
    script = Script(httpx.ReadTimeout("late"), ok(ALIVE))
    with pytest.raises(Transient):
        await script.client().send("POST", "/lists/L", HEALTH, body=b"{}", repeat_unknown=False)
    assert len(script.requests) == 1


async def test_a_revoked_token_asks_for_a_new_sign_in() -> None:
    with pytest.raises(NeedsTenant) as raised:
        await Script(problem(401)).client(access_token="tok").ask("/ping", HEALTH)
    assert raised.value.authorization


async def test_a_retry_after_header_is_kept() -> None:
    reply = httpx.Response(429, headers={"Retry-After": "31"})
    with pytest.raises(Transient) as raised:
        await Script(reply).client(attempts=1).ask("/ping", HEALTH)
    assert raised.value.retry_after == 31


async def test_an_error_names_what_support_asks_for_but_no_person() -> None:
    reply = problem(429, "TooManyRequests ada@acme.test", "ada@acme.test")
    reply.headers["X-Request-Id"] = "req-7"
    with pytest.raises(Transient) as raised:
        await Script(reply).client(attempts=1).ask("/ping", HEALTH)
    assert raised.value.detail == "HTTP 429 TooManyRequests <address> instance=995c5cb0 request=req-7"


def test_a_wrong_shape_is_described_without_its_data() -> None:
    with pytest.raises(ProtocolMismatch) as raised:
        Answer(Account).read(msgspec.json.encode({"account_id": {"secret": "ada@acme.test"}}))
    assert "ada" not in str(raised.value.detail)
