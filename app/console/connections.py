"""Connections: what they are, whether they answer, and changing them."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.console import advising
from app.console import connection_forms as forms
from app.console.calling import Refused
from app.console.desk import Desk
from app.console.routing import Pages

pages = Pages()


def not_json() -> Refused:
    return Refused(422, {"detail": "Further settings must be a JSON object.", "code": "not_json"})


@pages.get("/connections")
async def connections(desk: Desk) -> Response:
    found, syncs = await asyncio.gather(desk.api.all(f"{desk.at}/connections"), desk.api.all(f"{desk.at}/syncs"))
    used = {
        c["id"]: [s for s in syncs if c["id"] in (s["source_connection_id"], s["target_connection_id"])] for c in found
    }
    return await desk.page("connections.html", connections=found, used=used)


@pages.get("/connections/new")
async def new_connection(desk: Desk) -> Response:
    return await desk.page("connection_new.html", **form_context(desk, desk.asked("system"), desk.asked("kind")))


def form_context(desk: Desk, system: str, kind: str) -> dict[str, Any]:
    """What the form of a new connection shows; `kind` falls back to the system's first."""
    system = system if system in ("sage_x3", "mailchimp") else "sage_x3"
    kinds = forms.kinds(system)
    kind = kind if kind in kinds else kinds[0]
    usual, rare = forms.FORMS[system, kind]
    typed = {each.field: desk.given(each.field) for each in (*usual, *rare) if each.type != "password"}
    return {
        "system": system,
        "kind": kind,
        "kinds": kinds,
        "usual": usual,
        "rare": rare,
        "connection": None,
        "value": lambda each: typed.get(each.field) or each.default,
        "name": desk.given("name"),
        "other": desk.given(forms.OTHER),
    }


async def create(desk: Desk) -> dict[str, Any]:
    """The new connection, and what a first ping said of it (`checked`, None when a sign-in comes first).

    Raises Refused.
    """
    system, kind = desk.given("system"), desk.given("kind")
    if (system, kind) not in forms.FORMS:
        raise Refused(422, {"detail": "There is no such kind of connection.", "code": "no_such_kind"})
    try:
        body = forms.creation(system, kind, desk.given)
    except forms.NotJson:
        raise not_json() from None
    made: dict[str, Any] = await desk.api.post(f"{desk.at}/connections", body, once=desk.once)
    waits = kind in forms.NEEDS_SIGN_IN and made["state"] == "needs_authorization"
    made["checked"] = None if waits else await desk.api.post(f"{desk.at}/connections/{made['id']}/verify")
    return made


@pages.post("/connections")
async def create_connection(desk: Desk) -> Response:
    try:
        made = await create(desk)
    except Refused as problem:
        context = form_context(desk, desk.given("system"), desk.given("kind"))
        return await desk.page("connection_new.html", problem.status, problem=problem, **context)
    return await show(desk, made["id"], checked=made["checked"])


@pages.get("/connections/{id:uuid}")
async def connection(desk: Desk) -> Response:
    return await show(desk, desk.id())


async def show(desk: Desk, connection_id: str, *, problem: Refused | None = None, **more: Any) -> Response:
    """The page of a connection; `more` may hold what a ping or a begun sign-in answered."""
    found = await desk.api.get(f"{desk.at}/connections/{connection_id}")
    context = {"checked": None, "signing_in": None, **more}
    status = problem.status if problem else 200
    return await desk.page("connection.html", status, problem=problem, **context, **editing(desk, found))


def editing(desk: Desk, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the form of a connection shows: what was typed, if it was refused, else what is stored."""
    usual, rare = forms.FORMS[found["system"], found["kind"]]
    typed = bool(desk.form)

    def value(each: forms.Input) -> str:
        if each.type == "password":
            return ""  # what is secret never comes back, not even to whoever typed it
        return desk.given(each.field) if typed and each.field in desk.form else forms.shown(found, each)

    return {
        "connection": found,
        "advice": advising.of_connection(found),
        "usual": usual,
        "rare": rare,
        "value": value,
        "name": desk.given("name") or found["name"],
        "other": desk.given(forms.OTHER) if typed else forms.others(found),
        "system": found["system"],
        "kind": found["kind"],
        "may_sign_in": found["kind"] in forms.NEEDS_SIGN_IN,
    }


@pages.post("/connections/{id:uuid}/ping")
async def ping(desk: Desk) -> Response:
    """Asks the real system; every check and what it found."""
    checked = await desk.api.post(f"{desk.at}/connections/{desk.id()}/verify")
    return await show(desk, desk.id(), checked=checked)


@pages.post("/connections/{id:uuid}")
async def change_connection(desk: Desk) -> Response:
    """A changed address or credential is tried at once; syncs that waited for it then catch up."""
    at = f"{desk.at}/connections/{desk.id()}"
    try:
        body = forms.change(await desk.api.get(at), desk.given)
        changed = await desk.api.patch(at, body)
    except forms.NotJson:
        return await show(desk, desk.id(), problem=not_json())
    except Refused as problem:
        return await show(desk, desk.id(), problem=problem)
    if changed["state"] == "unverified":
        return await ping(desk)
    return desk.go(f"/connections/{desk.id()}", said="saved")


@pages.post("/connections/{id:uuid}/authorize")
async def authorize(desk: Desk) -> Response:
    """The vendor's page opens in a tab of its own: this one stays to look again."""
    begun = await desk.api.post(f"{desk.at}/connections/{desk.id()}/authorize")
    return await show(desk, desk.id(), signing_in=begun)


@pages.post("/connections/{id:uuid}/delete")
async def delete_connection(desk: Desk) -> Response:
    try:
        await desk.api.delete(f"{desk.at}/connections/{desk.id()}")
    except Refused as problem:
        return await show(desk, desk.id(), problem=problem)
    return desk.go("/connections", said="deleted")
