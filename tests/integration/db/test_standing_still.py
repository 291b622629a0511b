"""A process that stands still in the middle of a transaction does not keep its locks from the others."""

import asyncio

import asyncpg
import pytest

from app.db.engine import Database, open_database

pytestmark = pytest.mark.integration
LOCK = 4711
TAKE = "select pg_try_advisory_xact_lock($1)"


async def holding(database: Database, asked: asyncio.Event, may_end: asyncio.Event) -> None:
    """Take the lock and stand still in the same transaction."""
    async with database.system() as connection:
        assert await connection.fetchval(TAKE, LOCK)
        asked.set()
        await may_end.wait()
        await connection.fetchval("select 1")


async def takes(database: Database) -> bool:
    async with database.system() as connection:
        return bool(await connection.fetchval(TAKE, LOCK))


async def test_the_server_ends_a_transaction_that_does_nothing(database_url: str) -> None:
    still, other = await open_database(database_url, idle_seconds=0.5), await open_database(database_url)
    asked, may_end = asyncio.Event(), asyncio.Event()
    try:
        holder = asyncio.create_task(holding(still, asked, may_end))
        await asked.wait()
        at_once = await takes(other)
        await asyncio.sleep(1.5)
        later = await takes(other)
        may_end.set()

        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await holder
        assert (at_once, later) == (False, True)
        assert await takes(still)  # a new connection
    finally:
        await still.close()
        await other.close()
