"""create_app(): the API and the console, with their resources and outer layers."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from fastapi import FastAPI

from app.api.admission import Admission
from app.api.application import assemble
from app.api.bodies import Bodies
from app.api.callback_limits import CallbackLimits
from app.api.edge import Edge
from app.api.health import metrics_page
from app.api.hook_gate import HookGate
from app.api.rate_limits import RateLimits
from app.console.application import Console, add_console
from app.db.webhooks import Place
from app.resources import Resources, open_resources
from app.settings import Settings
from app.telemetry import set_up_logging
from app.telemetry.listening import listening
from app.telemetry.measuring import Measuring
from app.telemetry.metrics import WEBHOOKS
from app.telemetry.tracing import end_tracing, set_up_tracing
from app.webhooks.bell import Bell
from app.webhooks.desk import Desk
from app.webhooks.paths import KnownPaths
from app.webhooks.processing import PROCESS

log = structlog.get_logger(__name__)


def create_app(settings: Settings | None = None, resources: Resources | None = None) -> FastAPI:
    """The application. With `resources` it uses these and leaves them open; otherwise its lifespan opens its own."""
    settings = settings or (resources.settings if resources is not None else Settings())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if resources is not None:
            yield
            return
        set_up_logging(settings.log_format)
        set_up_tracing(settings.otel_exporter_otlp_endpoint, "api")
        async with open_resources(settings, interactive=True) as opened:
            equip(app, opened)
            async with listening(settings.metrics_address, lambda: metrics_page(app)):
                gc.collect()
                gc.freeze()  # what lives as long as the process need not be walked through while somebody waits
                log.info("api.started")
                yield
            await app.state.bell.close()
        await asyncio.to_thread(end_tracing)
        log.info("api.stopped")

    app = assemble(lifespan)
    add_console(app)
    # The last one added is the outermost: id and log first, then the key, then the body.
    app.add_middleware(Bodies, most_bytes=settings.max_body_bytes)
    app.add_middleware(HookGate, per_second=settings.webhook_rate_per_second)
    app.add_middleware(Admission)
    app.add_middleware(Edge)
    if resources is not None:
        equip(app, resources)
    return app


def equip(app: FastAPI, resources: Resources) -> None:
    """Give the application what its handlers work with."""
    app.state.resources = resources
    app.state.measuring = Measuring(resources.database)
    app.state.bell = Bell(partial(resources.queue.ring_for, PROCESS))
    app.state.desk = Desk(resources.database, partial(_note, app.state.bell))
    app.state.known_paths = KnownPaths()
    app.state.console = Console(app, resources)
    app.state.rate_limits = RateLimits(resources.redis, resources.settings.rate_limit_per_minute)
    app.state.callback_limits = CallbackLimits(resources.redis)


def _note(bell: Bell, place: Place, new: int, total: int) -> None:
    """Events of a webhook were stored: count them, and tell workers of the new ones."""
    WEBHOOKS.labels(place.kind, "new").inc(new)
    WEBHOOKS.labels(place.kind, "repeated").inc(total - new)
    if new:
        bell.ring(place.tenant_id)
