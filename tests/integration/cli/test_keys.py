"""Rotation of the master key against real rows."""

from uuid import UUID, uuid4

import pytest

from app.cli.kept import new_master_key
from app.cli.rotating import PAGE, rewrap_all
from app.connections.vault import UnknownKey, Vault
from app.db.engine import Database

pytestmark = pytest.mark.integration

OLD, NEW = f"old:{new_master_key()}", f"new:{new_master_key()}"


async def add_tenants(database: Database, vault: Vault, count: int) -> None:
    rows = []
    for number in range(count):
        tenant_id = uuid4()
        data_key, key_id = vault.new_data_key(tenant_id)
        rows.append((tenant_id, f"tenant-{number}", data_key, key_id))
    async with database.system() as connection:
        await connection.executemany(
            "insert into tenant (id, slug, name, time_zone, data_key, data_key_id) values ($1, $2, $2, 'UTC', $3, $4)",
            rows,
        )


async def wrapped_keys(database: Database) -> list[tuple[UUID, bytes, str]]:
    async with database.system() as connection:
        return [
            (row[0], row[1], row[2]) for row in await connection.fetch("select id, data_key, data_key_id from tenant")
        ]


async def test_what_the_old_master_key_wrapped_opens_under_the_new_one_alone(database: Database) -> None:
    old = Vault(OLD)
    await add_tenants(database, old, PAGE + 1)
    row = uuid4()
    sealed = {
        tenant: old.tenant(tenant, key, key_id).seal(b"secret", row, "credential")
        for tenant, key, key_id in await wrapped_keys(database)
    }

    assert await rewrap_all(database, Vault(f"{NEW},{OLD}")) == PAGE + 1

    new = Vault(NEW)
    for tenant, key, key_id in await wrapped_keys(database):
        assert new.tenant(tenant, key, key_id).open(sealed[tenant], row, "credential") == b"secret"


async def test_rotating_again_changes_nothing(database: Database) -> None:
    await add_tenants(database, Vault(OLD), 3)
    both = Vault(f"{NEW},{OLD}")
    await rewrap_all(database, both)
    before = await wrapped_keys(database)

    assert await rewrap_all(database, both) == 0
    assert await wrapped_keys(database) == before


async def test_a_ring_without_the_old_key_is_refused_and_nothing_is_changed(database: Database) -> None:
    await add_tenants(database, Vault(OLD), 3)
    before = await wrapped_keys(database)

    with pytest.raises(UnknownKey, match="'old'"):
        await rewrap_all(database, Vault(NEW))
    assert await wrapped_keys(database) == before
