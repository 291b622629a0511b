"""A browser without scripts before the whole application in this process."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.resources import Resources
from tests.fixtures.application import application_of
from tests.fixtures.settings import OPERATOR_KEY
from tests.integration.api.conftest import Api, resources

__all__ = ["resources"]

HERE = "http://console.test"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_ONCE = re.compile(r'name="once" value="([^"]+)"')


class Browser:
    """Keeps cookies, follows nothing by itself, sends what a browser sends with a form."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.page = ""

    async def get(self, path: str, **given: Any) -> httpx.Response:
        answer = await self.http.get(path, **given)
        self.page = answer.text
        return answer

    async def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """A form of the page that was got last, with its marks."""
        marks = {}
        for name, pattern in (("csrf", _CSRF), ("once", _ONCE)):
            if found := pattern.search(self.page):
                marks[name] = found[1]
        sent = {"Origin": HERE, "Sec-Fetch-Site": "same-origin", **headers}
        answer = await self.http.post(path, data={**marks, **(form or {})}, headers=sent)
        if answer.status_code != 303:
            self.page = answer.text
        return answer

    async def sign_in(self, key: str = OPERATOR_KEY) -> httpx.Response:
        await self.get("/console/sign-in")
        return await self.post("/console/sign-in", {"key": key})

    @property
    def session(self) -> str | None:
        return self.http.cookies.get("mlc_session")


@pytest.fixture
async def application(resources: Resources) -> Any:
    return application_of(resources)


@pytest.fixture
async def api(application: Any, resources: Resources) -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
        yield Api(http, resources)


@pytest.fixture
async def browser(application: Any) -> AsyncIterator[Browser]:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as http:
        yield Browser(http)
