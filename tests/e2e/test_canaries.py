"""A tenant's whole life with values that must not be seen: nothing we write anywhere holds them in clear.

Logs, metrics, traces, problem documents and Redis hold neither secrets nor addresses nor names; the database holds
them sealed or hashed only.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from app.cli.supervising import RunningSystem, running_system
from tests.e2e.canaries import Canary, dump, everything_in, found_in
from tests.e2e.plant import ENVIRONMENT
from tests.e2e.sandboxes import Nursery, Sandbox
from tests.integration.telemetry.collector import Collector, collecting
from tests.integration.telemetry.test_listening import free_port

pytestmark = pytest.mark.e2e

X3_SECRET = "canary-x3-secret-of-at-least-32-bytes-9f3a"
ENDED = ("succeeded", "partially_failed", "failed", "cancelled", "halted")
RUN_SECONDS = 60.0
PEOPLE = {
    "an ordinary address": "canary.person@acme.test",
    "a moved address": "canary.moved@acme.test",
    "an address that looks fake": "canary.fake@example.com",
    "an address that is none": "canary.broken@@acme..test",
    "a shared address": "canary.shared@acme.test",
    "an address that unsubscribes": "canary.leaves@acme.test",
    "an address that is erased": "canary.erased@acme.test",
    "a contact's address": "canary.contact@acme.test",
}
NAMES = {"a company": "Canarycompany Ltd", "a first name": "Canaryfirst", "a last name": "Canarylast"}


class Life:
    """One tenant on a system of its own, with everything that was answered badly and seen in Redis meanwhile."""

    def __init__(self, system: RunningSystem, sandbox: Sandbox, metrics: tuple[int, int]) -> None:
        self.system, self.sandbox, self.metrics = system, sandbox, metrics
        self.http = httpx.AsyncClient(base_url=system.api_url, trust_env=False, timeout=60)
        self.redis = Redis.from_url(system.env["MLC_REDIS_URL"])
        self.problems: list[bytes] = []
        self.in_redis: list[bytes] = []
        self.canaries: dict[str, Canary] = {
            **{name: Canary("address", value) for name, value in PEOPLE.items()},
            **{name: Canary("name", value) for name, value in NAMES.items()},
            "the secret of X3": Canary("secret", X3_SECRET),
            "the key of Mailchimp": Canary("secret", sandbox.at_mailchimp["api_key"]),
            "the operator key": Canary("secret", system.operator_key),
            "the master key": Canary("secret", system.env["MLC_MASTER_KEYS"].partition(":")[2]),
        }
        self.tenant = ""
        self.ids: dict[str, str] = {}
        self.key = system.operator_key

    async def call(self, method: str, path: str, body: Any = None, **given: Any) -> httpx.Response:
        """A call with the tenant's key; problem documents are kept."""
        headers = {"Authorization": f"Bearer {self.key}", **given.pop("headers", {})}
        answer = await self.http.request(method, path, json=body, headers=headers, **given)
        if answer.status_code >= 400:
            self.problems.append(str(answer.headers).encode() + answer.content)
        return answer

    async def made(self, path: str, body: Any = None, method: str = "POST") -> dict[str, Any]:
        answer = await self.call(method, path, body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    async def watch_redis(self) -> None:
        """Look again and again, since jobs live for moments."""
        while True:
            self.in_redis.append(await everything_in(self.redis))
            await asyncio.sleep(0.05)

    async def ran(self, sync_id: str, mode: str = "full", **body: Any) -> dict[str, Any]:
        run = await self.made(f"{self.tenant}/syncs/{sync_id}/runs", {"mode": mode, **body})
        async with asyncio.timeout(RUN_SECONDS):
            while run["state"] not in ENDED:
                await asyncio.sleep(0.05)
                run = await self.made(f"{self.tenant}/runs/{run['id']}", method="GET")
        return run

    async def close(self) -> None:
        await self.http.aclose()
        await self.redis.aclose()


@pytest.fixture
async def traces() -> AsyncIterator[Collector]:
    async with collecting() as found:
        yield found


@pytest.fixture
async def life(open_folder: Path, nursery: Nursery, traces: Collector) -> AsyncIterator[Life]:
    sandbox = nursery.sandbox(customers=0, suppliers=0, invoices=0, x3={"client_secret": X3_SECRET})
    first = free_port()
    environment = {
        **ENVIRONMENT,
        "MLC_METRICS_LISTEN": f"127.0.0.1:{first}",
        "MLC_OTEL_EXPORTER_OTLP_ENDPOINT": traces.url,
    }
    folder = open_folder / "canaries"
    async with running_system(folder, port=0, workers=1, extra_env=environment, logs_to_files=True) as system:
        found = Life(system, sandbox, (first, first + 1))
        yield found
        await found.close()
    await sandbox.rest()
    sandbox.end()


async def test_nothing_we_write_holds_a_secret_an_address_or_a_name(life: Life, traces: Collector) -> None:
    watching = asyncio.create_task(life.watch_redis())
    try:
        await live(life)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    pages = [await life.http.get(f"http://127.0.0.1:{port}/metrics") for port in life.metrics]
    rows = await dump(life.system.env["MLC_DATABASE_URL"])
    await asyncio.sleep(2.5)  # the spans of the last calls are on their way
    logs = {path.name: path.read_bytes() for path in life.system.data_dir.glob("*.log")}

    seen = {
        **{f"log {name}": found_in(text, life.canaries, hashed=True) for name, text in logs.items()},
        "metrics": found_in(b"".join(page.content for page in pages), life.canaries, hashed=True),
        "traces": found_in(b"".join(traces.raw), life.canaries, hashed=True),
        "redis": found_in(b"".join(life.in_redis), life.canaries, hashed=True),
        "problems": found_in(b"".join(life.problems), life.canaries, hashed=True),
        **{f"table {name}": found_in(text, life.canaries) for name, text in rows.items()},
    }

    assert {place: names for place, names in seen.items() if names} == {}
    # That there was something to be seen, and that it would have been.
    assert all(page.status_code == 200 for page in pages)
    assert b"mlc_sync_freshness_seconds" not in pages[1].content
    assert (
        'mlc_vendor_requests_total{method="POST",route="/lists/{id}",status="200",vendor="mailchimp"}' in pages[1].text
    )
    assert 'vendor="other"' not in pages[0].text + pages[1].text
    assert {"api.log", "worker-1.log"} <= set(logs)
    assert b"run.finished" in logs["worker-1.log"]
    assert b"arq:" in b"".join(life.in_redis)
    assert len(life.problems) >= 8
    assert min(len(rows[name]) for name in ("record", "dead_letter", "audit_event", "connection", "webhook_event")) > 0
    assert {"job carry_run", "POST mailchimp/lists/{id}"} <= {span.name for span in traces.spans}
    assert found_in(str(life.sandbox.at_mailchimp).encode(), life.canaries) == ["the key of Mailchimp"]


@pytest.mark.parametrize(
    "written",
    [
        b'{"email": "Canary.Person@acme.test"}',
        b"GET /members?email=canary.person%40acme.test",
        rb"\\x" + b"canary.person@acme.test".hex().encode(),
        b"/lists/1/members/HASH",
    ],
    ids=["json", "url", "bytea", "hash"],
)
def test_the_search_finds_an_address_however_it_is_written(written: bytes) -> None:
    canaries = {"address": Canary("address", "canary.person@acme.test")}
    hash_ = hashlib.md5(b"canary.person@acme.test", usedforsecurity=False).hexdigest().encode()

    assert found_in(written.replace(b"HASH", hash_), canaries, hashed=True) == ["address"]
    assert found_in(b"canary.other@acme.test", canaries, hashed=True) == []


async def live(life: Life) -> None:
    """Everything a tenant and its vendors do, well and badly."""
    await settle_in(life)
    await fill_x3(life)
    mapping = await life.made(f"{life.tenant}/mappings", {"name": "customers", "stream": "customers"})
    sync = await life.made(f"{life.tenant}/syncs", sync_of(life, mapping["id"]))
    life.ids["mapping"], life.ids["sync"] = mapping["id"], sync["id"]
    await life.ran(sync["id"], dry_run=True)
    first = await life.ran(sync["id"])
    assert first["counts"]["created"] >= 4, first
    assert first["counts"]["rejected"] >= 1, first
    await read_everything(life, sync["id"], mapping["id"], first["id"])
    await webhooks(life)
    await changes(life, sync["id"])
    await vendors_misbehave(life, sync["id"])
    await callers_misbehave(life)
    await erase(life)


async def settle_in(life: Life) -> None:
    """Tenant, key, connections."""
    tenant = await life.made("/v1/tenants", {"slug": "canaries", "name": "A tenant", "time_zone": "Europe/Paris"})
    life.tenant = f"/v1/tenants/{tenant['id']}"
    key = await life.made(f"{life.tenant}/api-keys", {"name": "admin", "role": "admin"})
    life.key = key["key"]
    life.canaries["the tenant's key"] = Canary("secret", key["key"].rpartition("_")[2])
    x3, mailchimp = life.sandbox.at_x3, life.sandbox.at_mailchimp
    for name, body in {
        "x3": {
            "system": "sage_x3", "kind": "graphql_jwt", "url": x3["graphql_url"],
            "settings": {"endpoint": "SEED", "request_timeout_seconds": 2},
            "credential": {"client_id": x3["client_id"], "client_secret": X3_SECRET, "subject": "MLC"},
        },
        "mailchimp": {
            "system": "mailchimp", "kind": "api_key", "settings": {"base_url": mailchimp["base_url"]},
            "credential": {"api_key": mailchimp["api_key"]},
        },
    }.items():  # fmt: skip
        made = await life.made(f"{life.tenant}/connections", {"name": name, **body})
        verdict = await life.made(f"{life.tenant}/connections/{made['id']}/verify")
        assert verdict["ok"], verdict
        life.ids[name] = made["id"]


async def fill_x3(life: Life) -> None:
    """Customers whose addresses go well, look fake, are none, are shared, will move, leave and be erased."""
    values = list(PEOPLE.values())[:7]
    who = {"name": NAMES["a company"], "contact_first_name": NAMES["a first name"]}
    who |= {"contact_last_name": NAMES["a last name"], "contact_email": PEOPLE["a contact's address"]}
    rows = [{"code": f"CAN{n}", "emails": [value], **who} for n, value in enumerate(values)]
    rows.append({"code": "CAN9", "emails": [PEOPLE["a shared address"]], **who})
    await life.sandbox.put(*rows)


def sync_of(life: Life, mapping_id: str) -> dict[str, Any]:
    return {
        "name": "customers", "stream": "customers", "mapping_id": mapping_id, "schedule": {"kind": "manual"},
        "source_connection_id": life.ids["x3"], "target_connection_id": life.ids["mailchimp"],
        "target": {"audience_id": life.sandbox.lists[0]}, "new_member_status": "subscribed",
        "inactive": {"action": "tag", "tag": "x3-inactive"}, "brake": {"max_inactive_percent": None},
    }  # fmt: skip


async def read_everything(life: Life, sync_id: str, mapping_id: str, run_id: str) -> None:
    """What people look at; these answers may show their own data to them."""
    person = PEOPLE["an ordinary address"]
    for path, given in (
        ("records", {"email": person}),
        ("consent", {"email": person}),
        ("webhook-events", {"email": person}),
        ("dead-letters", {"sync_id": sync_id}),
        (f"runs/{run_id}/changes", {}),
        ("audit", {}),
        ("audit/export", {}),
    ):
        assert (await life.call("GET", f"{life.tenant}/{path}", params=given)).is_success, path
    body = {"connection_id": life.ids["x3"], "limit": 20}
    assert person in str(await life.made(f"{life.tenant}/mappings/{mapping_id}/preview", body))


async def webhooks(life: Life) -> None:
    """A real registration and a real delivery; strangers who guess and who send nonsense."""
    hook = await life.made(
        f"{life.tenant}/connections/{life.ids['mailchimp']}/webhooks", {"audience_id": life.sandbox.lists[0]}
    )
    secret = hook["url"].rpartition("/")[2]
    life.canaries["a webhook's path"] = Canary("secret", secret.rpartition("_")[2].rpartition(".")[2])
    assert len(life.canaries["a webhook's path"].value) >= 16, hook["url"]
    await life.sandbox.person("unsubscribe", PEOPLE["an address that unsubscribes"])
    path = httpx.URL(hook["url"]).path
    form = {
        "type": "unsubscribe",
        "data[email]": PEOPLE["an ordinary address"],
        "data[merges][FNAME]": NAMES["a company"],
    }
    await life.http.post(path, data=form)
    await life.http.post(path, content=b"%%%" + PEOPLE["an ordinary address"].encode())
    for guessed in ("canary.person@acme.test", secret + "x"):
        answer = await life.http.post(f"/hooks/mailchimp/{guessed}", data=form)
        assert answer.status_code == 404
    async with asyncio.timeout(30):
        while not (await life.made(f"{life.tenant}/webhook-events", method="GET"))["items"]:
            await asyncio.sleep(0.1)


async def changes(life: Life, sync_id: str) -> None:
    """An address moves, a letter is replayed."""
    await life.sandbox.put({"code": "CAN1", "emails": ["canary.elsewhere@acme.test"]})
    life.canaries["where an address moved to"] = Canary("address", "canary.elsewhere@acme.test")
    await life.ran(sync_id, "delta")
    replayed = await life.call("POST", f"{life.tenant}/dead-letters/replay", {"sync_id": sync_id})
    assert replayed.status_code in (202, 409), replayed.text


async def vendors_misbehave(life: Life, sync_id: str) -> None:
    """Answers of every bad kind, most of which quote what was sent; then a credential that is refused."""
    for vendor, kind in (
        (life.sandbox.x3, "graphql_errors"),
        (life.sandbox.x3, "truncated"),
        (life.sandbox.x3, "unauthorised"),
        (life.sandbox.mailchimp, "error"),
        (life.sandbox.mailchimp, "html403"),
        (life.sandbox.mailchimp, "drop_rows"),
    ):
        await life.sandbox.put(
            {"code": "CAN0", "emails": [PEOPLE["an ordinary address"]], "name": f"Canarycompany {kind}"}
        )
        await vendor.fault(kind, count=40)
        await life.ran(sync_id)
        await vendor.no_faults()
    wrong = "canary-wrong-secret-of-at-least-32-bytes-77"
    life.canaries["a wrong secret"] = Canary("secret", wrong)
    credential = {"client_id": "canary", "client_secret": wrong, "subject": "MLC"}
    await life.call("PUT", f"{life.tenant}/connections/{life.ids['x3']}/credential", {"credential": credential})
    assert not (await life.made(f"{life.tenant}/connections/{life.ids['x3']}/verify"))["ok"]
    failed = await life.ran(sync_id)
    assert failed["state"] == "failed"


async def callers_misbehave(life: Life) -> None:
    """Requests that are wrong in every way, with what must not be repeated in their answers."""
    person, secret = PEOPLE["an ordinary address"], X3_SECRET
    connections = f"{life.tenant}/connections"
    bad: list[tuple[str, str, Any]] = [
        (
            "POST",
            connections,
            {"name": "x", "system": "sage_x3", "kind": "no", "credential": {"client_secret": secret}},
        ),
        (
            "POST",
            connections,
            {"name": "x", "system": "mailchimp", "kind": "api_key", "credential": {"api_key": [secret]}},
        ),
        ("POST", connections, {"name": "x", "system": "mailchimp", "kind": "api_key", "credential": secret}),
        ("POST", f"{life.tenant}/erasures", {"email": f"{person} and more"}),
        ("POST", f"{life.tenant}/syncs", {"name": person, "unknown": secret}),
        ("GET", f"{life.tenant}/records/{person}/timeline", None),
        ("GET", f"{life.tenant}/runs?cursor={secret}", None),
        ("PATCH", f"{connections}/{life.ids['x3']}", {"url": f"https://user:{secret}@x3.acme.test/"}),
    ]
    for method, path, body in bad:
        answer = await life.call(method, path, body)
        assert 400 <= answer.status_code < 500, (path, answer.status_code, answer.text)
    answer = await life.call(
        "POST", connections, content=b'{"credential": "' + secret.encode(), headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    for key in (f"mlc_unknown_{secret}", secret):
        answer = await life.call("GET", life.tenant, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 401
    await life.call("GET", life.tenant, headers={"X-Request-Id": person, "traceparent": person})


async def erase(life: Life) -> None:
    """A person is forgotten, and what remembers that is hashed."""
    made = await life.made(f"{life.tenant}/erasures", {"email": PEOPLE["an address that is erased"]})
    async with asyncio.timeout(60):
        while made["state"] not in ("done", "settling", "waiting"):
            await asyncio.sleep(0.2)
            made = await life.made(f"{life.tenant}/erasures/{made['id']}", method="GET")
