"""Tokens we sign ourselves, against a sandbox X3 that checks them as the real one is said to."""

import base64
from time import time
from typing import Any

import httpx
import msgspec
import pytest

from app.connectors.sage_x3.auth import Basic, ConnectedApp
from app.domain.errors import NeedsTenant
from app.domain.party import Selection
from sandbox.x3.state import Settings
from tests.unit.connectors.sage_x3.conftest import URL, FakeX3, fake_x3


def app(**changes: object) -> ConnectedApp:
    given = {"client_id": "app", "client_secret": "s" * 40, "subject": "adc", "audience": URL} | changes
    return ConnectedApp(**given)  # type: ignore[arg-type]  # tests change single values


def claims(auth: httpx.Auth) -> dict[str, object]:
    request = httpx.Request("POST", URL)
    flow = auth.async_auth_flow(request)

    async def first() -> httpx.Request:
        return await anext(flow)

    with pytest.raises(StopIteration) as done:
        first().send(None)
    header = done.value.value.headers["authorization"]
    body = header.removeprefix("Bearer ").split(".")[1]
    return msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=dict[str, object])


def test_a_token_carries_the_claims_x3_wants() -> None:
    found = claims(app(lifetime_seconds=120, iat_skew_seconds=30))

    assert (found["iss"], found["sub"], found["aud"]) == ("app", "adc", URL)
    assert found["exp"] - found["iat"] == 120  # type: ignore[operator]  # both are numbers
    assert -32 <= found["iat"] - time() <= -29  # type: ignore[operator]  # as above


def test_subject_and_audience_may_be_left_out_and_the_audience_may_be_empty() -> None:
    assert not {"sub", "aud"} & claims(app(subject=None, audience=None)).keys()
    assert claims(app(audience=""))["aud"] == ""


def test_a_short_lived_token_is_not_born_expired() -> None:
    found = claims(app(lifetime_seconds=3, iat_skew_seconds=30))

    assert found["exp"] > time()  # type: ignore[operator]  # a number


def test_a_short_secret_is_used_without_a_warning() -> None:
    assert claims(app(client_secret="abc"))["iss"] == "app"


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(NeedsTenant):
        app(client_secret="")


async def test_a_clock_that_is_off_is_learnt_from_x3_and_the_call_goes_through() -> None:
    x3 = fake_x3(Settings(clock_skew_seconds=-3600))

    assert await x3.source().count() == len(x3.codes)


async def test_a_token_that_x3_thinks_expired_is_signed_again_once() -> None:
    x3 = fake_x3(Settings(clock_skew_seconds=3600))

    assert await x3.source().count() == len(x3.codes)


async def test_a_refusal_without_a_reason_is_answered_with_a_new_token_once(x3: FakeX3, waits: list[float]) -> None:
    x3.fault("expired_token")
    assert await x3.source().count() == len(x3.codes)

    x3.fault("expired_token", count=None)
    with pytest.raises(NeedsTenant) as raised:
        await x3.source().count()

    assert raised.value.code == "x3_unauthorised"
    assert x3.state.faults.active[0].struck == 2
    assert waits == []


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        ("41", {"credential": {"client_id": "other", "client_secret": "x" * 40, "subject": "MLC"}}),
        ("42", {"credential": {"client_id": "sandbox-client", "client_secret": None, "subject": "somebody"}}),
        ("45", {"settings": {"endpoint": "SEED", "jwt_audience": URL + "/"}}),
        ("50", {"credential": {"client_id": "sandbox-client", "client_secret": "x" * 40, "subject": "MLC"}}),
        ("50", {"settings": {"endpoint": "SEED", "jwt_lifetime_seconds": 5000}}),
    ],
)
async def test_a_token_error_is_explained_and_not_repeated(
    x3: FakeX3, number: str, changes: dict[str, Any], waits: list[float]
) -> None:
    if "credential" in changes and changes["credential"]["client_secret"] is None:
        changes["credential"]["client_secret"] = x3.state.settings.client_secret

    with pytest.raises(NeedsTenant) as raised:
        await x3.source(**changes).count()

    assert raised.value.code == f"x3_token_{number}"
    assert x3.state.requests["unauthorised"] == (2 if number == "50" else 1)
    assert waits == []


async def test_basic_is_accepted_on_the_same_url(x3: FakeX3) -> None:
    credential = {"username": "MLC", "password": "sandbox"}

    assert await x3.source(kind="graphql_basic", credential=credential).count() == len(x3.codes)


async def test_a_wrong_password_is_the_tenants_to_put_right(x3: FakeX3) -> None:
    with pytest.raises(NeedsTenant, match="401"):
        await x3.source(kind="graphql_basic", credential={"username": "MLC", "password": "é"}).count()


def test_a_user_name_with_a_colon_cannot_be_basic() -> None:
    with pytest.raises(NeedsTenant):
        Basic("a:b", "c")


@pytest.mark.parametrize(
    "changes",
    [
        {"credential": {"client_id": "a"}},
        {"credential": {}, "kind": "graphql_basic"},
        {"kind": "soap"},
        {"settings": {"page_size": 0}},
        {"settings": {"page_size": "many"}},
        {"settings": {"fields": {"customers": {"custom.x": "a b"}}}},
        {"settings": {"fields": {"customers": {"custom.x": "code"}}}},
        {"settings": {"fields": {"nothing": {}}}},
    ],
)
def test_what_cannot_work_is_said_when_the_source_is_opened(changes: dict[str, Any]) -> None:
    with pytest.raises(NeedsTenant):
        fake_x3(customers=0).source(Selection("customers", (), ("custom.x",)), **changes)
