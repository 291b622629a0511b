"""Is the process alive, is it ready, what has it counted, which version is it. No key needed."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import version

from alembic.script import ScriptDirectory
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from app.api.answers import answer
from app.api.deps import ResourcesDep
from app.api.problems import NotFound
from app.api.schemas.records import HealthPublic, ReadinessPublic, VersionPublic
from app.db.migrating import configured
from app.resources import Resources
from app.telemetry.metrics import METRICS_TYPE, page

router = APIRouter(tags=["health"])

_LOOK_SECONDS = 3.0


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
async def metrics(request: Request) -> Response:
    """What this process counted and what is true of the whole system. Labels hold ids, never names or addresses."""
    if request.app.state.resources.settings.metrics_listen:
        raise NotFound
    return Response(await metrics_page(request.app), media_type=METRICS_TYPE)


async def metrics_page(app: FastAPI) -> bytes:
    """The same page, wherever it is served."""
    return page(await app.state.measuring.families())


@router.get("/v1/version", response_model=VersionPublic, summary="Which version this is")
async def read_version() -> Response:
    return answer(VersionPublic(name="ml-connector", version=version("ml-connector")))


for _path, _endpoint in (("/healthz", healthz), ("/readyz", readyz), ("/v1/version", read_version)):
    router.add_api_route(_path, _endpoint, methods=["HEAD"], include_in_schema=False)  # as load balancers ask
