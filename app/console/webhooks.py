"""Webhooks: which are registered, and what they brought."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.console.calling import Refused
from app.console.desk import Desk
from app.console.routing import Pages

pages = Pages()
TYPES = ("subscribe", "unsubscribe", "cleaned", "upemail", "profile", "campaign")


@pages.get("/webhooks")
async def webhooks(desk: Desk) -> Response:
    return await _show(desk)


@pages.post("/webhooks/search")
async def search(desk: Desk) -> Response:
    """Events of one person; by a form, so that no address stands in the page's."""
    return await _show(desk, email=desk.given("email"))


async def _show(
    desk: Desk, problem: Refused | None = None, made: Mapping[str, Any] | None = None, email: str = ""
) -> Response:
    kind = desk.asked("type")
    connections, events = await asyncio.gather(
        desk.api.all(f"{desk.at}/connections"),
        desk.api.get(f"{desk.at}/webhook-events", type=kind, email=email, cursor=desk.asked("cursor"), limit=50),
    )
    accounts = [connection for connection in connections if connection["system"] == "mailchimp"]
    hooks = await asyncio.gather(*(desk.api.all(f"{desk.at}/connections/{c['id']}/webhooks") for c in accounts))
    return await desk.page(
        "webhooks.html",
        problem.status if problem else 200,
        problem=problem,
        made=made,
        hooks=[(account, hook) for account, found in zip(accounts, hooks, strict=True) for hook in found],
        audiences=await _audiences(desk, accounts),
        events=events["items"],
        cursor=events["next_cursor"],
        types=TYPES,
        chosen={"type": kind},
        email=email,
    )


async def _audiences(desk: Desk, accounts: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Where a webhook can be registered; none for whoever may not, or while Mailchimp does not answer."""
    if not desk.session.may_administer:
        return []
    found = []
    for account in accounts:
        try:
            listed = await desk.api.all(f"{desk.at}/connections/{account['id']}/audiences")
        except Refused:
            continue
        found += [(account, audience) for audience in listed]
    return found


@pages.post("/webhooks")
async def register(desk: Desk) -> Response:
    """The address it answers holds a secret and is shown this once."""
    connection, _, audience = desk.given("place").partition("/")
    try:
        path = f"{desk.at}/connections/{connection}/webhooks"
        made = await desk.api.post(path, {"audience_id": audience}, once=desk.once)
    except Refused as problem:
        return await _show(desk, problem)
    return await _show(desk, made=made)


@pages.post("/webhooks/{connection_id:uuid}/{id:uuid}/rotate")
async def rotate(desk: Desk) -> Response:
    try:
        path = f"{desk.at}/connections/{desk.id('connection_id')}/webhooks/{desk.id()}/rotate"
        made = await desk.api.post(path, once=desk.once)
    except Refused as problem:
        return await _show(desk, problem)
    return await _show(desk, made=made)


@pages.post("/webhooks/{connection_id:uuid}/{id:uuid}/delete")
async def delete_webhook(desk: Desk) -> Response:
    try:
        await desk.api.delete(f"{desk.at}/connections/{desk.id('connection_id')}/webhooks/{desk.id()}")
    except Refused as problem:
        return await _show(desk, problem)
    return desk.go("/webhooks", said="deleted")
