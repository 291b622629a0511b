"""The API and both vendors over real HTTP, so that webhooks are registered, checked and delivered for real."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn

from app.connections.keys import keys_of
from app.connectors.mailchimp.audiences import MailchimpAudience
from app.db import audiences
from app.db.connections import Connection
from app.db.rows import find
from app.domain.member import subscriber_hash
from app.main import create_app
from app.resources import Resources, open_resources
from app.settings import Settings
from app.sync.mirror import pull
from app.webhooks.processing import process
from sandbox.server import Addresses, Options, running
from tests.fixtures.settings import OPERATOR_KEY
from tests.integration.api.conftest import Api


class Site:
    """A tenant with a Mailchimp and an X3 connection, seen from all sides."""

    def __init__(self, api: Api, resources: Resources, addresses: Addresses, url: str) -> None:
        self.api, self.resources, self.addresses, self.url = api, resources, addresses, url
        self.list_id: str = addresses.mailchimp["lists"][0]
        self.tenant = self.connection = self.x3 = ""

    @property
    def tenant_id(self) -> UUID:
        return UUID(self.tenant.rpartition("/")[2])

    async def furnish(self) -> "Site":
        mailchimp, x3 = self.addresses.mailchimp, self.addresses.x3
        self.tenant = await self.api.tenant()
        given = {
            "name": "Mailchimp",
            "system": "mailchimp",
            "kind": "api_key",
            "settings": {"base_url": mailchimp["base_url"]},
            "credential": {"api_key": mailchimp["api_key"]},
        }
        self.connection = (await self.api.made(f"{self.tenant}/connections", given))["id"]
        given = {
            "name": "X3",
            "system": "sage_x3",
            "kind": "graphql_jwt",
            "url": x3["graphql_url"],
            "settings": {"endpoint": x3["endpoint"]},
            "credential": {"client_id": x3["client_id"], "client_secret": x3["client_secret"], "subject": "adc"},
        }
        self.x3 = (await self.api.made(f"{self.tenant}/connections", given))["id"]
        return self

    @property
    def hooks(self) -> str:
        return f"{self.tenant}/connections/{self.connection}/webhooks"

    async def hook(self, **given: Any) -> dict[str, Any]:
        """A registered webhook of the first audience, or another one."""
        return await self.api.made(self.hooks, given or {"audience_id": self.list_id})

    async def mailchimp(self, method: str, name: str, **given: Any) -> Any:
        """What people, time and operators do at the sandbox's Mailchimp."""
        return await self._sandbox(self.addresses.mailchimp["url"], method, name, **given)

    async def x3_requests(self) -> int:
        """How often anybody has called X3 for anything."""
        stats = await self._sandbox(self.addresses.x3["url"], "GET", "stats")
        return sum(stats["requests"].values())

    async def _sandbox(self, url: str, method: str, name: str, **given: Any) -> Any:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.request(method, f"{url}/_sandbox/{name}", **given)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content and "ndjson" not in answer.headers["content-type"] else answer.text

    async def call(self, method: str, path: str, **given: Any) -> Any:
        """Another integration's call of Mailchimp's API."""
        base, key = self.addresses.mailchimp["base_url"], self.addresses.mailchimp["api_key"]
        async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {key}"}) as http:
            answer = await http.request(method, f"{base}{path}", **given)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def join(self, *emails: str, status: str = "subscribed") -> None:
        """People get into the audience without us."""
        for email in emails:
            body = {"email_address": email, "status": status}
            await self.call("POST", f"/lists/{self.list_id}/members", json=body)

    async def registered(self) -> list[dict[str, Any]]:
        """The hooks as the sandbox holds them, secrets included."""
        found: list[dict[str, Any]] = await self.mailchimp("GET", "webhooks")
        return found

    async def stored(self, count: int) -> None:
        """At least so many events have been taken."""
        for _ in range(500):
            found = await self.fetch("select type from webhook_event")
            if len(found) >= count:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"only {found} arrived")

    async def arrived(self, count: int) -> list[dict[str, Any]]:
        """At least so many events, processed; the newest first."""
        await self.stored(count)
        await self.process()
        return list((await self.api.get(f"{self.tenant}/webhook-events")).json()["items"])

    async def process(self) -> int:
        return await process(self.resources.database, self.resources.vault, self.tenant_id)

    async def target(self) -> MailchimpAudience:
        """The first audience, as the product opens it."""
        resources = self.resources
        keys = await keys_of(resources.database, resources.vault, self.tenant_id)
        async with resources.database.session(self.tenant_id) as db:
            row = await find(db, Connection, self.tenant_id, UUID(self.connection))
        assert keys is not None
        assert row is not None
        return resources.opener.audience(keys, row, self.list_id, interactive=True)

    async def audience_id(self) -> UUID:
        async with self.resources.database.transaction(self.tenant_id) as connection:
            row = await audiences.audience_row(connection, self.tenant_id, UUID(self.connection), self.list_id)
        found: UUID = row["id"]
        return found

    async def mirrored(self) -> None:
        """Draw the mirror of the first audience, as the first run does."""
        await pull(self.resources.database, self.tenant_id, await self.audience_id(), await self.target())

    async def status(self, email: str) -> str | None:
        """What the mirror says of a person."""
        rows = await self.fetch("select status from audience_member where member_hash = $1", subscriber_hash(email))
        return rows[0]["status"] if rows else None

    async def consent(self, email: str) -> list[tuple[str | None, str, str]]:
        """(before, status, cause) of a person, oldest first."""
        items = (await self.api.get(f"{self.tenant}/consent", params={"email": email})).json()["items"]
        return [(item["before"], item["status"], item["cause"]) for item in reversed(items)]

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        async with self.resources.database.transaction(self.tenant_id) as connection:
            return list(await connection.fetch(query, *values))

    async def execute(self, statement: str) -> None:
        """Change rows of the tenant, as time or an accident would."""
        async with self.resources.database.transaction(self.tenant_id) as connection:
            await connection.execute(statement)

    async def audited(self, prefix: str) -> list[dict[str, Any]]:
        events = (await self.api.get(f"{self.tenant}/audit?limit=200")).json()["items"]
        return [event for event in reversed(events) if event["action"].startswith(prefix)]


async def reached(url: str, method: str = "GET") -> int:
    """What whoever calls the address is answered."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.request(method, url)).status_code


@asynccontextmanager
async def served(app: Any, sock: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        assert not task.done(), "the server ended at once"
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def addresses() -> AsyncIterator[Addresses]:
    async with running(Options(customers=5, suppliers=1, invoices=1)) as found:
        yield found


@pytest.fixture
async def site(settings: Settings, addresses: Addresses, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """`@pytest.mark.parametrize("site", [{...}], indirect=True)` changes settings."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    given = {"public_url": url, "rate_limit_per_minute": 10_000_000, **getattr(request, "param", {})}
    changed = settings.model_copy(update=given)
    async with open_resources(changed, interactive=True) as resources:
        app = create_app(resources=resources)
        headers = {"Authorization": f"Bearer {OPERATOR_KEY}"}
        async with (
            served(app, sock),
            httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as http,
        ):
            yield await Site(Api(http, resources), resources, addresses, url).furnish()
            await app.state.bell.close()
