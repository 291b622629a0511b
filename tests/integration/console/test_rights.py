"""Nobody can do in the console what the API would not let them do; nothing of a tenant is shown to another."""

import asyncio
from typing import Any

import pytest
from starlette.routing import Route

from app.console.application import _routes
from tests.integration.api.conftest import Api
from tests.integration.api.objects import furnish
from tests.integration.console.conftest import Browser

pytestmark = pytest.mark.integration

ABSENT = "00000000-0000-4000-8000-000000000000"
PAGES = sorted(
    {
        (method, route.path)
        for route in _routes()
        if isinstance(route, Route) and "{tenant_id" in route.path
        for method in route.methods or ()
        if method != "HEAD"
    }
)


def address(path: str, tenant: str, ids: dict[str, str]) -> str:
    noun = path.split("}")[1].strip("/").split("/")[0]
    known = {"connections": ids["connections"], "mappings": ids["mappings"], "syncs": ids["syncs"], "runs": ids["runs"]}
    path = path.replace("{tenant_id:uuid}", tenant).replace("{sync_id:uuid}", ids["syncs"])
    path = path.replace("{connection_id:uuid}", ids["mailchimp"])
    return path.replace("{id:uuid}", known.get(noun, ids["keys"] if noun == "keys" else ABSENT))


async def furnished(api: Api, slug: str) -> tuple[str, dict[str, str]]:
    tenant = await api.tenant(slug)
    ids = await furnish(api, tenant)
    return tenant.rpartition("/")[2], {**ids, "keys": ids["api-keys"]}


async def test_a_stranger_sees_nothing_of_another_tenant(browser: Browser, api: Api) -> None:
    tenant, ids = await furnished(api, "one")
    other, _ = await furnished(api, "two")
    key = await api.made(f"/v1/tenants/{other}/api-keys", {"name": "stranger", "role": "admin"})
    await browser.sign_in(key["key"])
    await browser.get(f"/console/t/{other}")
    form = browser.page

    wrong = []
    for method, path in PAGES:
        browser.page = form
        at = address(path, tenant, ids)
        answer = await (browser.get(at) if method == "GET" else browser.post(at))
        leaks = "One" in answer.text or "X3 production" in answer.text
        is_told = answer.status_code in (303, 404) or (answer.status_code == 422 and "Choose" in answer.text)
        if leaks or not (is_told or path.endswith(("/events", "/export"))):
            wrong.append((method, path, answer.status_code))
        if answer.status_code == 303:
            assert ABSENT not in answer.headers["location"]

    assert len(PAGES) > 50
    assert wrong == []


async def test_without_a_session_every_page_leads_to_the_sign_in(browser: Browser, api: Api) -> None:
    tenant, ids = await furnished(api, "one")

    for method, path in PAGES:
        at = address(path, tenant, ids)
        answer = await (browser.get(at) if method == "GET" else browser.post(at))
        assert answer.status_code == 303, (method, path)
        assert answer.headers["location"].startswith("/console/sign-in")


READABLE = (
    "",
    "/syncs",
    "/runs",
    "/records",
    "/dead-letters",
    "/consent",
    "/connections",
    "/mappings",
    "/webhooks",
    "/alerts",
    "/audit",
)


async def test_a_viewer_reads_everything_and_changes_nothing(browser: Browser, api: Api) -> None:
    tenant, ids = await furnished(api, "one")
    key = await api.made(f"/v1/tenants/{tenant}/api-keys", {"name": "viewer", "role": "viewer"})
    await browser.sign_in(key["key"])
    home = f"/console/t/{tenant}"
    assert (await browser.get("/console/")).headers["location"] == home
    for page in (
        *READABLE,
        f"/syncs/{ids['syncs']}",
        f"/runs/{ids['runs']}",
        f"/connections/{ids['connections']}",
        f"/mappings/{ids['mappings']}",
    ):
        answer = await browser.get(home + page)
        assert answer.status_code == 200, page
        assert 'class="danger"' not in answer.text
    before = (await api.get(f"/v1/tenants/{tenant}/audit?limit=1")).json()["items"][0]["seq"]

    allowed = ("/records", "/consent", "/webhooks/search", "/audit/check", "/sign-out")  # searches, not changes
    form = browser.page
    for method, path in PAGES:
        if method == "POST" and not path.endswith(allowed):
            browser.page = form
            answer = await browser.post(
                address(path, tenant, ids), {"name": "x", "system": "mailchimp", "kind": "api_key"}
            )
            assert answer.status_code >= 400 or "set-up" in answer.headers["location"], (path, answer.status_code)
    await browser.get(home)

    assert (await api.get(f"/v1/tenants/{tenant}/audit?limit=1")).json()["items"][0]["seq"] == before


async def test_what_the_console_starts_says_so(browser: Browser, api: Api) -> None:
    tenant, ids = await furnished(api, "one")
    await browser.sign_in()
    await api.post(f"/v1/tenants/{tenant}/runs/{ids['runs']}/cancel")
    await browser.get(f"/console/t/{tenant}/syncs/{ids['syncs']}")

    answer = await browser.post(f"/console/t/{tenant}/syncs/{ids['syncs']}/run", {"mode": "full"})

    run = (
        await api.get(f"/v1/tenants/{tenant}/runs/{answer.headers['location'].rpartition('/')[2].partition('?')[0]}")
    ).json()
    assert (run["trigger"], run["mode"], run["state"]) == ("console", "full", "queued")
    direct = await api.made(f"/v1/tenants/{tenant}/syncs/{ids['syncs']}/runs", {"mode": "full", "dry_run": True}, 202)
    assert direct["trigger"] == "api"


async def test_events_come_through_as_they_happen(application: Any, browser: Browser, api: Api) -> None:
    """Not when all is over: the first event must be there while the run still waits."""
    tenant, ids = await furnished(api, "one")
    await browser.sign_in()
    came: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    gone = asyncio.Event()

    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if asked:
            return asked.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": "GET",
        "path": f"/console/t/{tenant}/runs/{ids['runs']}/events", "raw_path": b"", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"console.test"), (b"cookie", f"mlc_session={browser.session}".encode())],
        "client": ("127.0.0.1", 1), "server": ("console.test", 80),
    }  # fmt: skip
    asking = asyncio.create_task(application(scope, receive, came.put))
    begun = await asyncio.wait_for(came.get(), 5)
    assert begun["status"] == 200
    assert (b"content-type", b"text/event-stream; charset=utf-8") in begun["headers"]
    body = b""
    while b"event: progress" not in body:
        body += (await asyncio.wait_for(came.get(), 5))["body"]
    assert not asking.done()

    await api.post(f"/v1/tenants/{tenant}/runs/{ids['runs']}/cancel")
    while b"event: end" not in body:
        body += (await asyncio.wait_for(came.get(), 5))["body"]
    gone.set()
    await asyncio.wait_for(asking, 5)


async def test_the_audit_trail_can_be_taken_away(browser: Browser, api: Api) -> None:
    tenant, _ = await furnished(api, "one")
    await browser.sign_in()

    export = await browser.get(f"/console/t/{tenant}/audit/export")

    assert export.headers["content-disposition"] == f'attachment; filename="audit-{tenant}.ndjson"'
    exported = (await api.get(f"/v1/tenants/{tenant}/audit/export?signed=true")).text
    assert export.text.splitlines()[:-1] == exported.splitlines()[:-1]
    assert export.text.splitlines()[-1].startswith('{"signature":')  # of another instant
    assert export.text.count("\n") > 5


async def test_a_secret_never_comes_back_on_a_page(browser: Browser, api: Api) -> None:
    from tests.integration.api.objects import SECRETS

    tenant, ids = await furnished(api, "one")
    await browser.sign_in()
    home = f"/console/t/{tenant}"
    await browser.get(f"{home}/connections/new?system=mailchimp")
    form = {"system": "mailchimp", "kind": "api_key", "name": "", "credential.api_key": SECRETS[1]}

    refused = await browser.post(f"{home}/connections", form)

    assert refused.status_code == 422
    pages = [refused.text]
    for page in (f"/connections/{ids['connections']}", f"/connections/{ids['mailchimp']}", "/audit"):
        pages.append((await browser.get(home + page)).text)
    assert not any(secret in page for secret in SECRETS for page in pages)
