"""What every worker does for connections between runs: finish sign-ins that wait, keep idle tokens alive."""

import asyncio

import structlog

from app.connections.answering import look_again
from app.connections.warming import keep_warm, look_for_ends
from app.resources import Resources
from app.settings import Settings
from app.sync.sweeping import jitter

log = structlog.get_logger(__name__)
WARM_SECONDS = 3600.0


async def finish_sign_ins_for_ever(settings: Settings, resources: Resources) -> None:
    while True:
        try:
            await look_again(resources.opener)
        except Exception:
            log.exception("sign_ins.failed")
        await asyncio.sleep(jitter(settings.sweep_seconds))


async def keep_tokens_for_ever(settings: Settings, resources: Resources) -> None:
    while True:
        try:
            await keep_warm(resources.opener, idle_days=settings.x3_warm_days)
            await look_for_ends(resources.opener)
        except Exception:
            log.exception("tokens.failed")
        await asyncio.sleep(jitter(WARM_SECONDS))
