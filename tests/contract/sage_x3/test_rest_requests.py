"""What every request to api1 must be, whatever is read: a GET below /api1/, stateless, on the configured host.

Source: reference/sage-x3.md 5.1 and 5.4: `/sdata/` takes a licence token, a cookie would pin a session.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.connectors.pacing import LocalPacer
from app.connectors.retrying import without_waiting
from app.connectors.sage_x3.opening import open_source
from app.connectors.sage_x3.verify import verify
from app.domain.party import Selection
from sandbox.data import Shares, generate
from sandbox.x3.app import x3_app
from sandbox.x3.state import Settings, X3State

HOST = "x3.acme.test"
SELECTION = Selection("customers", ("default_address.emails", "contacts.email"), ("code", "name"), contacts=True)
PARAMETERS = {"representation", "where", "orderBy", "key", "count"}
PATH = re.compile(r"/api1/x3/erp/SEED/[A-Z]+(\('([^']|'')+'\))?")


class Wiretap(httpx.AsyncBaseTransport):
    """A sandbox X3 that hands out session cookies; every request is kept."""

    def __init__(self, state: X3State) -> None:
        self.requests: list[httpx.Request] = []
        self._x3 = httpx.ASGITransport(x3_app(state))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = await self._x3.handle_async_request(request)
        response.headers["set-cookie"] = "syracuse.sid=abc; Path=/"
        return response


class OneClient:
    """The same client for every TLS setting; this one would keep cookies, as httpx does by itself."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    def client(self, **_: Any) -> httpx.AsyncClient:
        return self._client


async def everything(settings: Settings) -> tuple[X3State, Sequence[httpx.Request]]:
    """All that the connector ever asks: verification, clock, bounds, full read, ranges, changes, single codes."""
    state = X3State(generate(customers=60, suppliers=20, seed=3, shares=Shares(odd_code=0.3)), settings)
    tap = Wiretap(state)
    given: dict[str, Any] = {
        "kind": "rest_basic",
        "url": f"https://{HOST}:8124",
        "settings": {"endpoint": "SEED", "page_size": 15},
        "credential": {"username": settings.username, "password": settings.password},
        "pacer": LocalPacer(2),
    }
    async with httpx.AsyncClient(transport=tap) as client:
        with without_waiting():
            given["outbound"] = OneClient(client)
            for stream in ("customers", "suppliers"):
                found = await verify(stream=stream, **given)
                assert found.ok, found.checks
                source = open_source(selection=SELECTION, facts=found.facts, **given)
                await source.clock()
                await source.bounds()
                codes = [party.code async for page in source.scan(None, None) for party in page.parties]
                assert [page async for page in source.by_codes(codes[::7])]
                assert [page async for page in source.scan(codes[9], codes[30])]
                if await source.can_tell_changes():
                    assert [one async for one in source.changes(datetime(2025, 6, 1, tzinfo=UTC))]
    return state, tap.requests


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(rest_list_is_narrow=True, rest_bad_escapes=True),
        Settings(rest_link_host="srv-x3:8124", rest_hides=("UPDDATTIM",)),
    ],
)
async def test_every_request_is_a_stateless_get_below_api1(settings: Settings) -> None:
    state, requests = await everything(settings)

    assert len(requests) > 50
    assert state.requests["licence tokens taken"] == 0
    for request in requests:
        assert request.method == "GET"
        assert request.url.host == HOST
        assert PATH.fullmatch(request.url.path), request.url.path
        assert set(request.url.params) <= PARAMETERS
        facet = request.url.params["representation"].partition(".")[2]
        assert facet == ("$details" if request.url.path.endswith("')") else "$query")
        assert request.headers["authorization"].startswith("Basic ")
        assert "cookie" not in request.headers
        assert not request.url.userinfo


async def test_a_link_into_sdata_is_asked_for_below_api1() -> None:
    state = X3State(generate(customers=5, seed=3), Settings())
    app = httpx.ASGITransport(x3_app(state))
    paths: list[str] = []

    async def through_sdata(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        response = await app.handle_async_request(request)
        content = (await response.aread()).replace(b"/api1/x3/erp", b"/sdata/x3/erp")
        return httpx.Response(response.status_code, content=content)

    source = open_source(
        kind="rest_basic",
        url=f"https://{HOST}:8124",
        settings={"endpoint": "SEED", "page_size": 2},
        credential={"username": "MLC", "password": "sandbox"},
        facts={},
        selection=Selection("customers", ("default_address.emails",), ("name",)),
        outbound=OneClient(httpx.AsyncClient(transport=httpx.MockTransport(through_sdata))),
        pacer=LocalPacer(2),
    )

    assert len([party async for page in source.scan(None, None) for party in page.parties]) == 5
    assert len(paths) == 3
    assert all(path.startswith("/api1/") for path in paths)
