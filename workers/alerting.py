"""What every worker does so that people hear of what needs them."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from app.alerts.delivering import Office, deliver_all
from app.alerts.detecting import look, sweep
from app.alerts.forgetting import forget_old
from app.resources import Resources
from app.settings import Settings
from app.sync.sweeping import jitter

log = structlog.get_logger(__name__)
HOUSE_SECONDS = 3600.0
DELIVER_SECONDS = 3.0
_SWEPT = "mlc:alerts:swept"


async def watch_for_ever(settings: Settings, resources: Resources) -> None:
    """Compare what is so with what is said."""
    while True:
        try:
            if await _is_our_turn(settings, resources):
                await sweep(resources.database, settings.public_url)
        except Exception:
            log.exception("alerts.not_watched")
        await asyncio.sleep(jitter(settings.sweep_seconds))


async def _is_our_turn(settings: Settings, resources: Resources) -> bool:
    """A sweep looks at every sync, so one of all workers' is enough; without Redis everybody sweeps."""
    try:
        return bool(await resources.redis.set(_SWEPT, b"1", nx=True, px=max(1, round(settings.sweep_seconds * 800))))
    except (RedisError, OSError):
        return True


async def look_at(resources: Resources, tenant_id: UUID) -> None:
    """A run has ended: its tenant need not wait for the sweep. What fails here is made up for by that."""
    try:
        await look(resources.database, tenant_id, resources.settings.public_url)
    except Exception:
        log.exception("alerts.not_looked_at", tenant_id=str(tenant_id))


async def deliver_for_ever(_settings: Settings, resources: Resources) -> None:
    """Empty the outbox."""
    office = Office(resources.database, resources.vault, resources.courier)
    while True:
        try:
            await deliver_all(office)
        except Exception:
            log.exception("alerts.not_delivered")
        await asyncio.sleep(jitter(DELIVER_SECONDS))


async def keep_house_for_ever(settings: Settings, resources: Resources) -> None:
    """Drop what is past retention."""
    while True:
        try:
            await forget_old(resources.database, datetime.now(UTC) - timedelta(days=settings.retention_days))
        except Exception:
            log.exception("alert_house.failed")
        await asyncio.sleep(jitter(HOUSE_SECONDS))
