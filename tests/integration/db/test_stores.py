"""Tables of stores and orders: what the migration makes is what the models say, and each query does what it says."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from app.db import orders, stores
from app.db.base import models_loaded
from app.db.engine import Database
from tests.fakes import World

pytestmark = pytest.mark.integration
TABLES = {"store", "store_item", "store_backfill", "credit_memo", "waiting_document"}


async def test_the_migration_makes_what_the_models_say(database_url: str) -> None:
    models_loaded()
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://", 1))

    def compare(connection: object) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})  # type: ignore[arg-type]  # sync
        found = map(repr, compare_metadata(context, SQLModel.metadata))
        names = [form.format(table) for table in TABLES for form in ("'{}'", "<{}>")]
        return [one for one in found if "_part_" not in one and any(name in one for name in names)]

    async with engine.connect() as connection:
        assert await connection.run_sync(compare) == []
    await engine.dispose()


async def a_store(world: World) -> UUID:
    async with world.database.transaction(world.tenant) as c:
        connection_id = await c.fetchval("select id from connection where name = 'mc'")
        first = await stores.store_row(c, world.tenant, connection_id, "x3-eur")
        assert await stores.store_row(c, world.tenant, connection_id, "x3-eur") == first
        return first


async def test_items_are_known_by_their_newest_fingerprint_and_people_by_their_address(database: Database) -> None:
    world = await World(database).set_up()
    store, ada = await a_store(world), b"a" * 16
    async with database.transaction(world.tenant) as c:
        await stores.note_items(c, world.tenant, store, "product", [stores.Item("P1", b"1", None)])
        await stores.note_items(c, world.tenant, store, "customer", [stores.Item("C1", b"1", ada)])
        await stores.note_items(
            c, world.tenant, store, "product", [stores.Item("P1", b"2", None), stores.Item("P2", b"3", None)]
        )
        assert await stores.known_items(c, world.tenant, store, "product", ["P1", "P2", "P3"]) == {
            "P1": b"2",
            "P2": b"3",
        }
        found = await c.fetch(
            "select kind, key from store_item where tenant_id = $1 and member_hash = $2", world.tenant, ada
        )
        assert [tuple(row) for row in found] == [("customer", "C1")]


async def test_a_backfill_is_over_when_its_run_has_ended_or_is_gone(database: Database) -> None:
    world = await World(database).set_up()
    store, run_id = await a_store(world), await world.queued()
    async with database.transaction(world.tenant) as c:
        await c.execute("update sync_run set state = 'running', fence = 1")
        assert await stores.begin_backfill(c, world.tenant, store, run_id, 1)
        assert not await stores.begin_backfill(c, world.tenant, store, run_id, 2)
        assert await stores.finished_backfills(c, world.tenant) == []
        await c.execute(
            "insert into store_backfill (tenant_id, run_id, store) values ($1, $2, $3)", world.tenant, uuid4(), store
        )
        assert len(await stores.finished_backfills(c, world.tenant)) == 1
        await c.execute("update sync_run set state = 'failed'")
        over = await stores.finished_backfills(c, world.tenant)
        assert {row["store"] for row in over} == {store}
        assert run_id in {row["run_id"] for row in over}
        assert await stores.is_backfilled(c, world.tenant, store, run_id)
        for row in over:
            await stores.put_off_backfill(c, world.tenant, row["run_id"], 60)
        assert await stores.finished_backfills(c, world.tenant) == []
        await stores.end_backfill(c, world.tenant, run_id)
    async with database.system() as system:
        assert await stores.finished_backfills(system) == []
        await system.execute("select count(tenant_id) from store_backfill")


async def test_credit_memos_add_up_per_invoice(database: Database) -> None:
    world = await World(database).set_up()
    async with database.transaction(world.tenant) as c:
        taken = [
            orders.Taken("K1", "I1", Decimal("10.10"), Decimal("1.68")),
            orders.Taken("K2", "I1", Decimal("0.01"), Decimal(0)),
            orders.Taken("K3", "I2", Decimal(5), Decimal(1)),
        ]
        await orders.keep_credits(c, world.tenant, world.sync, taken, [])
        await orders.keep_credits(
            c, world.tenant, world.sync, [orders.Taken("K3", "I3", Decimal(6), Decimal(1))], ["K9"]
        )
        found = await orders.credits_of(c, world.tenant, world.sync, ["I1", "I2", "I3"])
        assert {key: (credit.total, credit.tax) for key, credit in found.items()} == {
            "I1": (Decimal("10.11"), Decimal("1.68")),
            "I3": (Decimal(6), Decimal(1)),
        }
        assert await orders.taken_back_by(c, world.tenant, world.sync, ["K1", "K9"]) == {"K1": taken[0]}


async def test_documents_wait_until_they_are_settled(database: Database) -> None:
    world = await World(database).set_up()
    async with database.transaction(world.tenant) as c:
        assert not await orders.waits_for_customers(c, world.tenant, world.sync)
        await orders.wait(c, world.tenant, world.sync, [("I1", "customer:C1"), ("K1", "document:I9")], [])
        assert await orders.waits_for_customers(c, world.tenant, world.sync)
        assert await orders.woken(c, world.tenant, world.sync, ["customer:C1", "document:I9"]) == ["I1", "K1"]
        await orders.wait(c, world.tenant, world.sync, [("I1", "customer:C2")], ["K1"])
        assert await orders.woken(c, world.tenant, world.sync, ["customer:C1", "document:I9"]) == []
        assert await orders.is_empty(c, world.tenant, world.sync)
