"""The guided set-up: connections and audience."""

import asyncio
from typing import Any

from starlette.responses import Response

from app.console import connection_forms, connections
from app.console.calling import Refused
from app.console.desk import Desk
from app.console.guide import STEPS, Guide, guide_of
from app.console.routing import Pages

pages = Pages()
_SYSTEMS = {"x3": "sage_x3", "mailchimp": "mailchimp"}


def go(desk: Desk, guide: Guide, step: str = "", **query: str) -> Response:
    """On to a step, by default the first that lacks something."""
    return desk.go(f"/set-up/{step or guide.step()}", **guide.known(), **query)


async def page(
    desk: Desk, template: str, step: str, guide: Guide, problem: Refused | None = None, **more: Any
) -> Response:
    status = problem.status if problem else 200
    return await desk.page(template, status, problem=problem, guide=guide, steps=STEPS, step=step, **more)


@pages.get("/set-up")
async def begin(desk: Desk) -> Response:
    """Where it was left, or the beginning."""
    return go(desk, guide_of(desk))


@pages.get("/set-up/x3")
async def connect_x3(desk: Desk) -> Response:
    return await _connect(desk, "x3")


@pages.get("/set-up/mailchimp")
async def connect_mailchimp(desk: Desk) -> Response:
    return await _connect(desk, "mailchimp")


async def _connect(desk: Desk, step: str, problem: Refused | None = None) -> Response:
    """Those that are there to choose from, and the form for another."""
    system = _SYSTEMS[step]
    found = [c for c in await desk.api.all(f"{desk.at}/connections") if c["system"] == system]
    context = connections.form_context(desk, system, desk.given("kind") or desk.asked("kind"))
    return await page(desk, "guide_connect.html", step, guide_of(desk), problem, found=found, **context)


@pages.post("/set-up/x3")
async def add_x3(desk: Desk) -> Response:
    return await _add(desk, "x3")


@pages.post("/set-up/mailchimp")
async def add_mailchimp(desk: Desk) -> Response:
    return await _add(desk, "mailchimp")


async def _add(desk: Desk, step: str) -> Response:
    """Connected and checked; what does not work yet is put right before the guide goes on."""
    try:
        made = await connections.create(desk)
    except Refused as problem:
        return await _connect(desk, step, problem)
    guide = guide_of(desk)._replace(**{step: made["id"]})
    return await _look(desk, step, guide, made["checked"], made["id"])


async def _look(desk: Desk, step: str, guide: Guide, checked: Any, connection_id: str, **more: Any) -> Response:
    found = await desk.api.get(f"{desk.at}/connections/{connection_id}")
    context = {"checked": checked, "signing_in": None, **connections.editing(desk, found), **more}
    return await page(desk, "guide_connection.html", step, guide, **context)


@pages.get("/set-up/connection/{id:uuid}")
async def look(desk: Desk) -> Response:
    """A connection that was chosen; on at once when it works."""
    found = await desk.api.get(f"{desk.at}/connections/{desk.id()}")
    step = _step_of(found)
    guide = guide_of(desk)._replace(**{step: found["id"]})
    if found["state"] == "ok":
        return go(desk, guide)
    return await _look(desk, step, guide, None, found["id"])


def _step_of(connection: dict[str, Any]) -> str:
    return next(step for step, system in _SYSTEMS.items() if system == connection["system"])


@pages.post("/set-up/connection/{id:uuid}")
async def mend(desk: Desk) -> Response:
    """Changed and checked again."""
    at = f"{desk.at}/connections/{desk.id()}"
    found = await desk.api.get(at)
    step = _step_of(found)
    guide = guide_of(desk)._replace(**{step: found["id"]})
    try:
        if desk.given("name"):
            await desk.api.patch(at, connection_forms.change(found, desk.given))
        checked = await desk.api.post(f"{at}/verify")
    except connection_forms.NotJson:
        return await _look(desk, step, guide, None, found["id"], problem=connections.not_json())
    except Refused as problem:
        return await _look(desk, step, guide, None, found["id"], problem=problem)
    return await _look(desk, step, guide, checked, found["id"])


@pages.post("/set-up/connection/{id:uuid}/authorize")
async def sign_in(desk: Desk) -> Response:
    begun = await desk.api.post(f"{desk.at}/connections/{desk.id()}/authorize")
    found = await desk.api.get(f"{desk.at}/connections/{desk.id()}")
    step = _step_of(found)
    guide = guide_of(desk)._replace(**{step: found["id"]})
    return await _look(desk, step, guide, None, found["id"], signing_in=begun)


@pages.get("/set-up/audience")
async def choose_audience(desk: Desk) -> Response:
    return await _audiences(desk)


async def _audiences(desk: Desk, problem: Refused | None = None) -> Response:
    guide = guide_of(desk)
    if not guide.mailchimp:
        return go(desk, guide)
    at = f"{desk.at}/connections/{guide.mailchimp}"
    audiences, stores, streams = await asyncio.gather(
        desk.api.all(f"{at}/audiences"), desk.api.all(f"{at}/stores"), desk.api.get("/v1/streams")
    )
    return await page(
        desk,
        "guide_audience.html",
        "audience",
        guide,
        problem,
        audiences=audiences,
        stores=stores,
        streams=streams["items"],
    )


@pages.post("/set-up/audience")
async def take_audience(desk: Desk) -> Response:
    """The stream's mapping is made with its defaults filled in; the next step shows and changes it."""
    guide = guide_of(desk)
    stream, store = desk.given("stream"), desk.given("store")
    audience = desk.given("audience")
    if store:
        stores = await desk.api.all(f"{desk.at}/connections/{guide.mailchimp}/stores")
        audience = next((s["audience_id"] for s in stores if s["id"] == store), audience)
    if not audience or not stream:
        return await _audiences(
            desk, Refused(422, {"detail": "Choose what is carried, and an audience.", "code": "incomplete"})
        )
    keeps = guide.mapping and guide.stream == stream
    if not keeps:
        body = {"name": f"{stream} to Mailchimp", "stream": stream}
        guide = guide._replace(mapping=(await desk.api.post(f"{desk.at}/mappings", body, once=desk.once))["id"])
    return go(desk, guide._replace(stream=stream, audience=audience, store=store), "mapping")
