"""The second lock: no table with tenants in it stands open, whatever the application forgets."""

from uuid import UUID

import asyncpg
import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.objects import furnish

pytestmark = pytest.mark.integration

CATALOGUE = """
select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
       (select count(*) from pg_policy p
         where p.polrelid = c.oid and p.polcmd = '*' and p.polwithcheck is not null) as policies
  from pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
   and (c.relname = 'tenant'
        or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
"""


async def test_every_table_of_tenants_has_forced_row_security_and_a_policy(api: Api) -> None:
    async with api.resources.database.pool.acquire() as connection:
        tables = await connection.fetch(CATALOGUE)

    assert len(tables) > 20
    bad = [t["name"] for t in tables if not (t["enabled"] and t["forced"] and t["policies"] >= 1)]
    assert bad == []


async def test_keys_between_tenant_tables_hold_the_tenant(api: Api) -> None:
    """A foreign key is checked without policies: only the tenant column in it keeps tenants apart."""
    async with api.resources.database.pool.acquire() as connection:
        keys = await connection.fetch(
            "select conname, conrelid::regclass::text as name, confrelid::regclass::text as target, conkey,"
            " (select attnum from pg_attribute where attrelid = conrelid and attname = 'tenant_id') as tenant"
            " from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace"
        )

    assert keys
    assert [k["conname"] for k in keys if k["tenant"] not in k["conkey"]] == []


async def test_without_any_filter_a_tenant_still_sees_only_its_own_rows(api: Api) -> None:
    one, two = await api.tenant("one"), await api.tenant("two")
    for tenant in (one, two):
        await furnish(api, tenant)
    tenant_id = UUID(one.rpartition("/")[2])

    async with api.resources.database.transaction(tenant_id) as connection:
        for table in ("connection", "mapping", "sync", "sync_run", "api_key", "audit_event", "audit_head"):
            found = {row["tenant_id"] for row in await connection.fetch(f'select tenant_id from "{table}"')}
            assert found == {tenant_id}, table


async def test_nothing_can_be_written_for_another_tenant(api: Api) -> None:
    one, two = [UUID((await api.tenant(slug)).rpartition("/")[2]) for slug in ("one", "two")]

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with api.resources.database.transaction(one) as connection:
            await connection.execute("insert into audit_head (tenant_id, seq, hash) values ($1, 0, '')", two)


async def test_the_audit_trail_can_only_grow(api: Api) -> None:
    tenant_id = UUID((await api.tenant()).rpartition("/")[2])

    for statement in ("update audit_event set actor = 'x'", "delete from audit_event", "truncate audit_event"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with api.resources.database.transaction(tenant_id) as connection:
                await connection.execute(statement)


async def test_after_a_transaction_no_connection_remembers_its_tenant(api: Api) -> None:
    one = UUID((await api.tenant()).rpartition("/")[2])
    async with api.resources.database.session(one) as db:
        await db.connection()

    async with api.resources.database.engine.connect() as connection:
        left = await connection.exec_driver_sql(
            "select current_setting('mlc.tenant', true), current_user <> session_user"
        )
        assert left.one() in ((None, False), ("", False))
