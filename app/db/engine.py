"""The way into Postgres: short transactions under one tenant, for the API (SQLModel) and the hot path (asyncpg)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import text
from sqlmodel.ext.asyncio.session import AsyncSession

APP_ROLE = "mlc_app"
SYSTEM_ROLE = "mlc_system"
ENTER_SESSION = text("select set_config('role', :role, true), set_config('mlc.tenant', :tenant, true)")

# A plan made once against an empty table would stay while the table grows: plan anew, for the size the table has.
HOT_SETTINGS = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "application_name": "ml-connector-hot",
    "lock_timeout": "30000",
}


class UnsafeRole(Exception):
    """The database would not keep tenants apart for the role we were given."""


class Database:
    """Pools to one database. Every transaction says whose it is in its first statement; nothing outlives it.

    `transaction` and `session` run as the tenant-bound role (row-level security applies); `system` and
    `system_session` run as the role that may see run, schedule and key rows of all tenants, for sweeper, sign-in and
    operator calls. Neither is owner, superuser or BYPASSRLS.
    """

    def __init__(self, pool: asyncpg.Pool, engine: AsyncEngine) -> None:
        self.pool = pool
        self.engine = engine

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID) -> AsyncIterator[asyncpg.Connection]:
        """One asyncpg transaction under one tenant; commits at the end of the block."""
        async with self.pool.acquire() as connection, _entered(connection, APP_ROLE, tenant_id):
            yield connection

    @asynccontextmanager
    async def system(self, tenant_id: UUID | None = None) -> AsyncIterator[asyncpg.Connection]:
        """One asyncpg transaction across tenants; with `tenant_id`, also allowed to delete that tenant's rows."""
        async with self.pool.acquire() as connection, _entered(connection, SYSTEM_ROLE, tenant_id):
            yield connection

    @asynccontextmanager
    async def session(self, tenant_id: UUID) -> AsyncIterator[AsyncSession]:
        """One SQLModel session in one transaction under one tenant; commits at the end of the block."""
        async with self._session(APP_ROLE, str(tenant_id)) as session:
            yield session

    @asynccontextmanager
    async def system_session(self, tenant_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
        """As `system`, for SQLModel."""
        async with self._session(SYSTEM_ROLE, str(tenant_id) if tenant_id else "") as session:
            yield session

    @asynccontextmanager
    async def _session(self, role: str, tenant: str) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            await (await session.connection()).execute(ENTER_SESSION, {"role": role, "tenant": tenant})
            yield session

    async def close(self) -> None:
        """Close both pools."""
        await self.engine.dispose()
        await self.pool.close()


@asynccontextmanager
async def _entered(connection: asyncpg.Connection, role: str, tenant_id: UUID | None) -> AsyncIterator[None]:
    """A transaction that says whose it is in the message that begins it: one way to the server and back less, of four
    that a short transaction takes. A savepoint inside is `savepoint()`'s to make."""
    tenant = "" if tenant_id is None else UUID(str(tenant_id))  # written as text: nothing but a UUID gets in
    try:
        await connection.execute(
            f"begin; select set_config('role', '{role}', true), set_config('mlc.tenant', '{tenant}', true)"
        )
        yield
    except BaseException:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # cut off: then nothing was committed
            await connection.execute("rollback")
        raise
    await connection.execute("commit")


@asynccontextmanager
async def savepoint(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """What fails inside the block is undone, and the transaction around it goes on."""
    await connection.execute("savepoint here")
    try:
        yield
    except BaseException:
        await connection.execute("rollback to savepoint here")
        raise
    await connection.execute("release savepoint here")


async def driver_connection(session: AsyncSession) -> asyncpg.Connection:
    """The asyncpg connection under a session, in the same transaction."""
    fairy = await (await session.connection()).get_raw_connection()
    return fairy.driver_connection


async def open_database(
    dsn: str, *, hot_connections: int = 10, api_connections: int = 10, idle_seconds: float | None = None
) -> Database:
    """Connect; `dsn` is a postgresql:// URL. Raises UnsafeRole when the roles of the migrations cannot be taken.

    The server ends a hot transaction that does nothing for `idle_seconds`: its process stands still or is cut off, and
    must not keep locks from those that take its place.
    """
    settings = dict(HOT_SETTINGS)
    if idle_seconds is not None:
        settings["idle_in_transaction_session_timeout"] = str(int(idle_seconds * 1000))
    pool = await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=hot_connections,
        server_settings=settings,
        command_timeout=60,
        init=_decode_json,
        reset=_nothing_outlives,
    )
    engine = create_async_engine(
        dsn.replace("postgresql://", "postgresql+asyncpg://", 1).replace("postgres://", "postgresql+asyncpg://", 1),
        pool_size=api_connections,
        max_overflow=api_connections,
        pool_pre_ping=True,
        connect_args={"server_settings": {"application_name": "ml-connector-api", "lock_timeout": "10000"}},
    )
    return Database(pool, engine)


async def _nothing_outlives(_: asyncpg.Connection) -> None:
    """asyncpg would ask the server to forget locks, cursors and settings after each use. Nothing here lasts longer than
    its transaction (ENTER is local to it), and asyncpg itself ends one that was left open."""


async def _decode_json(connection: asyncpg.Connection) -> None:
    """jsonb columns come as Python values; to write one, pass JSON text and cast it."""
    await connection.set_type_codec(
        "jsonb", encoder=bytes.decode, decoder=msgspec.json.decode, schema="pg_catalog", format="text"
    )


async def check_roles(database: Database) -> None:
    """Raises UnsafeRole unless tenant transactions run without superuser, BYPASSRLS or ownership (rule T1)."""
    async with database.transaction(UUID(int=0)) as connection:
        row = await connection.fetchrow(
            "select r.rolsuper or r.rolbypassrls as above, exists(select from pg_class c join pg_namespace n"
            " on n.oid = c.relnamespace where c.relowner = r.oid and n.nspname = 'public') as owner"
            " from pg_roles r where r.rolname = current_user"
        )
    if row is None or row["above"] or row["owner"]:
        raise UnsafeRole("the role mlc_app owns tables or stands above row-level security; see docs/security.md")
