"""The audit trail: search it, check its chain, take it away."""

from typing import Any

from starlette.responses import Response

from app.console.desk import Desk
from app.console.presenting import to_instant
from app.console.routing import Pages

pages = Pages()
_ASKED = ("run_id", "code", "action", "since", "until")


@pages.get("/audit")
async def audit(desk: Desk) -> Response:
    return await _show(desk, None)


async def _show(desk: Desk, verdict: Any) -> Response:
    chosen = {name: desk.asked(name) for name in _ASKED}
    zone = (await desk.tenant())["time_zone"]
    query = {name: to_instant(v, zone) if name in ("since", "until") else v for name, v in chosen.items()}
    found = await desk.api.get(f"{desk.at}/audit", cursor=desk.asked("cursor"), limit=50, **query)
    return await desk.page(
        "audit.html", events=found["items"], cursor=found["next_cursor"], chosen=chosen, verdict=verdict
    )


@pages.post("/audit/check")
async def check(desk: Desk) -> Response:
    """Every event's hash and its place in the chain."""
    verdict = await desk.api.get(f"{desk.at}/audit/verify")
    if desk.is_fragment:
        return await desk.page("fragment_verdict.html", verdict=verdict)
    return await _show(desk, verdict)


@pages.get("/audit/export")
async def export(desk: Desk) -> Response:
    """The whole trail, one event a line, signed."""
    name = f"audit-{desk.tenant_id}.ndjson"
    return desk.pass_on(
        f"{desk.at}/audit/export?signed=true", ("Content-Disposition", f'attachment; filename="{name}"')
    )
