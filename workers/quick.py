"""Short work beside the runs, with slots of its own: webhook events, registrations, mirrors, erasures."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from arq.worker import func

from app.privacy import erasing
from app.resources import Resources
from app.settings import Settings
from app.sync import healing
from app.sync.sweeping import jitter
from app.webhooks import sweeping
from app.webhooks.checking import CHECK
from app.webhooks.processing import PROCESS
from workers.jobs import check_webhook, erase_person, process_webhooks, pull_audience
from workers.tracing import traced

log = structlog.get_logger(__name__)

SLOTS = 4
HOUSE_SECONDS = 3600.0
LONGEST_PULL_SECONDS = 3600  # a thousand members a call
LONGEST_ERASURE_SECONDS = 900  # a slice, and a vendor that lets its last call wait


def functions() -> list[Any]:
    """As arq wants them: one try, no results."""
    return [
        func(traced(process_webhooks), name=PROCESS, keep_result=0, max_tries=1),
        func(traced(check_webhook), name=CHECK, keep_result=0, max_tries=1),
        func(traced(erase_person), name=erasing.ERASE, keep_result=0, max_tries=1),
        func(traced(pull_audience), name=healing.PULL, keep_result=0, max_tries=1, timeout=LONGEST_PULL_SECONDS),
    ]


async def sweep_for_ever(settings: Settings, resources: Resources) -> None:
    """Ring for what nobody rang for."""
    while True:
        try:
            await sweep(settings, resources)
        except Exception:
            log.exception("quick_sweep.failed")
        await asyncio.sleep(jitter(settings.sweep_seconds))


async def sweep(settings: Settings, resources: Resources) -> int:
    """One round: how many jobs were rung for."""
    database, ring = resources.database, resources.queue.ring_for
    rung = await sweeping.sweep(database, ring, check_every_seconds=settings.webhook_check_minutes * 60)
    for place in await erasing.due(resources.opener):
        await ring(erasing.ERASE, *place)
        rung += 1
    for place in await healing.due(database, settings.mirror_pull_minutes * 60):
        await ring(healing.PULL, *place)
        rung += 1
    return rung


async def keep_house_for_ever(settings: Settings, resources: Resources) -> None:
    """Drop what is past retention."""
    bodies, events = timedelta(days=settings.webhook_body_days), timedelta(days=settings.retention_days)
    while True:
        try:
            await sweeping.forget_old(resources.database, bodies, max(bodies, events))
        except Exception:
            log.exception("quick_house.failed")
        await asyncio.sleep(jitter(HOUSE_SECONDS))
