"""Settings become pools, clients and keys: what both processes hold while they live."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from arq.connections import ArqRedis

from app.alerts.courier import Courier
from app.alerts.mailing import Mailer
from app.connections.opening import Opener
from app.connections.pacers import BACKGROUND, INTERACTIVE, Pacers
from app.connections.vault import Vault
from app.connectors.sage_x3.hosts import parse_hosts
from app.db.engine import Database, check_roles, open_database
from app.http import EgressPolicy, Outbound, open_outbound
from app.http.mail import PORTS as MAIL_PORTS
from app.http.mail import MailWays
from app.settings import Settings
from app.sync.queue import Queue, open_redis
from app.telemetry.counting import note_wait, watch_call
from app.telemetry.tracing import traceparent

ORPHANED_SECONDS = 15.0
"""How long what a dead or standing process holds stays taken: its places at the vendors, its open transactions."""


@dataclass(frozen=True, slots=True)
class Resources:
    """`opener` makes connectors whose calls go before those of loads when a person waits, see open_resources."""

    settings: Settings
    database: Database
    vault: Vault
    outbound: Outbound
    redis: ArqRedis
    queue: Queue
    opener: Opener
    courier: Courier


@asynccontextmanager
async def open_resources(settings: Settings, *, interactive: bool = False) -> AsyncIterator[Resources]:
    """Open everything and close it again. Redis may be absent: it is asked when first needed.

    Raises:
        UnsafeRole: the database would not keep tenants apart.
        ValueError: keys or the egress list are malformed.
    """
    vault = Vault(settings.master_keys.get_secret_value())
    outbound = open_outbound(
        egress_allow=settings.egress_allow, egress_allow_http=settings.egress_allow_http, watch=watch_call
    )
    redis = open_redis(settings.redis_url.get_secret_value())
    orphaned_seconds = min(ORPHANED_SECONDS, settings.lease_seconds)
    database = await open_database(settings.asyncpg_dsn, idle_seconds=None if interactive else orphaned_seconds)
    pacers = Pacers(
        redis,
        mailchimp_connections=settings.mailchimp_connections,
        lease_seconds=orphaned_seconds,
        priority=INTERACTIVE if interactive else BACKGROUND,
        waited=note_wait,
    )
    smtp = EgressPolicy(settings.egress_allow, allow_http=settings.egress_allow_http, ports=MAIL_PORTS)
    courier = Courier(outbound, Mailer(MailWays(smtp)), settings.mail_relay())
    opener = Opener(database, vault, outbound, pacers, parse_hosts(settings.x3_oauth_host_suffix))
    try:
        await check_roles(database)
        yield Resources(settings, database, vault, outbound, redis, Queue(redis, traceparent), opener, courier)
    finally:
        courier.close()
        await outbound.aclose()
        await database.close()
        await redis.aclose()
