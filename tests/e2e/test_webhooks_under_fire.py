"""Deliveries at 200 a second while API and worker are killed: what was answered is stored, once, and takes effect."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg
import httpx
import pytest

from app.cli.supervising import RunningSystem, running_system
from sandbox.mailchimp.webhooks import signature
from sandbox.server import Addresses, Options, running

pytestmark = pytest.mark.e2e

EVENTS = 1200
PER_SECOND = 200
SENDERS = 24
LOOPBACK = {"MLC_EGRESS_ALLOW": "127.0.0.0/8", "MLC_EGRESS_ALLOW_HTTP": "true", "MLC_SWEEP_SECONDS": "1"}


@pytest.fixture
async def vendors() -> AsyncIterator[Addresses]:
    async with running(Options(customers=5, suppliers=1, invoices=1)) as found:
        yield found


@pytest.fixture
async def system(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningSystem]:
    """Processes of our own, with a PostgreSQL that really writes to disk before it commits."""
    for name in list(os.environ):
        if name.startswith("MLC_"):
            monkeypatch.delenv(name)
    folder = open_folder / "under-fire"
    folder.mkdir(mode=0o711)
    monkeypatch.chdir(folder)
    async with running_system(folder / "data", port=0, logs_to_files=True, extra_env=LOOPBACK) as found:
        yield found


class Mailchimp:
    """Delivers as Mailchimp does: again and again until it is answered with 200."""

    def __init__(self, url: str, secret: str, list_id: str) -> None:
        self.url, self.secret, self.list_id = url, secret, list_id
        self.queue: asyncio.Queue[int] = asyncio.Queue()
        self.answered: set[int] = set()
        self.failures = 0

    def body(self, number: int) -> bytes:
        data = {"list_id": self.list_id, "id": f"{number:010x}", "email": address(number), "action": "unsub"}
        pairs = {f"data[{name}]": value for name, value in data.items()}
        return urlencode({"type": "unsubscribe", "fired_at": "2026-01-02 03:04:05", **pairs}).encode()

    async def fire(self) -> None:
        """One event after the other becomes due, whatever became of those before."""
        began = time.monotonic()
        for number in range(EVENTS):
            await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
            self.queue.put_nowait(number)

    async def send(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            while True:
                number = await self.queue.get()
                body = self.body(number)
                headers = {
                    "content-type": "application/x-www-form-urlencoded",
                    "x-mailchimp-signature": signature(self.secret, int(time.time()), body),
                }
                try:
                    status = (await http.post(self.url, content=body, headers=headers)).status_code
                except httpx.TransportError:
                    status = 0
                if status == 200:
                    self.answered.add(number)
                else:
                    assert status in (0, 429, 503), status
                    self.failures += 1
                    await asyncio.sleep(0.2)
                    self.queue.put_nowait(number)


def address(number: int) -> str:
    return f"person{number}@acme.test"


async def registered(system: RunningSystem, vendors: Addresses) -> tuple[str, Mailchimp]:
    """A tenant with a webhook; (its path in the API, who delivers to it)."""
    headers = {"Authorization": f"Bearer {system.operator_key}"}
    async with httpx.AsyncClient(base_url=system.api_url, headers=headers, trust_env=False, timeout=30) as api:

        async def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = await api.post(path, json=body)
            assert answer.status_code == 201, answer.text
            found: dict[str, Any] = answer.json()
            return found

        given = {
            "name": "Mailchimp",
            "system": "mailchimp",
            "kind": "api_key",
            "settings": {"base_url": vendors.mailchimp["base_url"]},
            "credential": {"api_key": vendors.mailchimp["api_key"]},
        }
        tenant = "/v1/tenants/" + (await made("/v1/tenants", {"slug": "a", "name": "A", "time_zone": "UTC"}))["id"]
        connection = (await made(f"{tenant}/connections", given))["id"]
        list_id = vendors.mailchimp["lists"][0]
        hook = await made(f"{tenant}/connections/{connection}/webhooks", {"audience_id": list_id})
        (there,) = (await api.get(f"{vendors.mailchimp['url']}/_sandbox/webhooks")).json()
    return tenant, Mailchimp(hook["url"], there["secret"], list_id)


async def kill(system: RunningSystem, name: str) -> None:
    os.kill(system.processes[name].pid, signal.SIGKILL)


async def query(system: RunningSystem, statement: str) -> Any:
    connection = await asyncpg.connect(system.env["MLC_DATABASE_URL"].replace("+asyncpg", "", 1))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def until(system: RunningSystem, statement: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not await query(system, statement):
        assert time.monotonic() < deadline, f"not within {seconds} s: {statement}"
        await asyncio.sleep(0.2)


async def test_nothing_answered_is_lost_when_processes_are_killed(system: RunningSystem, vendors: Addresses) -> None:
    tenant, mailchimp = await registered(system, vendors)
    senders = [asyncio.create_task(mailchimp.send()) for _ in range(SENDERS)]
    firing = asyncio.create_task(mailchimp.fire())

    for name in ("api", "worker-1", "api", "worker-1"):
        await asyncio.sleep(EVENTS / PER_SECOND / 5)
        answered = set(mailchimp.answered)
        await kill(system, name)
        stored = await query(system, "select count(*) from webhook_event")
        assert stored >= len(answered)  # every answer given before the kill has its row
    await firing
    deadline = time.monotonic() + 180
    while len(mailchimp.answered) < EVENTS:
        for task in senders:
            if task.done():
                task.result()
        assert time.monotonic() < deadline, f"{len(mailchimp.answered)} of {EVENTS} answered"
        await asyncio.sleep(0.1)
    for task in senders:
        task.cancel()
    await asyncio.gather(*senders, return_exceptions=True)

    assert mailchimp.failures > 0  # the fire was real
    assert await query(system, "select count(*) from webhook_event") == EVENTS
    await until(system, "select not exists(select from webhook_event where state = 'received')", 120)
    assert await query(system, "select count(*) from webhook_event where outcome = 'applied'") == EVENTS
    lowered = "select count(*) from audience_member where status = 'unsubscribed'"
    assert await query(system, lowered) == EVENTS
    assert await query(system, "select count(*) from consent_event where cause = 'webhook'") == EVENTS
    told = "select count(*) from audit_event where action = 'webhook.unsubscribe'"
    assert await query(system, told) == EVENTS
    headers = {"Authorization": f"Bearer {system.operator_key}"}
    async with httpx.AsyncClient(base_url=system.api_url, headers=headers, trust_env=False, timeout=60) as api:
        assert (await api.get(f"{tenant}/audit/verify")).json()["ok"]
        for number in (0, EVENTS // 2, EVENTS - 1):
            found = (await api.get(f"{tenant}/webhook-events", params={"email": address(number)})).json()["items"]
            assert [event["email"] for event in found] == [address(number)]
    async with httpx.AsyncClient(trust_env=False) as http:
        stats = (await http.get(f"{vendors.x3['url']}/_sandbox/stats")).json()
    assert sum(stats["requests"].values()) == 0  # nothing flows back to X3
