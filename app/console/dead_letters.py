"""Dead letters: why each was refused, and another chance for one or for many."""

import asyncio
from typing import Any

from starlette.responses import Response

from app.console.calling import Refused
from app.console.desk import Desk
from app.console.presenting import to_instant
from app.console.routing import Pages

pages = Pages()


@pages.get("/dead-letters")
async def dead_letters(desk: Desk) -> Response:
    return await _list(desk)


async def _list(desk: Desk, problem: Refused | None = None) -> Response:
    chosen = {name: desk.asked(name) or desk.given(name) for name in ("sync_id", "reason")}
    chosen["state"] = desk.asked("state", "open")
    found, syncs = await asyncio.gather(
        desk.api.get(f"{desk.at}/dead-letters", cursor=desk.asked("cursor"), limit=50, **_without_all(chosen)),
        desk.api.all(f"{desk.at}/syncs"),
    )
    reasons = sorted({letter["reason"] for letter in found["items"]} | ({chosen["reason"]} - {""}))
    return await desk.page(
        "dead_letters.html",
        problem.status if problem else 200,
        problem=problem,
        letters=found["items"],
        cursor=found["next_cursor"],
        syncs=syncs,
        chosen=chosen,
        reasons=reasons,
    )


def _without_all(chosen: dict[str, str]) -> dict[str, str]:
    return {name: "" if value == "all" else value for name, value in chosen.items()}


@pages.post("/dead-letters/replay")
async def replay_many(desk: Desk) -> Response:
    """All open ones of a sync, or those of a reason, or those since an instant: in one run."""
    body: dict[str, Any] = {"sync_id": desk.given("sync_id")}
    if reason := desk.given("reason"):
        body["reason"] = reason
    try:
        if since := desk.given("since"):
            body["since"] = to_instant(since, (await desk.tenant())["time_zone"])
        run = await desk.api.post(f"{desk.at}/dead-letters/replay", body, once=desk.once)
    except Refused as problem:
        return await _list(desk, problem)
    return desk.go(f"/runs/{run['id']}", said="queued")


@pages.post("/dead-letters/{id:uuid}/replay")
async def replay_one(desk: Desk) -> Response:
    try:
        run = await desk.api.post(f"{desk.at}/dead-letters/{desk.id()}/replay", once=desk.once)
    except Refused as problem:
        return await _list(desk, problem)
    return desk.go(f"/runs/{run['id']}", said="queued")


@pages.post("/dead-letters/{id:uuid}/dismiss")
async def dismiss(desk: Desk) -> Response:
    try:
        await desk.api.post(f"{desk.at}/dead-letters/{desk.id()}/dismiss")
    except Refused as problem:
        return await _list(desk, problem)
    return desk.go("/dead-letters", said="dismissed")
