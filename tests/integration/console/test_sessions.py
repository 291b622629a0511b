"""Signing in and out, forms that come from elsewhere, what every page sends along."""

import json
from typing import Any

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisGone

from app.console.guarding import POLICY
from app.console.sessions import Sessions
from app.main import create_app
from app.resources import Resources
from tests.fixtures.settings import OPERATOR_KEY
from tests.integration.api.conftest import Api
from tests.integration.console.conftest import HERE, Browser

pytestmark = pytest.mark.integration


async def test_the_root_leads_to_the_sign_in_and_from_there_back(browser: Browser, api: Api) -> None:
    tenant = (await api.tenant()).rpartition("/")[2]

    assert (await browser.get("/")).headers["location"] == "/console/"
    wanted = await browser.get(f"/console/t/{tenant}/runs")
    assert wanted.headers["location"] == f"/console/sign-in?next=%2Fconsole%2Ft%2F{tenant}%2Fruns"

    await browser.get(wanted.headers["location"])
    answer = await browser.post(wanted.headers["location"], {"key": OPERATOR_KEY})

    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/t/{tenant}/runs")
    assert "No run" in (await browser.get(answer.headers["location"])).text


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.test", "https://evil.test", "/console/../v1", "/console//evil", "/console/\\evil", "/v1/tenants"],
)
async def test_a_sign_in_leads_nowhere_else(browser: Browser, elsewhere: str) -> None:
    await browser.get("/console/sign-in", params={"next": elsewhere})
    answer = await browser.http.post(
        "/console/sign-in",
        params={"next": elsewhere},
        data={"key": OPERATOR_KEY, "csrf": browser.page.split('name="csrf" value="')[1].split('"')[0]},
    )

    assert answer.status_code == 303
    where = httpx.URL(HERE).join(answer.headers["location"])
    assert (where.host, where.path.startswith("/console")) == ("console.test", True)


async def test_the_session_cookie_is_for_the_console_alone(browser: Browser) -> None:
    answer = await browser.sign_in()

    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("mlc_session="))
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/console"))
    assert "expires" not in cookie.lower()
    assert OPERATOR_KEY not in cookie


@pytest.mark.parametrize("public_url", ["https://connector.acme.test"])
async def test_the_cookie_is_secure_where_the_service_is(resources: Resources, public_url: str) -> None:
    from dataclasses import replace

    changed = replace(resources, settings=resources.settings.model_copy(update={"public_url": public_url}))
    transport = httpx.ASGITransport(create_app(resources=changed))
    async with httpx.AsyncClient(transport=transport, base_url="https://console.test") as http:
        page = await http.get("/console/sign-in")
    assert "Secure" in page.headers["set-cookie"]


async def test_what_lies_in_redis_does_not_tell_the_key(browser: Browser, resources: Resources) -> None:
    await browser.sign_in()

    names = [name async for name in resources.redis.scan_iter("mlc:console:session:*")]
    values = [await resources.redis.get(name) for name in names]

    assert len(values) == 1
    assert OPERATOR_KEY.encode() not in values[0]
    assert browser.session is not None
    assert browser.session.encode() not in names[0] + values[0]


async def test_signed_out_is_signed_out_everywhere(browser: Browser, api: Api) -> None:
    tenant = (await api.tenant()).rpartition("/")[2]
    await browser.sign_in()
    token = browser.session
    await browser.get(f"/console/t/{tenant}")

    answer = await browser.post("/console/sign-out")

    assert answer.headers["location"] == "/console/sign-in?said=out"
    assert browser.session is None
    browser.http.cookies.set("mlc_session", token or "", domain="console.test", path="/console")
    assert (await browser.get(f"/console/t/{tenant}")).status_code == 303


async def test_a_session_ends_when_nobody_comes_and_in_any_case_after_a_time(resources: Resources) -> None:
    impatient = Sessions(resources.redis, idle_seconds=100, longest=-1)
    token = await impatient.begin("a key", "admin", None)
    assert await impatient.find(token) is None
    assert await impatient.find(token) is None

    patient = Sessions(resources.redis, idle_seconds=100)
    token = await patient.begin("a key", "admin", None)
    (name,) = [name async for name in resources.redis.scan_iter("mlc:console:session:*")]
    await resources.redis.expire(name, 5)
    found = await patient.find(token)
    assert found is not None
    assert found.key == "a key"
    assert await resources.redis.ttl(name) > 50
    await resources.redis.flushdb()
    assert await patient.find(token) is None
    assert await patient.find("x" * 43) is None


async def test_whoever_tries_too_often_waits(browser: Browser) -> None:
    answers = [(await browser.sign_in("mlc_wrong")).status_code for _ in range(12)]

    assert answers[:10] == [401] * 10
    assert answers[10:] == [429, 429]
    refused = await browser.sign_in()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert browser.session is None


async def test_a_revoked_key_ends_the_session(browser: Browser, api: Api) -> None:
    tenant = await api.tenant()
    key = await api.made(f"{tenant}/api-keys", {"name": "somebody", "role": "admin"})
    home = f"/console/t/{tenant.rpartition('/')[2]}"
    await browser.sign_in(key["key"])
    assert (await browser.get(home)).status_code == 200

    await api.call("DELETE", f"{tenant}/api-keys/{key['id']}")

    answer = await browser.get(home)
    assert (answer.status_code, "said=ended" in answer.headers["location"]) == (303, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_from_elsewhere_does_nothing(browser: Browser, api: Api, headers: dict[str, str]) -> None:
    await browser.sign_in()
    await browser.get("/console/")

    answer = await browser.post("/console/tenants", {"slug": "evil", "name": "Evil", "time_zone": "UTC"}, **headers)

    assert answer.status_code == 403
    assert (await api.get("/v1/tenants")).json()["items"] == []


async def test_a_form_without_its_mark_does_nothing(browser: Browser, api: Api) -> None:
    await browser.sign_in()
    await browser.get("/console/")
    form = {"slug": "evil", "name": "Evil", "time_zone": "UTC"}

    assert (await browser.post("/console/tenants", {**form, "csrf": ""})).status_code == 403
    assert (await browser.post("/console/tenants", {**form, "csrf": "x" * 43})).status_code == 403
    assert (await api.get("/v1/tenants")).json()["items"] == []


async def test_a_mark_of_another_browser_does_not_sign_in(browser: Browser) -> None:
    await browser.get("/console/sign-in")
    browser.http.cookies.clear()

    answer = await browser.post("/console/sign-in", {"key": OPERATOR_KEY})

    assert answer.status_code == 403
    assert browser.session is None


async def test_every_answer_is_guarded(browser: Browser, api: Api) -> None:
    tenant = (await api.tenant()).rpartition("/")[2]
    before = [await browser.get(path) for path in ("/", "/console/sign-in", "/console/nowhere", f"/console/t/{tenant}")]
    await browser.sign_in()
    after = [await browser.get(path) for path in ("/console/", f"/console/t/{tenant}", f"/console/t/{tenant}/runs")]
    asset = await browser.get(browser.page.split('stylesheet" href="')[1].split('"')[0])

    for answer in (*before, *after, asset):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
    assert "unsafe" not in POLICY
    assert all(answer.headers["cache-control"] == "no-store" for answer in (*before, *after))
    assert "immutable" in asset.headers["cache-control"]


async def test_a_form_that_is_sent_twice_takes_effect_once(browser: Browser, api: Api) -> None:
    await browser.sign_in()
    await browser.get("/console/")
    form = {"slug": "acme", "name": "Acme", "time_zone": "UTC"}

    first = await browser.post("/console/tenants", form)
    second = await browser.post("/console/tenants", form)

    assert (first.status_code, first.headers["location"]) == (303, second.headers["location"])
    assert len((await api.get("/v1/tenants")).json()["items"]) == 1


async def test_a_mistake_of_ours_is_a_page_with_a_number(browser: Browser, application: Any) -> None:
    await browser.sign_in()
    application.state.console.client = None

    answer = await browser.get("/console/")

    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.text
    assert answer.headers["content-security-policy"] == POLICY
    assert "Traceback" not in answer.text


class NoRedis:
    """It does not answer."""

    def __getattr__(self, name: str) -> Any:
        async def gone(*_: object, **__: object) -> None:
            raise RedisGone("not here")

        return gone


async def test_without_sessions_there_is_a_sentence(browser: Browser, application: Any) -> None:
    application.state.console.sessions = Sessions(NoRedis())  # type: ignore[arg-type]  # as much of it as is needed
    browser.http.cookies.set("mlc_session", "x" * 43, domain="console.test", path="/console")

    answer = await browser.get("/console/")

    assert (answer.status_code, "Valkey" in answer.text) == (503, True)


async def test_no_log_line_holds_a_key_an_address_or_a_name(
    browser: Browser, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.telemetry import set_up_logging

    set_up_logging("json")
    tenant = (await api.tenant()).rpartition("/")[2]
    await browser.sign_in()
    await browser.get(f"/console/t/{tenant}/consent")
    await browser.post(f"/console/t/{tenant}/consent", {"email": "ada.lovelace@acme.test"})
    await browser.post(f"/console/t/{tenant}/records", {"wanted": "ada.lovelace@acme.test"})

    written = capsys.readouterr()
    lines = [json.loads(line) for line in (written.out + written.err).splitlines() if line.startswith("{")]
    routes = {line["route"] for line in lines if line.get("event") == "request.finished"}
    assert {"/console/t/{tenant_id:uuid}/consent", "/v1/tenants/{tenant_id}/consent"} <= routes
    assert not any(word in written.out + written.err for word in (OPERATOR_KEY, "lovelace", browser.session or "?"))
