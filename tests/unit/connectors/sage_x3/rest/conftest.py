"""A small Sage X3 that is read over api1, in this process; and one that answers what a test puts down."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.connectors.pacing import LocalPacer
from app.connectors.sage_x3.opening import open_source
from app.connectors.sage_x3.rest.reader import RestSource
from app.domain.party import Selection
from sandbox.data import Shares, generate
from sandbox.x3.app import x3_app
from sandbox.x3.state import Settings, X3State
from tests.unit.connectors.sage_x3.conftest import SLIM, FakeOutbound, FakeX3

ROOT = "https://x3.acme.test:8124"
ODD = Shares(odd_code=0.3)


class RestX3(FakeX3):
    """The same sandbox X3, asked over REST; remembers every request."""

    def __init__(self, state: X3State) -> None:
        self.requests: list[httpx.Request] = []
        transport = httpx.ASGITransport(x3_app(state))
        super().__init__(state, httpx.AsyncClient(transport=transport, event_hooks={"request": [self._note]}))

    async def _note(self, request: httpx.Request) -> None:
        self.requests.append(request)

    def given(self, **changes: Any) -> dict[str, Any]:
        settings = self.state.settings
        credential = {"username": settings.username, "password": settings.password}
        return super().given(**({"kind": "rest_basic", "url": ROOT, "credential": credential} | changes))

    def rest(self, selection: Selection = SLIM, **changes: Any) -> RestSource:
        found = open_source(selection=selection, **self.given(**changes))
        assert isinstance(found, RestSource)
        return found

    def over_graphql(self) -> dict[str, Any]:
        return super().given()

    @property
    def details(self) -> int:
        return self.state.requests["rest.details"]


def rest_x3(settings: Settings | None = None, customers: int = 120, suppliers: int = 30) -> RestX3:
    return RestX3(X3State(generate(customers=customers, suppliers=suppliers, seed=7, shares=ODD), settings))


@pytest.fixture
async def x3() -> AsyncIterator[RestX3]:
    fake = rest_x3()
    yield fake
    await fake.http.aclose()


class Canned:
    """An X3 of a few prepared answers. A request nobody prepared an answer for fails the test."""

    def __init__(self) -> None:
        self.answers: dict[str, list[httpx.Response]] = {}
        self.asked: list[httpx.Request] = []
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def put(self, target: str, *answers: Any, status: int = 200, **more: Any) -> None:
        """`target` is path and query, decoded; the last answer is given again and again."""
        made = [one if isinstance(one, httpx.Response) else httpx.Response(status, json=one, **more) for one in answers]
        self.answers.setdefault(target, []).extend(made)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        assert request.method == "GET"
        assert request.headers["authorization"].startswith("Basic ")
        query = "&".join(f"{name}={value}" for name, value in httpx.QueryParams(request.url.query.decode()).items())
        target = request.url.path + (f"?{query}" if query else "")
        waiting = self.answers.get(target)
        assert waiting, f"nobody prepared an answer for {target}"
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def targets(self) -> list[str]:
        return [f"{request.url.path}?{request.url.query.decode()}" for request in self.asked]

    def rest(self, selection: Selection = SLIM, url: str = ROOT, **settings: Any) -> RestSource:
        found = open_source(
            kind="rest_basic",
            url=url,
            settings={"endpoint": "SEED", "page_size": 2} | settings,
            credential={"username": "MLC", "password": "secret"},
            facts={},
            selection=selection,
            outbound=FakeOutbound(self.http),
            pacer=LocalPacer(2),
        )
        assert isinstance(found, RestSource)
        return found


def a_list(*records: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    """As reference/sage-x3.md 5.2 shows it."""
    links: dict[str, Any] = {"$first": {"$url": "https://x3.acme.test:8124/api1/x3/erp/SEED/BPCUSTOMER"}}
    if following is not None:
        links["$next"] = {"$url": following}
    return {"$itemsPerPage": 2, "$resources": list(records), "$links": links}
