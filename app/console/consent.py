"""Consent of a person: every status ever seen or set, and why. And, on demand, the end of all we know of them."""

import asyncio
from typing import Any

from starlette.responses import Response

from app.console.calling import Refused
from app.console.desk import Desk
from app.console.routing import Pages

pages = Pages()


@pages.get("/consent")
async def consent(desk: Desk) -> Response:
    return await desk.page("consent.html", email="", items=None, cursor=None, records=[])


@pages.post("/consent")
async def of_person(desk: Desk) -> Response:
    """By a form, never by the page's address: no log of a proxy holds whom somebody asked for."""
    return await _of_person(desk)


async def _of_person(desk: Desk, problem: Refused | None = None) -> Response:
    email = desk.given("email")
    try:
        found, records = await asyncio.gather(
            desk.api.get(f"{desk.at}/consent", email=email, cursor=desk.given("cursor"), limit=100),
            desk.api.all(f"{desk.at}/records", email=email),
        )
    except Refused as refused:
        context: dict[str, Any] = {"email": email, "items": None, "cursor": None, "records": []}
        return await desk.page("consent.html", refused.status, problem=problem or refused, **context)
    return await desk.page(
        "consent.html",
        problem.status if problem else 200,
        problem=problem,
        email=email,
        items=found["items"],
        cursor=found["next_cursor"],
        records=records,
    )


@pages.post("/consent/erase")
async def erase(desk: Desk) -> Response:
    """The API's own erasure: at Mailchimp, here, and kept out from now on."""
    try:
        made = await desk.api.post(f"{desk.at}/erasures", {"email": desk.given("email")}, once=desk.once)
    except Refused as problem:
        return await _of_person(desk, problem)
    return desk.go(f"/consent/erasures/{made['id']}")


@pages.get("/consent/erasures/{id:uuid}")
async def erasure(desk: Desk) -> Response:
    return await desk.page("erasure.html", erasure=await desk.api.get(f"{desk.at}/erasures/{desk.id()}"))
