"""Is the process alive, is it ready, what has it counted, which version is it. No key needed."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import version

import structlog
from alembic.script import ScriptDirectory
from fastapi import APIRouter
from fastapi.responses import Response

from app.api.answers import answer
from app.api.deps import ResourcesDep
from app.api.schemas.records import HealthPublic, ReadinessPublic, VersionPublic
from app.db.migrating import configured
from app.resources import Resources
from app.telemetry import DEAD_LETTERS, FRESHNESS_SECONDS, METRICS_TYPE, QUEUE_AGE_SECONDS, RUNS, SYNCS, metrics_page

log = structlog.get_logger(__name__)
router = APIRouter(tags=["health"])

_LOOK_SECONDS = 3.0
_RUN_STATES = ("queued", "running", "halted")
_SYNC_STATES = ("active", "paused", "needs_attention")
_GAUGES = """
select (select jsonb_object_agg(state, n) from (select state, count(*) n from sync_run
         where state in ('queued', 'running', 'halted') group by 1) r) as runs,
       (select jsonb_object_agg(state, n) from (select state, count(*) n from sync group by 1) s) as syncs,
       (select count(*) from dead_letter where state = 'open') as dead_letters,
       (select extract(epoch from clock_timestamp() - min(greatest(queued_at, coalesce(not_before, queued_at))))
          from sync_run where state = 'queued') as queue_age,
       (select extract(epoch from clock_timestamp() - min(watermark)) from sync
         where enabled and state = 'active' and schedule->>'kind' <> 'manual') as freshness
"""


@router.get("/healthz", response_model=HealthPublic, summary="The process lives")
async def healthz() -> Response:
    return answer(HealthPublic(status="ok"))


@router.get(
    "/readyz",
    response_model=ReadinessPublic,
    responses={503: {"model": ReadinessPublic, "description": "Something this process needs is missing"}},
    summary="Postgres, Redis and migrations are there",
)
async def readyz(resources: ResourcesDep) -> Response:
    """Without Redis the API still answers, but workers learn of new runs only from their own sweep."""
    looks: dict[str, Callable[[Resources], Awaitable[str]]] = {
        "postgres": _postgres,
        "redis": _redis,
        "migrations": _migrations,
    }
    found = await asyncio.gather(*(_looked(look, resources) for look in looks.values()))
    checks = dict(zip(looks, found, strict=True))
    ready = all(result == "ok" for result in checks.values())
    return answer(ReadinessPublic(status="ready" if ready else "not_ready", checks=checks), 200 if ready else 503)


async def _looked(look: Callable[[Resources], Awaitable[str]], resources: Resources) -> str:
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            return await look(resources)
    except Exception as error:  # whatever it is, the answer is that it is not there
        return f"unreachable ({type(error).__name__})"


async def _postgres(resources: Resources) -> str:
    async with resources.database.system() as connection:
        await connection.execute("select 1")
    return "ok"


async def _redis(resources: Resources) -> str:
    await resources.redis.ping()
    return "ok"


async def _migrations(resources: Resources) -> str:
    async with resources.database.pool.acquire() as connection:
        found = await connection.fetchval("select version_num from alembic_version")
    return "ok" if found == _newest_migration() else f"at {found}, expected {_newest_migration()}"


@cache
def _newest_migration() -> str | None:
    return ScriptDirectory.from_config(configured()).get_current_head()


@router.get("/metrics", include_in_schema=True, response_class=Response, summary="For Prometheus")
async def metrics(resources: ResourcesDep) -> Response:
    """Counts over all tenants; none of them names one."""
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await _measure(resources)
    except Exception as error:  # what this process counted is still worth telling
        log.warning("metrics.database_failed", error=type(error).__name__)
    return Response(metrics_page(), media_type=METRICS_TYPE)


async def _measure(resources: Resources) -> None:
    async with resources.database.system() as connection:
        row = await connection.fetchrow(_GAUGES)
    for gauge, states, counts in ((RUNS, _RUN_STATES, row["runs"]), (SYNCS, _SYNC_STATES, row["syncs"])):
        for state in states:
            gauge.labels(state).set((counts or {}).get(state, 0))
    DEAD_LETTERS.set(row["dead_letters"])
    QUEUE_AGE_SECONDS.set(max(0, row["queue_age"] or 0))
    FRESHNESS_SECONDS.set(max(0, row["freshness"] or 0))


@router.get("/v1/version", response_model=VersionPublic, summary="Which version this is")
async def read_version() -> Response:
    return answer(VersionPublic(name="ml-connector", version=version("ml-connector")))
