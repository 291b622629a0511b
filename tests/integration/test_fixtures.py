"""What every other integration test stands on."""

import asyncpg
import pytest
from redis.asyncio import Redis

from app.db.engine import Database, check_roles
from app.settings import Settings

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("time", ["first", "second"])
async def test_each_test_has_a_migrated_database_of_its_own(database_url: str, time: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("select count(*) from alembic_version") == 1
        await connection.execute("create table left_behind ()")  # the second time fails if the first one's is there
    finally:
        await connection.close()


@pytest.mark.parametrize("time", ["first", "second"])
async def test_each_test_has_an_empty_redis(redis_url: str, time: str) -> None:
    client = Redis.from_url(redis_url)
    try:
        assert await client.dbsize() == 0
        await client.set("left", "behind")
    finally:
        await client.aclose()


async def test_tenant_transactions_of_the_fixture_run_below_row_level_security(database: Database) -> None:
    await check_roles(database)


async def test_settings_name_the_database_of_the_test(settings: Settings, database_url: str) -> None:
    assert settings.asyncpg_dsn == database_url
