"""API keys of a tenant: made and shown once, listed, revoked."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.console.calling import Refused
from app.console.desk import Desk
from app.console.presenting import to_instant
from app.console.routing import Pages

pages = Pages()


@pages.get("/keys")
async def keys(desk: Desk) -> Response:
    return await _show(desk)


async def _show(desk: Desk, problem: Refused | None = None, made: Mapping[str, Any] | None = None) -> Response:
    listed = await desk.api.all(f"{desk.at}/api-keys")
    return await desk.page("keys.html", problem.status if problem else 200, problem=problem, made=made, keys=listed)


@pages.post("/keys")
async def create_key(desk: Desk) -> Response:
    body: dict[str, Any] = {"name": desk.given("name"), "role": desk.given("role")}
    try:
        if expires := desk.given("expires_at"):
            body["expires_at"] = to_instant(expires, (await desk.tenant())["time_zone"])
        made = await desk.api.post(f"{desk.at}/api-keys", body, once=desk.once)
    except Refused as problem:
        return await _show(desk, problem)
    return await _show(desk, made=made)


@pages.post("/keys/{id:uuid}/revoke")
async def revoke_key(desk: Desk) -> Response:
    await desk.api.delete(f"{desk.at}/api-keys/{desk.id()}")
    return desk.go("/keys", said="revoked")
