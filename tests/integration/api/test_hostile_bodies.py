"""Each field of each body wrong in type, size and encoding: a 4xx problem, never a 5xx."""

import copy
import json
from collections import defaultdict
from typing import Any

import pytest

from app.connectors.mailchimp.webhooks import RemoteHook
from app.openapi import document
from tests.integration.api.bodies import cases, places, published
from tests.integration.api.conftest import Api
from tests.integration.api.objects import an_x3

pytestmark = pytest.mark.integration

DEEP: Any = "bottom"
for _ in range(60):
    DEEP = [DEEP]
WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**63, 10**39, "", " ", "x", "x" * 70_000, "a\nb", "\u202e\u0007", "💥" * 300),
    *([], ["x"], [None], {}, {"x": 1}, {"": ""}, [[[]]], DEEP, "../../etc/passwd", "'; drop table tenant; --"),
    *("00000000-0000-0000-0000-00000000000g", "2026-13-45T99:99:99Z", "9999999999999", "{{7*7}}", "%00"),
)
RAW = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"true",
    b'"text"',
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b'{"name": NaN}',
    b'{"name": Infinity}',
    b'{"name": -Infinity}',
    b'{"name": "a", "name": "b"}',
    b'{"name": "\\ud800"}',
    b'{"name": "\\u0000"}',
    b'{"na\\u0000me": 1}',
    b'{"name": ' + b"9" * 5000 + b"}",
    b'{"name": 1e400}',
    b'{"name": ' + b"[" * 100_000 + b"}",
    b'{"name": ' + b"[" * 100 + b"]" * 100 + b"}",
    b'{"a":' * 100 + b"1" + b"}" * 100,
    b'{"name": "\xed\xa0\x80"}',
    b"{'name': 'x'}",
    b'{"name": "x"} {}',
    b'{"name": "x",}',
)


def with_wrong(body: dict[str, Any], at: tuple[Any, ...], wrong: Any) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    inner: Any = changed
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = wrong
    return changed


COUNT = 31  # of cases(); the test of coverage says when it is another


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vendors are not what is tried here: they say yes, and at once."""

    async def nothing(*_args: object, **_given: object) -> list[str]:
        return []

    async def registered(*_args: object) -> RemoteHook:
        return RemoteHook("1")

    monkeypatch.setattr("app.api.syncs.check_audience", nothing)
    monkeypatch.setattr("app.api.connections.verify_connection", nothing)
    monkeypatch.setattr("app.webhooks.registering.announce", registered)
    monkeypatch.setattr("app.api.alert_channels.MOST_CHANNELS", 1_000_000)


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize("number", range(COUNT))
async def test_no_wrong_value_anywhere_is_an_error_of_ours(api: Api, number: int) -> None:
    found = await cases(api, await api.tenant())
    method, template, path, body = found[number]
    same = [case for case in found[:number] if case[:2] == (method, template) and case.kind == found[number].kind]
    before = {at for case in same for at in places(case.body)}
    answers = []
    if not path.endswith("/preview"):  # which would ask X3
        right = await api.call(method, path, json=body)
        assert right.status_code < 300, right.text
    for at in sorted(set(places(body)) - before, key=str):  # once is enough of what bodies have in common
        for wrong in WRONG:
            raw = json.dumps(with_wrong(body, at, wrong)).encode()
            response = await api.call(method, path, content=raw, headers={"Content-Type": "application/json"})
            answers.append((at, repr(wrong)[:40], response.status_code))
    extra = json.dumps({**body, "surplus": 1}).encode()
    response = await api.call(method, path, content=extra, headers={"Content-Type": "application/json"})

    assert [answer for answer in answers if answer[2] >= 500] == []
    assert any(answer[2] == 422 for answer in answers)
    assert response.status_code == 422


async def test_every_operation_with_a_body_and_every_property_is_tried(api: Api) -> None:
    """What comes as JSON is tried above; deliveries and callbacks, which are forms, in tests of their own."""
    found = await cases(api, await api.tenant())
    tried: defaultdict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for case in found:
        names = (tuple(name for name in at if isinstance(name, str)) for at in places(case.body))
        tried[case.method, case.template] |= set(names)
    described = json.loads(document())
    known = {
        (method.upper(), path): operation["requestBody"]["content"].get("application/json", {}).get("schema")
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if isinstance(operation, dict) and "requestBody" in operation
    }
    forms = {(method, path) for (method, path) in known if path.startswith(("/hooks/", "/oauth/"))}

    assert len(found) == COUNT
    assert set(tried) == set(known) - forms
    missing = {each: set(published(described, known[each])) - tried[each] for each in tried if known[each]}
    assert {each: names for each, names in missing.items() if names} == {}


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: raw[:16].hex() or "empty")
async def test_what_is_no_proper_json_is_refused(api: Api, raw: bytes) -> None:
    tenant = await api.tenant()

    for method, path in (("POST", "/v1/tenants"), ("POST", f"{tenant}/connections"), ("PATCH", tenant)):
        response = await api.call(method, path, content=raw, headers={"Content-Type": "application/json"})
        assert response.status_code in (400, 422), response.text


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "application/json; charset=utf-16"],
)
async def test_only_json_in_utf8_is_taken(api: Api, content_type: str) -> None:
    response = await api.call("POST", "/v1/tenants", content=b"{}", headers={"Content-Type": content_type})

    assert response.status_code == 415


async def test_a_body_over_the_limit_is_413_however_it_is_sent(api: Api) -> None:
    big = b'{"name": "' + b"x" * 1_100_000 + b'"}'

    async def chunks():  # type: ignore[no-untyped-def]  # bytes
        for start in range(0, len(big), 65_536):
            yield big[start : start + 65_536]

    json_type = {"Content-Type": "application/json"}
    announced = await api.call("POST", "/v1/tenants", content=big, headers=json_type)
    chunked = await api.call("POST", "/v1/tenants", content=chunks(), headers=json_type)

    assert (announced.status_code, chunked.status_code) == (413, 413)


async def test_hostile_queries_are_refused(api: Api) -> None:
    tenant = await api.tenant()
    paths = ("records?code=%00", "records?email=%00%00%00", "audit?action=%00", "audit?since=x", "runs?state=x")
    paths += (
        "runs?sync_id=x",
        "dead-letters?reason=%ff",
        "records?sync_id=" + "9" * 4000,
        "audit?since=0001-01-01T00:00:00Z",
    )

    codes = {path: (await api.get(f"{tenant}/{path}")).status_code for path in paths}

    assert set(codes.values()) == {422}, codes


async def test_odd_ids_in_paths_are_simply_not_there(api: Api) -> None:
    tenant = await api.tenant()

    for odd in ("x", "%00", "%2e%2e%2f", "1" * 4000, "00000000-0000-0000-0000-00000000000g", "é"):
        for path in (f"/v1/tenants/{odd}", f"{tenant}/connections/{odd}", f"{tenant}/runs/{odd}/changes"):
            assert (await api.get(path)).status_code in (404, 405), path


async def test_unknown_paths_and_methods_are_problems_too(api: Api) -> None:
    assert (await api.get("/v1/nothing")).status_code == 404
    assert (await api.get("/nothing")).status_code == 404
    response = await api.call("PUT", "/v1/tenants", json={})
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


async def test_a_validation_error_never_repeats_what_was_sent(api: Api) -> None:
    tenant = await api.tenant()
    body = an_x3(credential={"client_id": {"canary-1": 1}, "client_secret": ["canary-2"], "canary-3": "canary-4"})

    response = await api.post(f"{tenant}/connections", body)

    assert response.status_code == 422
    assert "canary-2" not in response.text
    assert "canary-4" not in response.text
