"""Mappings: their rules, tried on real records while they are edited."""

import asyncio
from typing import Any, NamedTuple

from starlette.responses import Response

from app.console import mapping_forms as forms
from app.console.calling import Refused
from app.console.condition_forms import OPERATORS
from app.console.desk import Desk
from app.console.offers import Offer, offer
from app.console.routing import Pages
from app.console.transform_text import explained

pages = Pages()
_PREVIEWED = 6


class Bench(NamedTuple):
    """What a mapping is tried with: an X3, and an audience to compare with, where they are known."""

    source: str = ""
    target: str = ""
    audience: str = ""


@pages.get("/mappings")
async def mappings(desk: Desk) -> Response:
    found, syncs = await asyncio.gather(desk.api.all(f"{desk.at}/mappings"), desk.api.all(f"{desk.at}/syncs"))
    used = {mapping["id"]: [sync for sync in syncs if sync["mapping_id"] == mapping["id"]] for mapping in found}
    return await desk.page("mappings.html", mappings=found, used=used)


@pages.get("/mappings/{id:uuid}")
async def mapping(desk: Desk) -> Response:
    found = await desk.api.get(f"{desk.at}/mappings/{desk.id()}")
    return await _editor(desk, found, forms.shown(found))


async def bench_of(desk: Desk, mapping_id: str) -> Bench:
    """That of a sync which uses the mapping, else the tenant's first X3 alone."""
    syncs = await desk.api.all(f"{desk.at}/syncs")
    sync = next((sync for sync in syncs if sync["mapping_id"] == mapping_id), None)
    if sync is not None:
        return Bench(sync["source_connection_id"], sync["target_connection_id"], sync["target"]["audience_id"])
    connections = await desk.api.all(f"{desk.at}/connections")
    return Bench(next((c["id"] for c in connections if c["system"] == "sage_x3"), ""))


async def _editor(
    desk: Desk, found: dict[str, Any], form: forms.Form, problem: Refused | None = None, preview: Any = None
) -> Response:
    bench, versions = await asyncio.gather(
        bench_of(desk, found["id"]), desk.api.get(f"{desk.at}/mappings/{found['id']}/versions", limit=10)
    )
    context = await editing(desk, found["stream"], form, bench)
    status = problem.status if problem else 200
    return await desk.page(
        "mapping.html", status, problem=problem, mapping=found, versions=versions["items"], preview=preview, **context
    )


async def editing(desk: Desk, stream: str, form: forms.Form, bench: Bench) -> dict[str, Any]:
    """What the rows of the form need."""
    offered: Offer = await offer(desk, stream, source=bench.source, target=bench.target, audience=bench.audience)
    return {
        "form": form,
        "offer": offered,
        "bench": bench,
        "CONSTANT": forms.CONSTANT,
        "NEW": forms.NEW,
        "operators": OPERATORS,
        "explained": explained,
    }


async def rules_of(desk: Desk, stream: str, form: forms.Form) -> dict[str, Any]:
    """The form as the API takes it. Raises Refused."""
    offered = await offer(desk, stream)
    return forms.definition(form, offered.types) if offered.stream["makes_members"] else {}


@pages.post("/mappings/{id:uuid}")
async def save_mapping(desk: Desk) -> Response:
    """A new version; the next run of every sync that uses it reads everything again."""
    at = f"{desk.at}/mappings/{desk.id()}"
    found = await desk.api.get(at)
    more_rows = bool(desk.given("more"))
    form = forms.typed(desk.given, more_rows)
    if more_rows:
        return await _editor(desk, found, form)
    try:
        await desk.api.put(
            at, {"name": form.name, "stream": found["stream"], **await rules_of(desk, found["stream"], form)}
        )
    except Refused as problem:
        return await _editor(desk, found, form, problem)
    return desk.go(f"/mappings/{desk.id()}", said="saved")


@pages.post("/mappings/{id:uuid}/preview")
async def preview_mapping(desk: Desk) -> Response:
    """The rules as they stand in the form, on the first records of X3 or on chosen ones. Nothing is stored."""
    found = await desk.api.get(f"{desk.at}/mappings/{desk.id()}")
    form = forms.typed(desk.given)
    try:
        preview = await tried(desk, found, form)
    except Refused as problem:
        if desk.is_fragment:
            raise
        return await _editor(desk, found, form, problem)
    if desk.is_fragment:
        return await desk.page("fragment_preview.html", preview=preview)
    return await _editor(desk, found, form, preview=preview)


async def tried(desk: Desk, mapping: dict[str, Any], form: forms.Form) -> dict[str, Any]:
    """What would become of real records. Raises Refused."""
    body: dict[str, Any] = {"connection_id": desk.given("source"), "limit": _PREVIEWED}
    if not body["connection_id"]:
        raise Refused(
            422, {"detail": "Connect a Sage X3 first: there are no records to try the mapping on.", "code": "no_x3"}
        )
    if rules := await rules_of(desk, mapping["stream"], form):
        body["definition"] = rules
    if desk.given("audience"):
        body |= {"audience_connection_id": desk.given("target"), "audience_id": desk.given("audience")}
    if codes := [code.strip() for code in desk.given("codes").split(",") if code.strip()]:
        body["codes"] = codes[:50]
    found: dict[str, Any] = await desk.api.post(f"{desk.at}/mappings/{mapping['id']}/preview", body)
    return found


@pages.post("/mappings/{id:uuid}/delete")
async def delete_mapping(desk: Desk) -> Response:
    try:
        await desk.api.delete(f"{desk.at}/mappings/{desk.id()}")
    except Refused as problem:
        found = await desk.api.get(f"{desk.at}/mappings/{desk.id()}")
        return await _editor(desk, found, forms.shown(found), problem)
    return desk.go("/mappings", said="deleted")
