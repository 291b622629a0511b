"""The whole API in this process, over a real PostgreSQL and Valkey."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.resources import Resources, open_resources
from app.settings import Settings
from tests.fixtures.application import application_of
from tests.fixtures.settings import OPERATOR_KEY


class Client:
    """A caller with one key; every answer is checked for the headers and shapes that all answers have."""

    def __init__(self, http: httpx.AsyncClient, key: str | None) -> None:
        self.http = http
        self.key = key

    async def call(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {**({"Authorization": f"Bearer {self.key}"} if self.key else {}), **given.pop("headers", {})}
        response = await self.http.request(method, path, headers=headers, **given)
        assert response.headers["x-request-id"]
        if response.status_code >= 400:
            assert response.headers["content-type"] == "application/problem+json", response.text
            problem = response.json()
            assert problem["status"] == response.status_code
            assert problem["type"] == f"urn:ml-connector:problem:{problem['code']}"
            assert ("errors" in problem) == (response.status_code == 422), "a 422 says where, nothing else does"
        return response

    async def get(self, path: str, **given: Any) -> httpx.Response:
        return await self.call("GET", path, **given)

    async def post(self, path: str, json: Any = None, **given: Any) -> httpx.Response:
        return await self.call("POST", path, **({"json": json} if json is not None else {}), **given)

    async def made(self, path: str, json: Any = None, status: int = 201, **given: Any) -> dict[str, Any]:
        response = await self.post(path, json, **given)
        assert response.status_code == status, response.text
        found: dict[str, Any] = response.json()
        return found


class Api(Client):
    """The operator, who can make tenants and keys for others."""

    def __init__(self, http: httpx.AsyncClient, resources: Resources) -> None:
        super().__init__(http, OPERATOR_KEY)
        self.resources = resources

    def with_key(self, key: str | None) -> Client:
        return Client(self.http, key)

    async def tenant(self, slug: str = "acme", **given: Any) -> str:
        body = {"slug": slug, "name": slug.title(), "time_zone": "Europe/Paris", **given}
        return f"/v1/tenants/{(await self.made('/v1/tenants', body))['id']}"

    async def caller(self, tenant: str, role: str, **given: Any) -> Client:
        """Somebody with a key of that role in the tenant."""
        key = await self.made(f"{tenant}/api-keys", {"name": f"the {role}", "role": role, **given})
        return self.with_key(key["key"])


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """As in production, but for a rate that no test reaches by accident."""
    async with open_resources(
        settings.model_copy(update={"rate_limit_per_minute": 10_000_000}), interactive=True
    ) as opened:
        yield opened


@pytest.fixture
async def api(resources: Resources) -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(application_of(resources))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
        yield Api(http, resources)
