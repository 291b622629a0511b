"""A repeated POST acts once."""

import asyncio

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.objects import a_mapping, furnish

pytestmark = pytest.mark.integration

KEY = {"Idempotency-Key": "once-1"}


async def test_the_same_key_and_body_get_the_first_answer(api: Api) -> None:
    tenant = await api.tenant()
    body = {"name": "job", "role": "viewer"}

    first = await api.post(f"{tenant}/api-keys", body, headers=KEY)
    again = await api.post(f"{tenant}/api-keys", body, headers=KEY)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["location"] == first.headers["location"]
    assert len((await api.get(f"{tenant}/api-keys")).json()["items"]) == 1


async def test_a_replay_keeps_the_etag(api: Api) -> None:
    tenant = await api.tenant()
    first = await api.post(f"{tenant}/mappings", a_mapping(), headers=KEY)
    again = await api.post(f"{tenant}/mappings", a_mapping(), headers=KEY)

    assert again.headers["etag"] == first.headers["etag"] == '"1"'


async def test_the_same_key_with_another_body_is_refused(api: Api) -> None:
    tenant = await api.tenant()
    await api.made(f"{tenant}/mappings", a_mapping(), headers=KEY)

    response = await api.post(f"{tenant}/mappings", a_mapping(name="other"), headers=KEY)

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")


async def test_a_refused_request_leaves_its_key_free(api: Api) -> None:
    tenant = await api.tenant()
    assert (await api.post(f"{tenant}/mappings", {"name": "x"}, headers=KEY)).status_code == 422

    assert (await api.post(f"{tenant}/mappings", a_mapping(), headers=KEY)).status_code == 201


async def test_keys_of_different_callers_and_paths_are_different_keys(api: Api) -> None:
    tenant = await api.tenant()
    admin = await api.caller(tenant, "admin")

    made = [
        await api.made(f"{tenant}/mappings", a_mapping(), headers=KEY),
        await admin.made(f"{tenant}/mappings", a_mapping(), headers=KEY),
        await admin.made(f"{tenant}/api-keys", {"name": "x", "role": "viewer"}, headers=KEY),
    ]

    assert len({item["id"] for item in made}) == 3


async def test_many_at_once_have_one_effect(api: Api) -> None:
    tenant = await api.tenant()

    responses = await asyncio.gather(*(api.post(f"{tenant}/mappings", a_mapping(), headers=KEY) for _ in range(12)))

    codes = [response.status_code for response in responses]
    assert set(codes) <= {201, 409}
    assert 201 in codes
    assert len({response.content for response in responses if response.status_code == 201}) == 1
    assert len((await api.get(f"{tenant}/mappings")).json()["items"]) == 1


async def test_a_key_whose_owner_died_is_taken_over_after_its_lease(api: Api) -> None:
    tenant = await api.tenant()
    await api.made(f"{tenant}/mappings", a_mapping(), headers=KEY)
    tenant_id = tenant.rpartition("/")[2]
    async with api.resources.database.transaction(tenant_id) as connection:
        await connection.execute(
            "update idempotency_key set state = 'running', body = null, locked_until = clock_timestamp() + '5 s'"
        )
    assert (await api.post(f"{tenant}/mappings", a_mapping(), headers=KEY)).status_code == 409
    async with api.resources.database.transaction(tenant_id) as connection:
        await connection.execute("update idempotency_key set locked_until = clock_timestamp() - interval '1 s'")

    assert (await api.post(f"{tenant}/mappings", a_mapping(), headers=KEY)).status_code == 201


async def test_after_a_day_a_key_is_new_again(api: Api) -> None:
    tenant = await api.tenant()
    await api.made(f"{tenant}/mappings", a_mapping(), headers=KEY)
    async with api.resources.database.transaction(tenant.rpartition("/")[2]) as connection:
        await connection.execute("update idempotency_key set created_at = created_at - interval '25 hours'")

    response = await api.post(f"{tenant}/mappings", a_mapping(name="other"), headers=KEY)

    assert response.status_code == 201


async def test_making_a_tenant_can_be_repeated(api: Api) -> None:
    body = {"slug": "acme", "name": "Acme", "time_zone": "UTC"}

    first = await api.post("/v1/tenants", body, headers=KEY)
    again = await api.post("/v1/tenants", body, headers=KEY)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"


async def test_starting_a_run_can_be_repeated(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    path = f"{tenant}/syncs/{ids['syncs']}/runs"

    first = await api.post(path, {"mode": "full", "codes": ["C1"]}, headers=KEY)
    again = await api.post(path, {"mode": "full", "codes": ["C1"]}, headers=KEY)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a b", "café"])
async def test_a_malformed_key_is_refused(api: Api, key: str) -> None:
    tenant = await api.tenant()

    response = await api.post(f"{tenant}/mappings", a_mapping(), headers={"Idempotency-Key": key.encode()})

    assert response.status_code == 422


async def test_a_kept_answer_lies_sealed(api: Api) -> None:
    tenant = await api.tenant()
    made = await api.made(f"{tenant}/api-keys", {"name": "job", "role": "viewer"}, headers=KEY)

    async with api.resources.database.transaction(tenant.rpartition("/")[2]) as connection:
        row = await connection.fetchrow("select * from idempotency_key")

    assert made["key"].encode() not in bytes(row["body"])
    assert made["id"].encode() not in bytes(row["body"])
