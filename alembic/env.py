"""Run migrations: `alembic upgrade head`, or app.db.migrating.upgrade() from code."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from app.db.base import models_loaded

models_loaded()


def included(obj: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """Partitions and their indexes follow their parents."""
    table = name if kind == "table" else getattr(getattr(obj, "table", None), "name", "")
    return "_part_" not in (table or "")


LOCK = 7_402_118_002  # one migration at a time, whoever starts it


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        include_object=included,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run(url: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"select pg_advisory_lock({LOCK})")
        await connection.commit()
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


def database_url() -> str:
    if url := context.config.attributes.get("database_url"):
        return str(url)
    import os  # only the command line comes this way

    return os.environ["MLC_DATABASE_URL"]


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(connect_and_run(database_url()))
