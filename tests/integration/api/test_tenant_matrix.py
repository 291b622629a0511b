"""Every operation of openapi.json, tried by everybody who must not see the tenant, and by every role."""

import re
from typing import Any

import pytest

from app.api.application import assemble
from tests.integration.api.conftest import Api, Client
from tests.integration.api.objects import a_mailchimp, a_mapping, a_sync, an_x3, furnish

pytestmark = pytest.mark.integration

ABSENT = "00000000-0000-4000-8000-000000000000"
SPEC = assemble().openapi()
OPERATIONS = sorted(
    (method.upper(), path)
    for path, operations in SPEC["paths"].items()
    for method in operations
    if path.startswith("/v1/tenants/{tenant_id}")
)
READS = {"GET"}
# What a viewer may not, and what an operator may beside reading (CONTRACT section 1).
OPERATING = re.compile(r"/(runs|cancel|approve|replay|dismiss|pause|resume|verify|preview|test)$")


def least_role(method: str, path: str) -> str:
    if method in READS:
        return "viewer"
    return "operator" if method == "POST" and OPERATING.search(path) else "admin"


def body_for(method: str, path: str, ids: dict[str, str]) -> dict[str, Any] | None:
    """A body that is valid, so that nothing but the tenant or the role can be what is refused."""
    name = path.rpartition("}/")[2]
    bodies: dict[tuple[str, str], dict[str, Any]] = {
        ("POST", "api-keys"): {"name": "x", "role": "viewer"},
        ("POST", "connections"): an_x3(),
        ("POST", "mappings"): a_mapping(),
        ("POST", "syncs"): a_sync(ids["connections"], ids["mailchimp"], ids["mappings"]),
        ("POST", "runs"): {"mode": "delta"},
        ("POST", "preview"): {"connection_id": ids["connections"]},
        ("POST", "dead-letters/replay"): {"sync_id": ids["syncs"]},
        ("POST", "webhooks"): {"kind": "transactional"},
        ("PATCH", "webhooks/{wid}"): {"signing_key": "0123456789"},
        ("POST", "alert-channels"): {"kind": "webhook", "name": "x", "url": "https://ops.acme.test/hook"},
        ("POST", "erasures"): {"email": "nobody@acme.test"},
        ("PUT", "credential"): {"client_id": "a", "client_secret": "b"},
    }
    if method == "PATCH":
        return bodies.get((method, name), {"name": "x"})
    if method == "PUT" and path.endswith("/mappings/{id}"):
        return a_mapping()
    return bodies.get((method, name))


def address(path: str, tenant: str, ids: dict[str, str]) -> str:
    """The path with the tenant's own objects in it; collections without objects get an id nobody has."""
    collection = path.removeprefix("/v1/tenants/{tenant_id}").strip("/").split("/")[0]
    filled = path.replace("/v1/tenants/{tenant_id}", tenant).replace("{audience_id}", "a6b5da1054")
    return filled.replace("{wid}", ABSENT).replace("{id}", ids.get(collection, ABSENT))


async def ask(caller: Client, method: str, path: str, ids: dict[str, str], at: str) -> tuple[int, bytes]:
    body = body_for(method, path, ids)
    response = await caller.call(method, at, **({"json": body} if body is not None else {}))
    return response.status_code, response.content


async def test_a_stranger_gets_the_same_404_for_what_is_there_and_what_is_not(api: Api) -> None:
    tenant, other = await api.tenant("one"), await api.tenant("two")
    ids, own = await furnish(api, tenant), await furnish(api, other)
    strangers = [await api.caller(other, role) for role in ("admin", "operator", "viewer")]

    found = []
    for method, path in OPERATIONS:
        there, absent = address(path, tenant, ids), path.replace("{tenant_id}", ABSENT)
        absent = address(
            absent.replace(f"/v1/tenants/{ABSENT}", "/v1/tenants/{tenant_id}"), f"/v1/tenants/{ABSENT}", {}
        )
        for stranger in strangers:
            found.append((method, path, await ask(stranger, method, path, ids, there)))
            found.append((method, path, await ask(stranger, method, path, ids, absent)))
        if "{id}" in path:  # a foreign object under the caller's own tenant
            mixed = there.replace(tenant, other)
            found.append((method, path, await ask(strangers[0], method, path, own, mixed)))

    assert len(OPERATIONS) >= 40
    bodies = {body for _, _, (_, body) in found}
    assert [(method, path, answer) for method, path, answer in found if answer[0] != 404] == []
    assert len(bodies) == 1


async def test_nobody_without_a_good_key_gets_anywhere(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    revoked = await api.made(f"{tenant}/api-keys", {"name": "gone", "role": "admin"})
    await api.call("DELETE", f"{tenant}/api-keys/{revoked['id']}")

    answers = [
        (method, path, (await ask(caller, method, path, ids, address(path, tenant, ids)))[0])
        for method, path in OPERATIONS
        for caller in (api.with_key(None), api.with_key("mlc_x_y"), api.with_key(revoked["key"]))
    ]

    assert [answer for answer in answers if answer[2] != 401] == []


async def test_each_role_may_do_what_it_should_and_nothing_more(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    callers = {role: await api.caller(tenant, role) for role in ("viewer", "operator")}
    ranks = {"viewer": 1, "operator": 2, "admin": 3}

    wrong = []
    for method, path in OPERATIONS:
        if path.endswith(("/events", "/verify", "/preview", "/audiences", "/merge-fields", "/stores")):
            continue  # they ask vendors or last; their roles are the same functions
        for role, caller in callers.items():
            status, _ = await ask(caller, method, path, ids, address(path, tenant, ids))
            allowed = ranks[role] >= ranks[least_role(method, path)]
            if (status == 403) == allowed:
                wrong.append((role, method, path, status))

    assert wrong == []


async def test_references_to_foreign_objects_are_refused_like_missing_ones(api: Api) -> None:
    tenant, other = await api.tenant("one"), await api.tenant("two")
    foreign, own = await furnish(api, tenant), await furnish(api, other)
    names = {"x3": "connections", "mailchimp": "mailchimp", "mapping": "mappings"}

    for name, collection in names.items():
        mine = {key: own[value] for key, value in names.items()}
        with_foreign = await api.post(f"{other}/syncs", a_sync(**{**mine, name: foreign[collection]}))
        with_absent = await api.post(f"{other}/syncs", a_sync(**{**mine, name: ABSENT}))
        assert with_foreign.status_code == with_absent.status_code == 422
        assert with_foreign.content == with_absent.content


async def test_two_tenants_may_name_their_objects_alike(api: Api) -> None:
    one, two = await api.tenant("one"), await api.tenant("two")

    for tenant in (one, two):
        await api.made(f"{tenant}/connections", a_mailchimp())

    for tenant in (one, two):
        assert len((await api.get(f"{tenant}/connections")).json()["items"]) == 1


async def test_a_cursor_opens_no_other_list(api: Api) -> None:
    one, two = await api.tenant("one"), await api.tenant("two")
    for tenant in (one, two):
        for number in range(3):
            await api.made(f"{tenant}/mappings", a_mapping(name=f"m{number}"))
    cursor = (await api.get(f"{one}/mappings?limit=1")).json()["next_cursor"]

    assert (await api.get(f"{one}/mappings?limit=1&cursor={cursor}")).status_code == 200
    for path in (f"{two}/mappings", f"{one}/connections", f"{one}/syncs", "/v1/tenants"):
        assert (await api.get(f"{path}?cursor={cursor}")).status_code == 422
    for broken in (cursor[:-2], cursor[::-1], "A" + cursor, "x", "é", "a" * 2000):
        assert (await api.get(f"{one}/mappings", params={"cursor": broken})).status_code == 422


async def test_pages_neither_lose_nor_repeat(api: Api) -> None:
    tenant = await api.tenant()
    made = [(await api.made(f"{tenant}/mappings", a_mapping(name=f"m{n}")))["id"] for n in range(7)]

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (
            await api.get(f"{tenant}/mappings", params={"limit": "2", **({"cursor": cursor} if cursor else {})})
        ).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]

    assert seen == made[::-1]
    for limit in ("0", "201", "-1", "x", "1e3", "9" * 5000):
        assert (await api.get(f"{tenant}/mappings", params={"limit": limit})).status_code == 422
