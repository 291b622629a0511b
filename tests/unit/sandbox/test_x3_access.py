"""Who may call the X3 sandbox: JWT codes, Basic, gateway tokens."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sandbox.x3.auth import sign
from sandbox.x3.state import X3State

QUERY = {"query": "{x3MasterData{customer{query{totalCount}}}}"}
SECRET = "sandbox-secret-of-at-least-32-bytes!"


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    base = {"iss": "sandbox-client", "sub": "MLC", "aud": "http://x3.test/xtrem/api", "iat": now - 30, "exp": now + 300}
    return base | changed


async def call(x3: httpx.AsyncClient, token: str, path: str = "/xtrem/api") -> httpx.Response:
    return await x3.post(path, json=QUERY, headers={"authorization": f"Bearer {token}"}, auth=httpx.Auth())


async def test_a_well_made_token_is_let_in(x3: httpx.AsyncClient) -> None:
    assert (await call(x3, sign(claims(), SECRET))).status_code == 200


@pytest.mark.parametrize(
    ("changed", "secret", "number"),
    [
        ({"iat": 4_000_000_000, "exp": 4_000_000_100}, SECRET, 21),
        ({"iss": "nobody"}, SECRET, 41),
        ({"sub": "OTHER"}, SECRET, 42),
        ({"aud": "http://x3.test/xtrem/api/"}, SECRET, 45),
        ({}, "another secret", 50),
        ({"exp": 1_700_000_000, "iat": 1_699_999_900}, SECRET, 50),
        ({"exp": int(time.time()) + 100_000}, SECRET, 50),
    ],
)
async def test_each_wrong_token_has_its_number(
    x3: httpx.AsyncClient, changed: dict[str, Any], secret: str, number: int
) -> None:
    answer = await call(x3, sign(claims(**changed), secret))

    assert (answer.status_code, answer.text) == (401, f"Error {number}: Invalid token")


async def test_a_wrong_password_and_a_wrong_endpoint_are_refused(x3: httpx.AsyncClient) -> None:
    assert (await x3.post("/xtrem/api", json=QUERY, auth=("MLC", "wrong"))).status_code == 401
    assert (await x3.post("/xtrem/api", json=QUERY, headers={"x-xtrem-endpoint": "NONE"})).status_code == 404


async def pair(x3: httpx.AsyncClient) -> dict[str, Any]:
    params = {
        "client_id": "sandbox-client", "scope": "businessDomain.ALL api.graphQL", "customer": "https://x3.acme.test",
        "redirect_uri": "https://app.test/callback", "state": "s1",
    }  # fmt: skip
    answer = await x3.get("/v1/token/authorise", params=params)
    given = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert given["state"] == "s1"
    body = {
        "grant_type": "authorization_code", "code": given["authorizationCode"], "client_id": "sandbox-client",
        "client_secret": SECRET, "redirect_uri": "https://app.test/callback",
    }  # fmt: skip
    tokens = await x3.post("/v1/token", json=body)
    assert tokens.status_code == 200
    assert (await x3.post("/v1/token", json=body)).status_code == 403
    found: dict[str, Any] = tokens.json()
    return found


async def renew(x3: httpx.AsyncClient, token: str) -> httpx.Response:
    body = {
        "grant_type": "refresh_token",
        "refresh_token": token,
        "client_id": "sandbox-client",
        "client_secret": SECRET,
    }
    return await x3.post("/v1/token", json=body)


async def test_a_refresh_token_works_once(x3: httpx.AsyncClient) -> None:
    first = await pair(x3)
    second = (await renew(x3, first["refresh_token"])).json()

    assert (await renew(x3, first["refresh_token"])).status_code == 403
    assert (await renew(x3, second["refresh_token"])).status_code == 200


async def test_folders_lead_to_graphql_until_the_token_expires(x3: httpx.AsyncClient, x3_state: X3State) -> None:
    token = (await pair(x3))["access_token"]
    folders = await x3.get("/v1/folders", headers={"authorization": f"Bearer {token}"}, auth=httpx.Auth())
    url = urlsplit(folders.json()["folders"][0]["$urls"]["dataService"]).path

    assert (await call(x3, token, url)).json()["data"]["x3MasterData"]["customer"]["query"]["totalCount"] == 60
    x3_state.clock = lambda: time.time() + 301
    late = await call(x3, token, url)
    assert (late.status_code, late.json()) == (401, {"message": "Unauthorised"})


async def test_the_gateway_words_its_refusals(x3: httpx.AsyncClient, x3_state: X3State) -> None:
    x3_state.settings.approval = "later"
    assert (await x3.post("/v1/token", json={})).json() == {"message": "Invalid grant type"}
    assert (await x3.post("/v1/token", data={"grant_type": "refresh_token"})).status_code == 400
    params = {"client_id": "sandbox-client", "customer": "c", "redirect_uri": "https://app.test/cb", "state": "s"}
    await x3.get("/v1/token/authorise", params=params)
    code = (await x3.get("/_sandbox/pairings")).json()[0]["code"]
    body = {
        "grant_type": "authorization_code", "code": code, "client_id": "sandbox-client", "client_secret": SECRET,
        "redirect_uri": "https://app.test/cb",
    }  # fmt: skip
    waiting = await x3.post("/v1/token", json=body)
    assert (waiting.status_code, waiting.json()["message"]) == (403, "The pairing request has not been accepted.")

    assert (await x3.post("/_sandbox/approve", json={})).status_code == 302
    assert (await x3.post("/v1/token", json=body)).status_code == 200


async def test_revoked_tokens_are_refused(x3: httpx.AsyncClient) -> None:
    tokens = (await x3.post("/_sandbox/tokens")).json()
    await x3.post("/_sandbox/revoke")

    assert (await call(x3, tokens["access_token"], "/v1/service/X3CLOUDV2_SEED/api")).status_code == 401
    assert (await renew(x3, tokens["refresh_token"])).status_code == 403
