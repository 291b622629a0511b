"""Callbacks come without a key: they are counted by their source and by their state."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api.callback_limits import source_of
from app.main import create_app
from app.resources import Resources
from tests.integration.api.conftest import Api
from tests.integration.api.objects import a_mailchimp

pytestmark = pytest.mark.integration

PATHS = ("/oauth/callback/sage-x3", "/oauth/callback/mailchimp")
MANY = 60


@pytest.fixture
def app(resources: Resources) -> FastAPI:
    return create_app(resources=resources)


async def call(app: FastAPI, source: str, method: str = "GET", path: str = PATHS[0], **given: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=(source, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
        return await http.request(method, path, **given)


async def statuses(app: FastAPI, source: str, method: str = "GET", path: str = PATHS[0]) -> list[int]:
    """Of many calls, each with a state of its own."""
    return [
        (await call(app, source, method, path, params={"state": f"{number:043d}", "code": "x"})).status_code
        for number in range(MANY)
    ]


@pytest.mark.parametrize(("method", "path"), [("GET", PATHS[0]), ("POST", PATHS[0]), ("GET", PATHS[1])])
async def test_a_source_that_calls_too_often_is_told_to_wait(app: FastAPI, method: str, path: str) -> None:
    found = await statuses(app, "203.0.113.7", method, path)
    answer = await call(app, "203.0.113.7", method, path, params={"state": "x"})
    other = await call(app, "203.0.113.8", method, path, params={"state": "x"})

    assert (found[0], found[-1]) == (400, 429)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert other.status_code == 400


async def test_a_state_that_is_tried_too_often_waits_wherever_it_is_tried_from(app: FastAPI) -> None:
    state = {"state": "A" * 43, "code": "x"}

    found = [(await call(app, f"203.0.113.{n}", params=state)).status_code for n in range(MANY)]
    posted = await call(app, "203.0.113.250", "POST", json=state)
    other = await call(app, "203.0.113.251", params={**state, "state": "B" * 43})

    assert (found[0], found[-1]) == (400, 429)
    assert posted.status_code == 429
    assert other.status_code == 400


async def test_a_person_reads_a_page(app: FastAPI) -> None:
    await statuses(app, "203.0.113.7")

    page = await call(app, "203.0.113.7", params={"state": "x"}, headers={"Accept": "text/html"})

    assert page.status_code == 429
    assert page.headers["content-type"].startswith("text/html")
    assert "wait a moment" in page.text
    assert {"retry-after", "content-security-policy", "referrer-policy"} <= page.headers.keys()


async def test_whoever_waited_for_a_good_answer_is_not_used_up(app: FastAPI, api: Api, resources: Resources) -> None:
    """A 429 looks at nothing: the sign-in can still be answered afterwards."""
    tenant = await api.tenant()
    body = a_mailchimp(kind="oauth", credential={"client_id": "a", "client_secret": "b"})
    connection = await api.made(f"{tenant}/connections", body)
    begun = await api.made(f"{tenant}/connections/{connection['id']}/authorize", status=200)
    state = httpx.URL(begun["authorize_url"]).params["state"]
    await statuses(app, "203.0.113.7")

    refused = await call(app, "203.0.113.7", path=PATHS[1], params={"state": state, "error": "access_denied"})
    taken = await call(app, "203.0.113.8", path=PATHS[1], params={"state": state, "error": "access_denied"})

    assert (refused.status_code, taken.status_code) == (429, 403)


async def test_neither_addresses_nor_states_are_kept(app: FastAPI, resources: Resources) -> None:
    await call(app, "203.0.113.7", params={"state": "A" * 43})

    keys = [key.decode() async for key in resources.redis.scan_iter("mlc:rate:callback:*")]

    assert len(keys) == 2
    assert not [key for key in keys if "203.0.113" in key or "AAAA" in key]


async def test_without_redis_the_process_counts_alone(app: FastAPI, resources: Resources) -> None:
    async def gone(*_args: object, **_given: object) -> None:
        raise ConnectionError

    resources.redis.execute_command = gone  # type: ignore[method-assign]  # as if it were down
    try:
        found = await statuses(app, "203.0.113.7")
    finally:
        del resources.redis.execute_command

    assert (found[0], found[-1]) == (400, 429)


def test_an_ipv6_subscriber_is_one_source() -> None:
    assert source_of("2001:db8:1:2::1") == source_of("2001:db8:1:2:ffff::9") != source_of("2001:db8:1:3::1")
    assert source_of("::ffff:203.0.113.7") == source_of("203.0.113.7")
    assert source_of("a.socket") == "a.socket"
