"""Syncs: how each is doing, its rules and its schedule, and starting its runs."""

import asyncio
from typing import Any

from starlette.responses import Response

from app.console import advising, schedule_forms, sync_forms
from app.console.calling import Refused
from app.console.condition_forms import OPERATORS
from app.console.desk import Desk
from app.console.offers import offer
from app.console.overview import MOST_LETTERS, look_at, look_at_all
from app.console.presenting import now
from app.console.routing import Pages

pages = Pages()


@pages.get("/syncs")
async def syncs(desk: Desk) -> Response:
    return await desk.page("syncs.html", views=await look_at_all(desk.api, desk.at), most_letters=MOST_LETTERS)


@pages.get("/syncs/{id:uuid}")
async def sync(desk: Desk) -> Response:
    return await _show(desk)


async def _show(desk: Desk, problem: Refused | None = None) -> Response:
    found = await desk.api.get(f"{desk.at}/syncs/{desk.id()}")
    view, runs, source, target, mapping, offered = await asyncio.gather(
        look_at(desk.api, desk.at, found),
        desk.api.get(f"{desk.at}/runs", sync_id=found["id"], limit=10),
        desk.api.get(f"{desk.at}/connections/{found['source_connection_id']}"),
        desk.api.get(f"{desk.at}/connections/{found['target_connection_id']}"),
        desk.api.get(f"{desk.at}/mappings/{found['mapping_id']}"),
        offer(desk, found["stream"], source=found["source_connection_id"]),
    )
    return await desk.page(
        "sync.html",
        problem.status if problem else 200,
        problem=problem,
        view=view,
        advice=advising.of_sync(found, view.run, view.health, (source, target), now()),
        sync=found,
        runs=runs["items"],
        source=source,
        target=target,
        mapping=mapping,
        most_letters=MOST_LETTERS,
        in_words=schedule_forms.in_words(found["schedule"]),
        **rule_context(desk, found, found["stream"], offered),
        **schedule_context(found["schedule"]),
    )


def rule_context(desk: Desk, sync: dict[str, Any] | None, stream: str, offered: Any) -> dict[str, Any]:
    return {
        "rules": sync_forms.shown(sync, desk.given, stream),
        "offer": offered,
        "operators": OPERATORS,
        "new_statuses": sync_forms.NEW_STATUSES,
        "inactive_actions": sync_forms.INACTIVE,
        "inactive_marks": sync_forms.default_marks(stream),
    }


def schedule_context(document: dict[str, Any]) -> dict[str, Any]:
    return {"schedule": schedule_forms.shown(document), "kinds": schedule_forms.KINDS, "days": schedule_forms.DAYS}


async def _change(desk: Desk, body: dict[str, Any], said: str = "saved") -> Response:
    try:
        await desk.api.patch(f"{desk.at}/syncs/{desk.id()}", body)
    except Refused as problem:
        return await _show(desk, problem)
    return desk.go(f"/syncs/{desk.id()}", said=said)


@pages.post("/syncs/{id:uuid}")
async def change_rules(desk: Desk) -> Response:
    """A changed filter or policy makes the next run read everything again."""
    found = await desk.api.get(f"{desk.at}/syncs/{desk.id()}")
    offered = await offer(desk, found["stream"])
    try:
        body = sync_forms.rules(desk.given, offered.types)
    except Refused as problem:
        return await _show(desk, problem)
    body["reconcile"] = sync_forms.reconcile(desk.given, desk.chosen("repair"))
    return await _change(desk, {**body, "enabled": bool(desk.given("enabled"))})


@pages.post("/syncs/{id:uuid}/schedule")
async def change_schedule(desk: Desk) -> Response:
    return await _change(desk, {"schedule": schedule_forms.schedule(desk.given, desk.chosen("days"))}, "scheduled")


@pages.post("/syncs/{id:uuid}/run")
async def start_run(desk: Desk) -> Response:
    """On to the page of the run."""
    body: dict[str, Any] = {"mode": desk.given("mode") or "delta", "dry_run": bool(desk.given("dry_run"))}
    if codes := [code.strip() for code in desk.given("codes").split(",") if code.strip()]:
        body["codes"] = codes
    try:
        run = await desk.api.post(f"{desk.at}/syncs/{desk.id()}/runs", body, once=desk.once)
    except Refused as problem:
        return await _show(desk, problem)
    return desk.go(f"/runs/{run['id']}", said="coalesced" if run["coalesced"] else "queued")


@pages.post("/syncs/{id:uuid}/pause")
async def pause(desk: Desk) -> Response:
    await desk.api.post(f"{desk.at}/syncs/{desk.id()}/pause")
    return desk.go(f"/syncs/{desk.id()}", said="paused")


@pages.post("/syncs/{id:uuid}/resume")
async def resume(desk: Desk) -> Response:
    await desk.api.post(f"{desk.at}/syncs/{desk.id()}/resume")
    return desk.go(f"/syncs/{desk.id()}", said="resumed")


@pages.post("/syncs/{id:uuid}/delete")
async def delete_sync(desk: Desk) -> Response:
    try:
        await desk.api.delete(f"{desk.at}/syncs/{desk.id()}")
    except Refused as problem:
        return await _show(desk, problem)
    return desk.go("/syncs", said="deleted")
