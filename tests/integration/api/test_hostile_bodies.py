"""Each field of each body wrong in type, size and encoding: a 4xx problem, never a 5xx."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.objects import a_mailchimp, a_mapping, a_sync, an_x3, furnish

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


async def bodies(api: Api, tenant: str) -> list[tuple[str, str, dict[str, Any]]]:
    ids = await furnish(api, tenant)
    credential = {"client_id": "a", "client_secret": "b"}
    rich_x3 = an_x3(
        settings={
            "endpoint": "SEED",
            "jwt_audience": "x",
            "jwt_lifetime_seconds": 300,
            "tls_ca_pem": None,
            "tls_verify": True,
            "generation": "auto",
            "page_size": 500,
            "max_concurrency": 2,
            "delta_overlap_seconds": 1020,
            "filter_dialect": "json",
            "fields": {"customers": {"custom.x": "a.b"}},
            "rest": {"customers": {"class": "BPCUSTOMER", "details_per_row": True}},
            "headers": {"x-a": "b"},
        }
    )
    rich_mapping = a_mapping(
        email={"sources": ["default_address.emails"], "mode": "per_party"},
        fields=[
            {"target": "FNAME", "source": "name", "transforms": ["trim", {"name": "truncate", "length": 80}]},
            {"target": "KIND", "constant": "customer", "when_blank": "keep"},
        ],
        tags=[{"name": "a"}, {"name": "b", "when": {"field": "country", "not_in": ["FR"]}}],
        language="language",
    )
    sync = a_sync(
        ids["connections"],
        ids["mailchimp"],
        ids["mappings"],
        filter={"field": "category", "in": ["EXP"]},
        inactive={"action": "tag", "tag": "gone"},
        schedule={"kind": "weekly", "days": ["mon"], "at": "02:30", "quiet_hours": [{"from": "08:00", "to": "09:00"}]},
        brake={"max_new": None, "max_inactive_percent": 20},
        reconcile={"every_days": 7},
        enabled=True,
    )
    change = {name: value for name, value in sync.items() if name != "stream"}
    return [
        ("POST", "/v1/tenants", {"slug": "x-1", "name": "x", "time_zone": "UTC"}),
        ("PATCH", tenant, {"name": "x", "time_zone": "UTC", "slug": "acme"}),
        ("POST", f"{tenant}/api-keys", {"name": "x", "role": "viewer", "expires_at": "2099-01-01T00:00:00Z"}),
        ("POST", f"{tenant}/connections", rich_x3),
        ("POST", f"{tenant}/connections", a_mailchimp()),
        ("PATCH", f"{tenant}/connections/{ids['connections']}", {"name": "x", "settings": {"page_size": 5}}),
        ("PATCH", f"{tenant}/connections/{ids['connections']}", {"url": rich_x3["url"], "credential": credential}),
        ("POST", f"{tenant}/mappings", rich_mapping),
        ("PUT", f"{tenant}/mappings/{ids['mappings']}", rich_mapping),
        (
            "POST",
            f"{tenant}/mappings/{ids['mappings']}/preview",
            {"connection_id": ids["mailchimp"], "codes": ["A"], "limit": 5},
        ),
        ("POST", f"{tenant}/syncs", sync),
        ("PATCH", f"{tenant}/syncs/{ids['syncs']}", change),
        ("POST", f"{tenant}/syncs/{ids['syncs']}/runs", {"mode": "full", "dry_run": True, "codes": ["C1"]}),
        ("POST", f"{tenant}/dead-letters/replay", {"sync_id": ids["syncs"], "reason": "x", "since": None}),
    ]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a body, inner ones too."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*at, name))


def with_wrong(body: dict[str, Any], at: tuple[Any, ...], wrong: Any) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    inner: Any = changed
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = wrong
    return changed


@pytest.mark.parametrize("number", range(14))
async def test_no_wrong_value_anywhere_is_an_error_of_ours(
    api: Api, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await api.tenant()
    method, path, body = (await bodies(api, tenant))[number]

    async def unasked(*_args: object) -> list[str]:
        return []  # the audience is not what is tried here

    monkeypatch.setattr("app.api.syncs.check_audience", unasked)
    answers = []
    if not path.endswith("/preview"):  # which would ask X3
        right = await api.call(method, path, json=body)
        assert right.status_code < 300, right.text
    for at in places(body):
        for wrong in WRONG:
            raw = json.dumps(with_wrong(body, at, wrong)).encode()
            response = await api.call(method, path, content=raw, headers={"Content-Type": "application/json"})
            answers.append((at, repr(wrong)[:40], response.status_code))
    extra = json.dumps({**body, "surplus": 1}).encode()
    response = await api.call(method, path, content=extra, headers={"Content-Type": "application/json"})

    assert [answer for answer in answers if answer[2] >= 500] == []
    assert any(answer[2] == 422 for answer in answers)
    assert response.status_code == 422


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
