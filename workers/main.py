"""The worker process: arq for the doorbell, Postgres for everything that matters."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from arq.connections import RedisSettings
from arq.worker import Worker, func
from redis import exceptions as redis_errors
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from app.connectors import retrying
from app.resources import Resources, open_resources
from app.settings import Settings
from app.sync import store_syncing
from app.sync.opened import LONGEST_SLICES, Pace
from app.sync.queue import CARRY, QUEUE, QUICK, deserialize, serialize
from app.sync.sweeping import jitter, keep_house, sweep
from app.sync.working import Workshop
from app.telemetry import set_up_logging
from app.telemetry.counting import EngineCounters
from app.telemetry.listening import listening
from app.telemetry.metrics import SWEPT_AT, page
from app.telemetry.tracing import end_tracing, set_up_tracing
from workers import alerting, quick, tending
from workers.jobs import carry_run
from workers.memory import settle_memory
from workers.tracing import traced

log = structlog.get_logger(__name__)
HOUSE_SECONDS = 3600.0
JOB_SECONDS = 60  # on top of the longest slice: draining its pages


async def serve(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; then finish the pages on their way, give the runs back and leave."""
    async with open_resources(settings) as resources, listening(settings.metrics_address, counted):
        shop = Workshop(
            resources.opener,
            resources.queue,
            pace_of(settings),
            EngineCounters(),
            is_full=lambda: len(worker.tasks) >= settings.worker_concurrency,
        )
        worker = make_worker(settings, resources, shop)
        helper = make_quick_worker(settings, resources)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, shop.draining.set)
        tasks = [
            asyncio.create_task(worker.async_run()),
            asyncio.create_task(helper.async_run()),
            asyncio.create_task(quick.sweep_for_ever(settings, resources)),
            asyncio.create_task(quick.keep_house_for_ever(settings, resources)),
            asyncio.create_task(sweep_for_ever(settings, resources)),
            asyncio.create_task(keep_house_for_ever(settings, resources)),
            asyncio.create_task(quiet_stores_for_ever(settings, resources)),
            asyncio.create_task(tending.finish_sign_ins_for_ever(settings, resources)),
            asyncio.create_task(tending.keep_tokens_for_ever(settings, resources)),
            asyncio.create_task(alerting.watch_for_ever(settings, resources)),
            asyncio.create_task(alerting.deliver_for_ever(settings, resources)),
            asyncio.create_task(alerting.keep_house_for_ever(settings, resources)),
            asyncio.create_task(shop.draining.wait()),
        ]
        log.info("worker.started", concurrency=settings.worker_concurrency)
        settle_memory()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await stop(settings, (worker, helper), tasks)
            await asyncio.to_thread(end_tracing)


async def counted() -> bytes:
    """What this process counted; what is true of the whole system is the API's to tell."""
    return page()


async def stop(settings: Settings, workers: Sequence[Worker], tasks: list[asyncio.Task[Any]]) -> None:
    """No new jobs; those under way see `draining` and end their slice."""
    for worker in workers:
        worker.allow_pick_jobs = False
    running = [task for worker in workers for task in worker.tasks.values() if not task.done()]
    if running:
        await asyncio.wait(running, timeout=settings.slice_seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for worker in workers:
        with contextlib.suppress(redis_errors.RedisError, OSError):
            await worker.close()
    log.info("worker.stopped")


def pace_of(settings: Settings) -> Pace:
    return Pace(
        lease_seconds=settings.lease_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        slice_seconds=settings.slice_seconds,
        settle_seconds=settings.settle_seconds,
        put_off_seconds=settings.put_off_seconds,
        senders=settings.mailchimp_connections,
    )


def make_worker(settings: Settings, resources: Resources, shop: Workshop) -> Worker:
    """The one that carries runs."""
    functions = [func(traced(carry_run), name=CARRY, keep_result=0, max_tries=1)]
    return _worker(settings, QUEUE, functions, settings.worker_concurrency, {"shop": shop, "resources": resources})


def make_quick_worker(settings: Settings, resources: Resources) -> Worker:
    """The one whose jobs never wait behind runs."""
    return _worker(settings, QUICK, quick.functions(), quick.SLOTS, {"resources": resources})


def _worker(settings: Settings, queue: str, functions: list[Any], slots: int, ctx: dict[str, Any]) -> Worker:
    """arq as its real behaviour demands: one try, no results, JSON, a wide queue window, a patient Redis client."""
    redis = RedisSettings.from_dsn(settings.redis_url.get_secret_value())
    redis.retry = Retry(ExponentialBackoff(cap=2, base=0.1), 40)
    redis.retry_on_error = [redis_errors.ConnectionError, redis_errors.TimeoutError, redis_errors.BusyLoadingError]
    return Worker(
        functions=functions,
        queue_name=queue,
        redis_settings=redis,
        handle_signals=False,
        max_jobs=slots,
        queue_read_limit=max(100, 10 * slots),
        job_timeout=settings.slice_seconds * LONGEST_SLICES + JOB_SECONDS,
        keep_result=0,
        max_tries=1,
        poll_delay=0.1,
        health_check_interval=15,
        job_serializer=serialize,
        job_deserializer=deserialize,
        log_results=False,
        allow_abort_jobs=False,
        ctx=ctx,
    )


async def sweep_for_ever(settings: Settings, resources: Resources) -> None:
    while True:
        try:
            started, rung = await sweep(resources.database, resources.queue)
            SWEPT_AT.set_to_current_time()
            if started or rung:
                log.info("sweep.done", started=started, rung=rung)
        except Exception:
            log.exception("sweep.failed")
        await asyncio.sleep(jitter(settings.sweep_seconds))


async def quiet_stores_for_ever(settings: Settings, resources: Resources) -> None:
    """Stores whose back-fill ended without its worker may start their automations again."""
    while True:
        try:
            await store_syncing.finish_all(resources.opener)
        except Exception:
            log.exception("stores.failed")
        await asyncio.sleep(jitter(settings.sweep_seconds))


async def keep_house_for_ever(settings: Settings, resources: Resources) -> None:
    while True:
        try:
            await keep_house(resources.database, timedelta(days=settings.retention_days))
        except Exception:
            log.exception("house.failed")
        await asyncio.sleep(jitter(HOUSE_SECONDS))


def main() -> None:
    """Entry point of `python -m workers`."""
    settings = Settings()
    set_up_logging(settings.log_format)
    set_up_tracing(settings.otel_exporter_otlp_endpoint, "worker")
    with retrying.within(settings.retry_budget_seconds, settings.retry_base_seconds):
        try:
            import uvloop  # not on every platform
        except ImportError:
            asyncio.run(serve(settings))
        else:
            uvloop.run(serve(settings))
