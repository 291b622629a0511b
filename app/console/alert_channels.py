"""Alert channels: where people are told, tried, changed, and what arrived there last."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.console import alert_forms as forms
from app.console.calling import Refused
from app.console.desk import Desk
from app.console.routing import Pages

pages = Pages()
_LAST = 100
_SHOWN = 10


@pages.get("/alerts/channels/new")
async def new_channel(desk: Desk) -> Response:
    return await _blank(desk, desk.asked("kind"))


async def _blank(desk: Desk, kind: str, problem: Refused | None = None) -> Response:
    kind = kind if kind in forms.CHANNELS else forms.CHANNELS[0]
    form = forms.typed(desk.given, desk.chosen) if problem else forms.shown(None)
    context = await _form(desk, None, kind, form)
    return await desk.page("alert_channel_new.html", problem.status if problem else 200, problem=problem, **context)


async def _form(desk: Desk, channel: Mapping[str, Any] | None, kind: str, form: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "channel": channel,
        "kind": kind,
        "form": form,
        "syncs": await desk.api.all(f"{desk.at}/syncs"),
        "events": forms.EVENTS,
        "hints": forms.HINTS,
        "security": forms.SECURITY,
    }


@pages.post("/alerts/channels")
async def create_channel(desk: Desk) -> Response:
    """The secret of a webhook's signatures is shown this once."""
    kind = desk.given("kind")
    try:
        body = forms.creation(kind, desk.given, desk.chosen)
        made = await desk.api.post(f"{desk.at}/alert-channels", body, once=desk.once)
    except Refused as problem:
        return await _blank(desk, kind, problem)
    return await _show(desk, made["id"], secret=made["secret"])


@pages.get("/alerts/channels/{id:uuid}")
async def channel(desk: Desk) -> Response:
    return await _show(desk, desk.id())


async def _show(
    desk: Desk, channel_id: str, *, problem: Refused | None = None, form: Any = None, **answered: Any
) -> Response:
    """`form` is what was typed and refused; `answered` may hold a new `secret` or what a test said (`tried`)."""
    found, told = await asyncio.gather(
        desk.api.get(f"{desk.at}/alert-channels/{channel_id}"), desk.api.get(f"{desk.at}/alerts", limit=_LAST)
    )
    return await desk.page(
        "alert_channel.html",
        problem.status if problem else 200,
        problem=problem,
        messages=_messages(told["items"], channel_id),
        **{"secret": None, "tried": None, **answered},
        **await _form(desk, found, found["kind"], form or forms.shown(found)),
    )


def _messages(alerts: list[dict[str, Any]], channel_id: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The last messages to one channel, newest first, each with its alert."""
    found = [(alert, sent) for alert in alerts for sent in alert["deliveries"] if sent["channel_id"] == channel_id]
    return sorted(found, key=lambda pair: str(pair[1]["created_at"]), reverse=True)[:_SHOWN]


@pages.post("/alerts/channels/{id:uuid}")
async def change_channel(desk: Desk) -> Response:
    at = f"{desk.at}/alert-channels/{desk.id()}"
    try:
        found = await desk.api.get(at)
        await desk.api.patch(at, forms.change(found["kind"], desk.given, desk.chosen))
    except Refused as problem:
        return await _show(desk, desk.id(), problem=problem, form=forms.typed(desk.given, desk.chosen))
    return desk.go(f"/alerts/channels/{desk.id()}", said="saved")


@pages.post("/alerts/channels/{id:uuid}/test")
async def try_channel(desk: Desk) -> Response:
    """One message, at once; what the receiver answered stands on the page."""
    try:
        tried = await desk.api.post(f"{desk.at}/alert-channels/{desk.id()}/test")
    except Refused as problem:
        return await _show(desk, desk.id(), problem=problem)
    return await _show(desk, desk.id(), tried=tried)


@pages.post("/alerts/channels/{id:uuid}/rotate")
async def rotate_channel(desk: Desk) -> Response:
    """Another secret, shown this once; the old one signs beside it for a day."""
    try:
        made = await desk.api.post(f"{desk.at}/alert-channels/{desk.id()}/rotate", once=desk.once)
    except Refused as problem:
        return await _show(desk, desk.id(), problem=problem)
    return await _show(desk, desk.id(), secret=made["secret"])


@pages.post("/alerts/channels/{id:uuid}/delete")
async def delete_channel(desk: Desk) -> Response:
    """Alerts stay; what this channel was told is forgotten."""
    await desk.api.delete(f"{desk.at}/alert-channels/{desk.id()}")
    return desk.go("/alerts", said="deleted")
