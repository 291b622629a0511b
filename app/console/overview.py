"""All syncs by health and freshness: of one tenant, and for the operator of all."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.responses import RedirectResponse, Response

from app.console import advising
from app.console.advising import Advice
from app.console.calling import Api, Refused
from app.console.desk import Desk
from app.console.health import Health, of_sync
from app.console.presenting import now
from app.console.routing import Pages

pages = Pages()
everywhere = Pages("")

MOST_LETTERS = 100
_TENANTS = 20


class SyncView(NamedTuple):
    """A sync as the overview shows it. `letters` counts open dead letters, up to MOST_LETTERS + 1."""

    sync: Mapping[str, Any]
    run: Mapping[str, Any] | None
    letters: int
    health: Health


async def look_at(api: Api, at: str, sync: Mapping[str, Any]) -> SyncView:
    """What is to be known of a sync."""
    runs, letters = await asyncio.gather(
        api.get(f"{at}/runs", sync_id=sync["id"], limit=20),
        api.get(f"{at}/dead-letters", sync_id=sync["id"], state="open", limit=MOST_LETTERS + 1),
    )
    run = next((run for run in runs["items"] if not run["dry_run"]), None)
    return SyncView(sync, run, len(letters["items"]), of_sync(sync, run, now()))


async def look_at_all(api: Api, at: str) -> list[SyncView]:
    """All syncs of a tenant; first those that need somebody, then the least fresh."""
    syncs = await api.all(f"{at}/syncs")
    views = await asyncio.gather(*(look_at(api, at, sync) for sync in syncs))
    return sorted(views, key=lambda view: (view.health.rank, -(view.sync["freshness_seconds"] or 0)))


@pages.get("")
async def overview(desk: Desk) -> Response:
    """One tenant."""
    views, connections = await asyncio.gather(look_at_all(desk.api, desk.at), desk.api.all(f"{desk.at}/connections"))
    return await desk.page(
        "overview.html",
        views=views,
        advice=advice_on(views, connections),
        tones=Counter(view.health.tone for view in views),
        most_letters=MOST_LETTERS,
    )


def advice_on(views: Sequence[SyncView], connections: Sequence[Mapping[str, Any]]) -> list[Advice]:
    """What to do next, the worst first; a connection that several syncs wait for is named once."""
    at, known = now(), {connection["id"]: connection for connection in connections}
    found = [advising.of_connection(connection) for connection in connections]
    for view in views:
        ends = [known[view.sync[f"{end}_connection_id"]] for end in ("source", "target")]
        found.append(advising.of_sync(view.sync, view.run, view.health, ends, at))
    unique = {(each.about, each.is_so): each for each in found if each is not None}
    return sorted(unique.values(), key=lambda each: (each.tone, each.do == advising.REFUSED))


@everywhere.get("/")
async def all_tenants(desk: Desk) -> Response:
    """The operator's first page; whoever belongs to a tenant goes there."""
    if not desk.session.is_operator:
        return RedirectResponse(f"{desk.home_of(desk.session.tenant_id or '')}", 303)
    return await _all_tenants(desk)


async def _all_tenants(desk: Desk, problem: Refused | None = None) -> Response:
    listed = await desk.api.get("/v1/tenants", limit=_TENANTS, cursor=desk.asked("cursor"))
    found = await asyncio.gather(*(_summary(desk.api, tenant) for tenant in listed["items"]))
    return await desk.page(
        "tenants.html",
        problem.status if problem else 200,
        rows=sorted(found, key=lambda row: row[1]),
        cursor=listed["next_cursor"],
        problem=problem,
        given={name: desk.given(name) for name in ("slug", "name", "time_zone")},
    )


async def _summary(api: Api, tenant: Mapping[str, Any]) -> tuple[Mapping[str, Any], int, list[SyncView]]:
    views = await look_at_all(api, f"/v1/tenants/{tenant['id']}")
    return tenant, min((view.health.rank for view in views), default=9), views


@everywhere.post("/tenants")
async def create_tenant(desk: Desk) -> Response:
    """A new customer of ours; on to its set-up."""
    body = {name: desk.given(name) for name in ("slug", "name", "time_zone")}
    try:
        made = await desk.api.post("/v1/tenants", body, once=desk.once)
    except Refused as problem:
        return await _all_tenants(desk, problem)
    return RedirectResponse(f"{desk.home_of(made['id'])}/set-up", 303)
