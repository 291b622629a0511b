"""Tenants and keys: made, listed, changed, revoked, destroyed."""

import pytest

from app.api.deps import tenant_keys
from app.api.problems import NotFound
from tests.integration.api.conftest import Api
from tests.integration.api.objects import furnish

pytestmark = pytest.mark.integration


async def test_a_tenant_is_made_read_and_changed(api: Api) -> None:
    response = await api.post("/v1/tenants", {"slug": "acme", "name": "Acme", "time_zone": "Europe/Paris"})
    made = response.json()

    assert response.status_code == 201
    assert set(made) == {"id", "slug", "name", "time_zone", "created_at", "updated_at"}
    assert made["created_at"].endswith("Z")
    assert response.headers["location"] == f"/v1/tenants/{made['id']}"
    changed = await api.call("PATCH", response.headers["location"], json={"name": "Acme Industries"})
    assert changed.json()["name"] == "Acme Industries"
    assert (await api.get(response.headers["location"])).json() == changed.json()


async def test_a_slug_is_taken_once(api: Api) -> None:
    await api.tenant("acme")

    response = await api.post("/v1/tenants", {"slug": "acme", "name": "Other", "time_zone": "UTC"})

    assert (response.status_code, response.json()["code"]) == (409, "slug_taken")
    changed = await api.call("PATCH", await api.tenant("other"), json={"slug": "acme"})
    assert (changed.status_code, changed.json()) == (409, response.json())


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe/paris ", "localtime\x00", "localtime"])
async def test_only_real_time_zones_are_taken(api: Api, zone: str) -> None:
    response = await api.post("/v1/tenants", {"slug": "acme", "name": "Acme", "time_zone": zone})

    assert response.status_code in (400, 422)


async def test_tenants_are_listed_newest_first_in_pages(api: Api) -> None:
    made = [await api.tenant(f"tenant-{number}") for number in range(5)]

    first = (await api.get("/v1/tenants?limit=3")).json()
    second = (await api.get(f"/v1/tenants?limit=3&cursor={first['next_cursor']}")).json()

    listed = [f"/v1/tenants/{item['id']}" for item in first["items"] + second["items"]]
    assert listed == made[::-1]
    assert second["next_cursor"] is None


async def test_only_the_operator_makes_and_lists_tenants(api: Api) -> None:
    admin = await api.caller(await api.tenant(), "admin")

    assert (await admin.get("/v1/tenants")).status_code == 403
    response = await admin.post("/v1/tenants", {"slug": "b", "name": "B", "time_zone": "UTC"})
    assert response.status_code == 403


async def test_a_key_is_shown_once_and_never_again(api: Api) -> None:
    tenant = await api.tenant()
    made = await api.made(f"{tenant}/api-keys", {"name": "job", "role": "operator"})

    assert made["key"].startswith(made["prefix"] + "_")
    secret = made["key"].rpartition("_")[2]
    for path in ("api-keys", "audit"):
        text = (await api.get(f"{tenant}/{path}")).text
        assert made["prefix"] in text
        assert secret not in text


async def test_a_key_is_answered_in_utc_and_seen_by_whoever_reads(api: Api) -> None:
    tenant = await api.tenant()
    viewer = await api.caller(tenant, "viewer", expires_at="2099-01-01T00:00:00+02:00")

    made = await api.made(f"{tenant}/api-keys", {"name": "a", "role": "viewer", "expires_at": "2099-01-01T00:00+02:00"})

    assert made["expires_at"] == "2098-12-31T22:00:00Z"
    listed = (await viewer.get(f"{tenant}/api-keys")).json()["items"]
    assert [key["expires_at"] for key in listed] == ["2098-12-31T22:00:00Z"] * 2
    assert "key" not in listed[0]


async def test_a_revoked_key_opens_nothing_from_the_next_request_on(api: Api) -> None:
    tenant = await api.tenant()
    made = await api.made(f"{tenant}/api-keys", {"name": "job", "role": "viewer"})
    caller = api.with_key(made["key"])
    assert (await caller.get(tenant)).status_code == 200

    assert (await api.call("DELETE", f"{tenant}/api-keys/{made['id']}")).status_code == 204

    assert (await caller.get(tenant)).status_code == 401
    assert (await api.get(f"{tenant}/api-keys")).json()["items"] == []
    assert (await api.call("DELETE", f"{tenant}/api-keys/{made['id']}")).status_code == 404


async def test_an_expired_key_opens_nothing(api: Api) -> None:
    tenant = await api.tenant()
    made = await api.made(f"{tenant}/api-keys", {"name": "job", "role": "viewer", "expires_at": "2099-01-01T00:00:00Z"})
    async with api.resources.database.transaction(made_tenant(tenant)) as connection:
        await connection.execute("update api_key set expires_at = clock_timestamp() - interval '1 second'")

    assert (await api.with_key(made["key"]).get(tenant)).status_code == 401


async def test_a_key_cannot_be_born_expired(api: Api) -> None:
    tenant = await api.tenant()
    body = {"name": "job", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}

    assert (await api.post(f"{tenant}/api-keys", body)).status_code == 422


async def test_the_last_use_of_a_key_is_noted_once_a_minute(api: Api) -> None:
    tenant = await api.tenant()
    caller = await api.caller(tenant, "viewer")
    await caller.get(tenant)
    first = (await api.get(f"{tenant}/api-keys")).json()["items"][0]["last_used_at"]
    await caller.get(tenant)

    assert first is not None
    assert (await api.get(f"{tenant}/api-keys")).json()["items"][0]["last_used_at"] == first


@pytest.mark.parametrize(
    "key",
    [
        "",
        "nonsense",
        "mlc_aaaaaaaaaaaa_" + "b" * 49,
        "mlc_" + "a" * 5000,
        "operator-key-of-the-tests-0123456788",
        "mlc__",
    ],
)
async def test_bad_keys_are_all_answered_alike(api: Api, key: str) -> None:
    tenant = await api.tenant()

    response = await api.with_key(key or None).get(tenant)

    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_key_with_a_changed_secret_opens_nothing(api: Api) -> None:
    tenant = await api.tenant()
    one = await api.made(f"{tenant}/api-keys", {"name": "one", "role": "admin"})
    two = await api.made(f"{tenant}/api-keys", {"name": "two", "role": "admin"})
    mixed = f"{one['prefix']}_{two['key'].rpartition('_')[2]}"

    assert (await api.with_key(mixed).get(tenant)).status_code == 401


async def test_deleting_a_tenant_leaves_no_row_and_no_key(api: Api) -> None:
    tenant, other = await api.tenant(), await api.tenant("other")
    caller = await api.caller(tenant, "admin")
    await furnish(api, tenant)
    kept = await furnish(api, other)

    assert (await caller.call("DELETE", tenant)).status_code == 204

    assert (await caller.get(tenant)).status_code == 401
    assert (await api.get(tenant)).status_code == 404
    assert (await api.call("DELETE", tenant)).status_code == 404
    counts = await rows_per_table(api, made_tenant(tenant))
    assert {table for table, count in counts.items() if count} == set()
    assert (await api.get(f"{other}/connections/{kept['connections']}")).status_code == 200


async def test_once_the_data_key_is_destroyed_nothing_can_be_opened_and_deletion_can_be_finished(api: Api) -> None:
    from app.db.erasing import destroy_data_key

    tenant = await api.tenant()
    caller = await api.caller(tenant, "admin")
    await furnish(api, tenant)
    tenant_id = made_tenant(tenant)
    async with api.resources.database.system_session(tenant_id) as db:
        assert await destroy_data_key(db, tenant_id)

    with pytest.raises(NotFound):
        await tenant_keys(api.resources, tenant_id)
    assert (await caller.get(f"{tenant}/connections")).status_code == 401
    assert (await api.get(f"{tenant}/connections")).status_code == 404
    assert (await api.call("DELETE", tenant)).status_code == 204
    assert set((await rows_per_table(api, tenant_id)).values()) == {0}


async def test_schedules_follow_a_new_time_zone(api: Api) -> None:
    tenant = await api.tenant(time_zone="UTC")
    ids = await furnish(api, tenant)
    before = (await api.get(f"{tenant}/syncs/{ids['syncs']}")).json()["next_due_at"]

    await api.call("PATCH", tenant, json={"time_zone": "Asia/Tokyo"})

    after = (await api.get(f"{tenant}/syncs/{ids['syncs']}")).json()["next_due_at"]
    assert before.endswith("02:30:00Z")
    assert after.endswith("17:30:00Z")


def made_tenant(path: str):  # type: ignore[no-untyped-def]  # a UUID
    from uuid import UUID

    return UUID(path.rpartition("/")[2])


async def rows_per_table(api: Api, tenant_id: object) -> dict[str, int]:
    async with api.resources.database.pool.acquire() as connection:
        tables = await connection.fetch(
            "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'"
            " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition"
        )
        async with connection.transaction():
            await connection.execute("set local row_security = off")
            return {
                row["relname"]: await connection.fetchval(
                    f'select count(*) from "{row["relname"]}" where tenant_id = $1', tenant_id
                )
                for row in tables
            }
