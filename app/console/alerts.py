"""Alerts: what needs, or needed, somebody, and who was told."""

import asyncio

from starlette.responses import Response

from app.console.alert_forms import EVENTS
from app.console.desk import Desk
from app.console.routing import Pages

pages = Pages()


@pages.get("/alerts")
async def alerts(desk: Desk) -> Response:
    """The newest first, with every message about them; beside them where people are told."""
    chosen = {"state": desk.asked("state", "open"), "kind": desk.asked("kind")}
    state = "" if chosen["state"] == "all" else chosen["state"]
    found, channels = await asyncio.gather(
        desk.api.get(f"{desk.at}/alerts", state=state, kind=chosen["kind"], cursor=desk.asked("cursor"), limit=50),
        desk.api.all(f"{desk.at}/alert-channels"),
    )
    return await desk.page(
        "alerts.html",
        alerts=found["items"],
        cursor=found["next_cursor"],
        channels=channels,
        chosen=chosen,
        kinds=EVENTS,
    )
