"""Gateway tokens: one refresh at a time, saved before use, and no storm when refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from app.connectors.sage_x3.auth import Tokens
from app.connectors.sage_x3.gateway import GatewayAuth, read_folders
from app.connectors.sage_x3.tokens import Setback, dated, read_pair, renew_at
from app.domain.errors import NeedsTenant, Transient
from sandbox.x3.state import Settings
from tests.unit.connectors.sage_x3.conftest import FakeX3, fake_x3

REGION = "https://api.eu-sandbox-sagex3.com/v1"


class MemoryLease:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self.tokens = store.tokens

    async def save(self, tokens: Tokens) -> None:
        await asyncio.sleep(0.01)
        self._store.tokens = tokens
        self._store.saves += 1

    async def hold_off(self, setback: Setback) -> None:
        self._store.tokens = msgspec.structs.replace(self._store.tokens, setback=setback)


class MemoryStore:
    """One pair, one lock; as a table row with FOR UPDATE would be."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.saves = 0
        self._lock = asyncio.Lock()

    async def load(self) -> Tokens:
        return self.tokens

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[MemoryLease]:
        async with self._lock:
            yield MemoryLease(self)


async def issued(x3: FakeX3, *, age_seconds: float = 0.0) -> MemoryStore:
    pair = (await x3.http.post("https://api.eu-sandbox-sagex3.com/_sandbox/tokens", json={})).json()
    received = datetime.now(UTC) - timedelta(seconds=age_seconds)
    return MemoryStore(dated(pair["access_token"], pair["refresh_token"], now=received))


def oauth(x3: FakeX3, store: MemoryStore, **settings: Any) -> dict[str, Any]:
    credential = {"client_id": x3.state.settings.client_id, "client_secret": x3.state.settings.client_secret}
    return {
        "kind": "graphql_oauth",
        "url": REGION,
        "credential": credential,
        "token_store": store,
        "settings": settings,
    }


def refreshes(x3: FakeX3) -> int:
    return x3.state.requests["token.refresh_token"]


async def test_a_living_token_is_used_as_it_is(x3: FakeX3) -> None:
    store = await issued(x3)

    assert await x3.source(**oauth(x3, store)).count() == len(x3.codes)
    assert refreshes(x3) == 0


async def test_a_token_past_80_percent_is_renewed_and_saved_before_use(x3: FakeX3) -> None:
    store = await issued(x3, age_seconds=250)
    before = store.tokens

    await x3.source(**oauth(x3, store)).count()

    assert refreshes(x3) == store.saves == 1
    assert store.tokens.refresh_token != before.refresh_token


async def test_many_sources_that_need_a_token_at_once_refresh_it_once(x3: FakeX3) -> None:
    store = await issued(x3, age_seconds=299)
    sources = [x3.source(**oauth(x3, store)) for _ in range(8)]

    counts = await asyncio.gather(*(source.count() for source in sources for _ in range(3)))

    assert set(counts) == {len(x3.codes)}
    assert refreshes(x3) == 1


async def test_tokens_of_three_seconds_carry_a_whole_run() -> None:
    x3 = fake_x3(Settings(access_token_seconds=3))
    real, offset = x3.state.clock, 0.0
    x3.state.clock = lambda: real() + offset
    source = x3.source(**oauth(x3, await issued(x3), page_size=10))

    read = 0
    async for page in source.scan(None, None):
        read += len(page.parties)
        offset += 2.0  # the server's time runs ahead: our clock still believes in the token, the gateway does not

    assert read == len(x3.codes)
    assert refreshes(x3) >= 3


async def test_an_expired_token_in_mid_run_is_renewed_once_and_the_call_repeated(x3: FakeX3) -> None:
    store = await issued(x3)
    source = x3.source(**oauth(x3, store, page_size=50))
    x3.fault("expired_token", after=2)

    assert sum([len(page.parties) async for page in source.scan(None, None)]) == len(x3.codes)
    assert refreshes(x3) == 1


async def test_a_refused_refresh_asks_for_a_new_sign_in_and_is_not_tried_again(x3: FakeX3) -> None:
    store = await issued(x3, age_seconds=299)
    await x3.http.post("https://api.eu-sandbox-sagex3.com/_sandbox/revoke", json={})

    for _ in range(5):
        with pytest.raises(NeedsTenant) as raised:
            await x3.source(**oauth(x3, store)).count()
        assert raised.value.authorization

    assert refreshes(x3) == 1
    assert store.saves == 0


async def test_a_gateway_that_is_down_is_transient(x3: FakeX3) -> None:
    store = await issued(x3, age_seconds=299)
    x3.fault("error", status=501, path="/token", count=None)

    with pytest.raises(Transient):
        await x3.source(**oauth(x3, store)).count()
    assert store.saves == 0


async def test_a_cancelled_call_still_saves_the_new_pair(x3: FakeX3) -> None:
    store = await issued(x3, age_seconds=299)
    auth = GatewayAuth(client=x3.http, region_url=REGION, client_id="sandbox-client",
                       client_secret=x3.state.settings.client_secret, store=store)  # fmt: skip
    call = asyncio.ensure_future(x3.http.get(REGION + "/folders", auth=auth))
    while refreshes(x3) == 0:
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.sleep(0.05)

    assert call.cancelled()
    assert store.saves == 1


async def test_an_idle_pair_can_be_kept_alive(x3: FakeX3) -> None:
    store = await issued(x3)
    auth = GatewayAuth(client=x3.http, region_url=REGION, client_id="sandbox-client",
                       client_secret=x3.state.settings.client_secret, store=store)  # fmt: skip

    await auth.keep_alive()

    assert refreshes(x3) == store.saves == 1


async def test_the_folder_decides_the_url_and_it_is_read_not_built() -> None:
    x3 = fake_x3(Settings(cloud_folders=("SEED", "PROD")))
    store = await issued(x3)

    found = await x3.verify(**oauth(x3, store, folder="PROD"))
    missing = await x3.verify(**oauth(x3, store))

    assert found.ok, found.checks
    assert found.facts["folders"] == ["PROD", "SEED"]
    assert str(found.facts["graphql_url"]).endswith("/service/X3CLOUDV2_PROD/graphQL")
    assert not missing.ok
    assert "PROD, SEED" in missing.checks[-1].detail


async def test_folder_urls_on_a_foreign_host_are_not_taken() -> None:
    body = {"folders": [{"name": "A", "$urls": {"dataService": "https://evil.test/api"}},
                        {"name": "B", "$urls": {"dataService": "https://api.us-prod-sagex3.com/v1/b/api"}},
                        {"name": "C", "$urls": {"dataService": "http://api.us-prod-sagex3.com/v1/c/api"}},
                        {"name": "D", "$urls": None}, "E"]}  # fmt: skip
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=body)))

    assert set(await read_folders(client, httpx.Auth(), REGION)) == {"B"}


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": "a", "refresh_token": "r"},
        {"accessToken": "a", "refreshToken": "r"},
        {"token": "a", "refresh_token": "r", "expires_in": 60},
    ],
)
def test_token_answers_are_read_whatever_their_spelling(answer: dict[str, object]) -> None:
    now = datetime.now(UTC)

    pair = read_pair(answer, previous=Tokens("x", "old"), now=now)

    assert pair is not None
    assert (pair.access_token, pair.refresh_token) == ("a", "r")
    assert pair.access_expires_at == now + timedelta(seconds=answer.get("expires_in", 300))  # type: ignore[arg-type]  # a number


def test_an_answer_without_a_refresh_token_keeps_the_old_one() -> None:
    pair = read_pair({"access_token": "a"}, previous=Tokens("x", "old"), now=datetime.now(UTC))

    assert pair is not None
    assert pair.refresh_token == "old"


@pytest.mark.parametrize("answer", [None, [], {}, {"access_token": ""}, {"access_token": 5}])
def test_an_answer_without_an_access_token_is_no_pair(answer: object) -> None:
    assert read_pair(answer, previous=Tokens("x", "old"), now=datetime.now(UTC)) is None


def test_a_pair_of_unknown_age_is_renewed_at_once() -> None:
    assert renew_at(Tokens("a", "r")) < datetime.now(UTC)


def test_tokens_never_show_in_a_repr() -> None:
    assert "secret" not in repr(Tokens("secret", "secret"))
