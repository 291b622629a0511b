"""The gateway's answers to the code of a callback, each as the error it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.connectors.sage_x3.authorise import WAITS, Granted, authorise_url, code_in, exchange
from app.connectors.sage_x3.tokens import Tokens, read_pair, setback_of
from app.domain.errors import ConnectorError, NeedsTenant, ProtocolMismatch, Transient

REGION = "https://api.eu-sandbox-sagex3.com/v1"


async def exchanged(reply: httpx.Response | Exception) -> tuple[Granted, httpx.Request]:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        granted = await exchange(
            client, REGION, code="c0de", client_id="app", client_secret="s3cret", redirect_uri="https://mlc.test/cb"
        )
    return granted, asked[0]


async def test_the_code_goes_as_json_to_the_endpoint() -> None:
    answer = {"access_token": "a", "refresh_token": "r", "scope": "api.graphQL folder.SEED"}

    granted, request = await exchanged(httpx.Response(200, json=answer))

    assert (request.method, str(request.url)) == ("POST", f"{REGION}/token")
    assert request.headers["content-type"] == "application/json"
    assert b'"grant_type":"authorization_code"' in request.content
    assert (granted.tokens.access_token, granted.tokens.refresh_token) == ("a", "r")
    assert granted.scope == "api.graphQL folder.SEED"


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (403, {"message": "The pairing request has not been accepted."}, Transient, WAITS),
        (403, {"message": "The request has expired."}, NeedsTenant, "x3_pairing_gone"),
        (403, {"message": "Pairing request not found"}, NeedsTenant, "x3_pairing_gone"),
        (403, {"message": "The application registered is disabled"}, NeedsTenant, "x3_application"),
        (404, {"message": "Could not associate the client id"}, NeedsTenant, "x3_application"),
        (400, {"message": "Missing required request parameters"}, ProtocolMismatch, "x3_token_request"),
        (501, {"message": "An internal error occurred: x"}, Transient, "x3_gateway_busy"),
        (429, {}, Transient, "x3_gateway_busy"),
        (302, {}, ProtocolMismatch, "x3_token_status"),
        (200, {}, ProtocolMismatch, "x3_token_shape"),
        (200, [], ProtocolMismatch, "x3_token_shape"),
    ],
)
async def test_each_refusal_is_what_it_is(status: int, body: Any, error: type[ConnectorError], code: str) -> None:
    with pytest.raises(error) as raised:
        await exchanged(httpx.Response(status, json=body))
    assert raised.value.code == code


async def test_no_answer_is_transient() -> None:
    with pytest.raises(Transient):
        await exchanged(httpx.ReadTimeout("slow"))


@pytest.mark.parametrize("name", ["authorizationCode", "authorization_code", "code"])
def test_the_code_is_found_whatever_it_is_called(name: str) -> None:
    assert code_in({name: "x", "state": "y"}) == "x"
    assert code_in({name: ""}) is None


def test_a_region_may_end_in_a_slash() -> None:
    url = authorise_url(REGION + "/", client_id="a&b", customer_url="https://x", redirect_uri="https://y", state="z")

    assert url.startswith(f"{REGION}/token/authorise?client_id=a%26b&")


def test_a_reused_refresh_token_keeps_its_end() -> None:
    now = datetime.now(UTC)
    before = Tokens("x", "old", None, now + timedelta(days=3))

    same = read_pair({"access_token": "a"}, previous=before, now=now)
    fresh = read_pair({"access_token": "a", "refresh_token": "new"}, previous=before, now=now)

    assert same is not None
    assert same.refresh_expires_at == now + timedelta(days=3)
    assert fresh is not None
    assert fresh.refresh_expires_at == now + timedelta(days=30)


def test_a_setback_says_later_what_was_said_at_first() -> None:
    now = datetime.now(UTC)
    refused = setback_of(NeedsTenant("x3_authorization", "No.", authorization=True), now)
    failed = setback_of(Transient("x3_gateway_busy", "Busy.", retry_after=600), now)

    again, later = refused.error(now), failed.error(now)

    assert isinstance(again, NeedsTenant)
    assert (again.code, again.message, again.authorization) == ("x3_authorization", "No.", True)
    assert isinstance(later, Transient)
    assert later.retry_after == 60
    assert (refused.until - now, failed.until - now) == (timedelta(seconds=60), timedelta(seconds=60))
