"""What `ml-connector doctor` looks at: settings, keys, database, clock, Redis, egress."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import asyncpg
from alembic.script import ScriptDirectory
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.cli.configuration import sentences
from app.connections.vault import Vault
from app.db.engine import UnsafeRole, check_roles, open_database
from app.db.migrating import configured
from app.settings import Settings

OLDEST_POSTGRES = 150_000
CLOCK_TOLERANCE_SECONDS = 5.0
MAILCHIMP = "us1.api.mailchimp.com"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `detail` of a bad one says what to do."""

    name: str
    verdict: Literal["ok", "warning", "bad"]
    detail: str


async def all_findings(offline: bool) -> list[Finding]:
    """Everything looked at, in order; `offline` leaves the internet alone."""
    try:
        settings = Settings()
    except ValidationError as error:
        hint = (
            "; `ml-connector up` brings what is missing" if any(e["type"] == "missing" for e in error.errors()) else ""
        )
        return [Finding("settings", "bad", line + hint) for line in sentences(error.errors(include_input=False))]
    findings = [Finding("settings", "ok", "complete")]
    for check in (_database(settings), _redis(settings), _egress(settings, offline)):
        findings += [finding async for finding in check]
    return findings


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    """Reachable, new enough, migrated, keeping tenants apart; its clock and what its keys are wrapped by."""
    try:
        vault = Vault(settings.master_keys.get_secret_value())
        yield Finding("keys", "ok", f"the active master key is {vault.active_key_id!r}")
    except ValueError as error:
        vault = None
        yield Finding("keys", "bad", str(error))
    try:
        connection = await asyncpg.connect(settings.asyncpg_dsn, timeout=10)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        yield Finding("database", "bad", f"no connection with MLC_DATABASE_URL: {error or type(error).__name__}")
        return
    try:
        version = int(await connection.fetchval("show server_version_num"))
        verdict: Literal["ok", "bad"] = "ok" if version >= OLDEST_POSTGRES else "bad"
        yield Finding("database", verdict, f"PostgreSQL {version // 10_000}; 15 or later is needed")
        yield await _clock(connection)
        migrated = await _migrations(connection)
        yield migrated
        if migrated.verdict == "ok":
            yield await _roles(settings)
            if vault:
                yield await _wrapping(connection, vault, settings)
    finally:
        await connection.close()


async def _clock(connection: asyncpg.Connection) -> Finding:
    theirs = await connection.fetchval("select clock_timestamp()")
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    if apart > CLOCK_TOLERANCE_SECONDS:
        return Finding("clock", "bad", f"{apart:.0f} s apart from the database's: set both by NTP")
    return Finding("clock", "ok", f"{apart:.1f} s apart from the database's")


async def _migrations(connection: asyncpg.Connection) -> Finding:
    newest = ScriptDirectory.from_config(configured()).get_current_head()
    try:
        there = await connection.fetchval("select version_num from alembic_version")
    except asyncpg.UndefinedTableError:
        there = None
    except asyncpg.InsufficientPrivilegeError:
        return Finding("migrations", "bad", "this role may not read alembic_version: see docs/security.md")
    if there == newest:
        return Finding("migrations", "ok", f"current ({newest})")
    return Finding("migrations", "bad", f"at {there or 'nothing'}, newest is {newest}: ml-connector migrate")


async def _roles(settings: Settings) -> Finding:
    database = await open_database(settings.asyncpg_dsn, hot_connections=1, api_connections=1)
    try:
        await check_roles(database)
    except (UnsafeRole, asyncpg.PostgresError) as error:
        return Finding("tenants apart", "bad", str(error))
    finally:
        await database.close()
    return Finding("tenants apart", "ok", "transactions run below row-level security")


async def _wrapping(connection: asyncpg.Connection, vault: Vault, settings: Settings) -> Finding:
    database = await open_database(settings.asyncpg_dsn, hot_connections=1, api_connections=1)
    try:
        async with database.system() as own:
            rows = await own.fetch("select data_key_id, count(*) as tenants from tenant group by 1")
    finally:
        await database.close()
    held = {part.partition(":")[0].strip() for part in settings.master_keys.get_secret_value().split(",")}
    missing = sorted(row["data_key_id"] for row in rows if row["data_key_id"] not in held)
    if missing:
        return Finding("data keys", "bad", f"wrapped by {', '.join(missing)}: put that back into MLC_MASTER_KEYS")
    behind = sum(row["tenants"] for row in rows if row["data_key_id"] != vault.active_key_id)
    if behind:
        return Finding("data keys", "warning", f"{behind} under an older master key: ml-connector keys rotate")
    return Finding("data keys", "ok", f"{sum(row['tenants'] for row in rows)}, all under the active master key")


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    client = Redis.from_url(settings.redis_url.get_secret_value(), socket_connect_timeout=5, socket_timeout=5)
    try:
        await client.ping()
        yield Finding("redis", "ok", "answers")
        policy = (await client.info("memory")).get("maxmemory_policy", "unknown")
        if policy != "noeviction":
            yield Finding("redis memory", "warning", f"maxmemory-policy is {policy}: set noeviction")
    except (OSError, RedisError) as error:
        yield Finding("redis", "bad", f"no answer with MLC_REDIS_URL: {error or type(error).__name__}")
    finally:
        await client.aclose()


async def _egress(settings: Settings, offline: bool) -> AsyncIterator[Finding]:
    allowed = ", ".join(settings.egress_allow) or "no private address"
    verdict: Literal["ok", "warning"] = "warning" if settings.egress_allow_http else "ok"
    plain = "; plain http is permitted (MLC_EGRESS_ALLOW_HTTP), for tests only" if settings.egress_allow_http else ""
    yield Finding("egress", verdict, f"vendor calls may reach {allowed} besides public ones{plain}")
    if offline:
        return
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(MAILCHIMP, 443), 5)
        writer.close()
        yield Finding("mailchimp", "ok", f"{MAILCHIMP} can be reached")
    except (OSError, TimeoutError) as error:
        yield Finding("mailchimp", "warning", f"{MAILCHIMP} cannot be reached ({error or 'time-out'}): firewall?")
