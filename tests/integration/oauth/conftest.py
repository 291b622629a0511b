"""The API over real HTTP between two vendors that are real servers too, and a browser that follows where it is sent."""

import asyncio
import socket
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
import pytest
import uvicorn

from app.resources import Resources, open_resources
from app.settings import Settings
from app.sync.opened import Pace
from app.sync.sweeping import sweep
from app.sync.working import Workshop, work
from sandbox.data import CLEAN
from sandbox.server import Addresses, Options, running
from tests.fixtures.application import application_of
from tests.fixtures.settings import OPERATOR_KEY

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def options() -> Options:
    return Options(customers=40, suppliers=2, invoices=0, shares=CLEAN)


@pytest.fixture
async def vendors(options: Options) -> AsyncIterator[Addresses]:
    async with running(options) as found:
        yield found


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """The public address is the one the API is served at; `localhost` may call itself a Sage gateway."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    changed = {
        "public_url": f"http://127.0.0.1:{port}/",
        "x3_oauth_host_suffix": "localhost",
        "egress_allow": ("127.0.0.0/8", "::1/128"),
    }
    async with open_resources(settings.model_copy(update=changed), interactive=True) as opened:
        yield opened


@pytest.fixture
async def served(resources: Resources) -> AsyncIterator[str]:
    """The API's address."""
    url = resources.settings.public_url.rstrip("/")
    config = uvicorn.Config(
        application_of(resources), port=urlsplit(url).port or 0, log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # signals are pytest's
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield url
    server.should_exit = True
    await serving


class Browser:
    """Follows redirects and submits the forms that a page would submit by itself; keeps every page it saw."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def visit(self, url: str) -> httpx.Response:
        response = await self.http.get(url, headers=HTML, follow_redirects=True)
        form = _Form(response.text)
        if form.action is not None and form.method == "post":
            response = await self.http.post(form.action, data=form.fields, headers=HTML)
        return response


class _Form(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.method = "get"
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action, self.method = given["action"], given["method"]
        if tag == "input":
            self.fields[given["name"]] = given["value"]


class Stage:
    """One tenant between the two vendors, seen through the API."""

    def __init__(self, url: str, resources: Resources, vendors: Addresses, http: httpx.AsyncClient) -> None:
        self.url = url
        self.resources = resources
        self.vendors = vendors
        self.http = http
        self.browser = Browser(http)
        self.tenant = ""

    @property
    def tenant_id(self) -> UUID:
        return UUID(self.tenant.rpartition("/")[2])

    async def call(self, method: str, path: str, body: Any = None, *, key: str = OPERATOR_KEY) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return await self.http.request(method, f"{self.url}{path}", json=body, headers=headers)

    async def made(self, path: str, body: Any = None, status: int = 201) -> Any:
        answer = await self.call("POST", path, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def furnish(self, slug: str = "acme") -> "Stage":
        tenant = await self.made("/v1/tenants", {"slug": slug, "name": slug, "time_zone": "Europe/Paris"})
        self.tenant = f"/v1/tenants/{tenant['id']}"
        return self

    async def connect_x3(self, **given: Any) -> str:
        """A gateway connection that nobody has signed in to."""
        x3 = self.vendors.x3
        settings = {"customer_url": "https://x3.acme.test", **given.pop("settings", {})}
        body = {
            "name": "X3", "system": "sage_x3", "kind": "graphql_oauth", "url": x3["gateway_url"], "settings": settings,
            "credential": {"client_id": x3["client_id"], "client_secret": x3["client_secret"]}, **given,
        }  # fmt: skip
        return str((await self.made(f"{self.tenant}/connections", body))["id"])

    async def connect_mailchimp(self, **given: Any) -> str:
        mailchimp = self.vendors.mailchimp
        body = {
            "name": "Mailchimp", "system": "mailchimp", "kind": "oauth",
            "settings": {"base_url": mailchimp["base_url"], "oauth_base_url": mailchimp["oauth_base_url"]},
            "credential": {"client_id": mailchimp["client_id"], "client_secret": mailchimp["client_secret"]}, **given,
        }  # fmt: skip
        return str((await self.made(f"{self.tenant}/connections", body))["id"])

    async def authorize(self, connection: str, *, key: str = OPERATOR_KEY) -> str:
        """Begin a sign-in: where the browser is to go."""
        answer = await self.call("POST", f"{self.tenant}/connections/{connection}/authorize", key=key)
        assert answer.status_code == 200, answer.text
        assert answer.json().keys() == {"authorize_url", "expires_at"}
        return str(answer.json()["authorize_url"])

    async def sign_in(self, connection: str) -> httpx.Response:
        """The whole sign-in, by a browser."""
        return await self.browser.visit(await self.authorize(connection))

    async def connection(self, connection: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("GET", f"{self.tenant}/connections/{connection}")).json()
        return found

    async def actions(self) -> list[str]:
        """What the audit trail has of sign-ins, oldest first."""
        events = (await self.call("GET", f"{self.tenant}/audit?limit=200")).json()["items"]
        wanted = ("connection.auth", "connection.access", "credential.")
        return [event["action"] for event in reversed(events) if event["action"].startswith(wanted)]

    async def x3(self, method: str, name: str, body: Any = None) -> Any:
        return await self._control(self.vendors.x3["url"], method, name, body)

    async def mailchimp(self, method: str, name: str, body: Any = None) -> Any:
        return await self._control(self.vendors.mailchimp["url"], method, name, body)

    async def _control(self, url: str, method: str, name: str, body: Any) -> Any:
        return await self.http.request(method, f"{url}/_sandbox/{name}", json={} if body is None else body)

    async def asked(self, name: str) -> int:
        """How often the X3 sandbox was asked something, as it counts."""
        stats = (await self.x3("GET", "stats")).json()
        return int(stats["requests"].get(name, 0))

    async def sync(self, x3: str, mailchimp: str, **given: Any) -> dict[str, Any]:
        mapping = await self.made(f"{self.tenant}/mappings", {"name": "customers", "stream": "customers"})
        body = {
            "name": "customers", "stream": "customers", "source_connection_id": x3, "target_connection_id": mailchimp,
            "mapping_id": mapping["id"], "target": {"audience_id": self.vendors.mailchimp["lists"][0]},
            "new_member_status": "transactional", "schedule": {"kind": "interval", "minutes": 60}, **given,
        }  # fmt: skip
        made: dict[str, Any] = await self.made(f"{self.tenant}/syncs", body)
        return made

    async def read_sync(self, sync: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("GET", f"{self.tenant}/syncs/{sync}")).json()
        return found

    async def runs(self, sync: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"{self.tenant}/runs?sync_id={sync}")).json()["items"]
        return found

    async def start(self, sync: str, mode: str = "full") -> str:
        return str((await self.made(f"{self.tenant}/syncs/{sync}/runs", {"mode": mode}, 202))["id"])

    async def work(self, run: str) -> dict[str, Any]:
        """One slice of a run, as a worker carries it; the run afterwards."""
        shop = Workshop(self.resources.opener, self.resources.queue, Pace(settle_seconds=0.2))
        await work(shop, self.tenant_id, UUID(run))
        found: dict[str, Any] = (await self.call("GET", f"{self.tenant}/runs/{run}")).json()
        return found

    async def sweep(self) -> int:
        """A round of the sweeper: how many runs it made because they were due."""
        return (await sweep(self.resources.database, self.resources.queue))[0]

    async def execute(self, statement: str, *values: Any) -> str:
        """Change a row of the tenant behind everybody's back, for tests of time."""
        async with self.resources.database.transaction(self.tenant_id) as connection:
            done: str = await connection.execute(statement, *values)
            return done

    async def states(self) -> list[dict[str, Any]]:
        async with self.resources.database.transaction(self.tenant_id) as connection:
            return [dict(row) for row in await connection.fetch("select * from oauth_state order by created_at")]


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@pytest.fixture
async def stage(served: str, resources: Resources, vendors: Addresses) -> AsyncIterator[Stage]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        yield await Stage(served, resources, vendors, http).furnish()
