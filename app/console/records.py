"""Explain a record: search by code or address, and everything about one."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.console.calling import Refused
from app.console.desk import Desk
from app.console.explaining import fields, status_of, verdict
from app.console.routing import Pages

pages = Pages()


@pages.get("/records")
async def records(desk: Desk) -> Response:
    """The search; a code may stand in the address, an address of a person never does."""
    code = desk.asked("code")
    return await _found(desk, "code", code) if code else await _list(desk)


@pages.post("/records")
async def search(desk: Desk) -> Response:
    """Addresses are searched by a form, so that no log of a proxy ever holds one."""
    wanted = desk.given("wanted")
    if not wanted:
        return await _list(desk)
    return await _found(desk, "email" if "@" in wanted else "code", wanted)


async def _list(desk: Desk) -> Response:
    chosen = {"sync_id": desk.asked("sync_id"), "state": desk.asked("state")}
    found, syncs = await asyncio.gather(
        desk.api.get(f"{desk.at}/records", cursor=desk.asked("cursor"), limit=50, **chosen),
        desk.api.all(f"{desk.at}/syncs"),
    )
    return await desk.page(
        "records.html", records=found["items"], cursor=found["next_cursor"], syncs=syncs, chosen=chosen, wanted=""
    )


async def _found(desk: Desk, by: str, wanted: str) -> Response:
    """One record: its page. Several, or none: a list that says so."""
    path = f"{desk.at}/records"
    found = await (desk.api.all(path, email=wanted) if by == "email" else desk.api.all(path, code=wanted))
    if len(found) == 1:
        return desk.go(f"/records/{found[0]['sync_id']}", code=found[0]["code"])
    syncs = await desk.api.all(f"{desk.at}/syncs")
    nothing = {"sync_id": "", "state": ""}
    return await desk.page("records.html", records=found, cursor=None, syncs=syncs, chosen=nothing, wanted=wanted)


@pages.get("/records/{sync_id:uuid}")
async def record(desk: Desk) -> Response:
    return await _explained(desk, desk.asked("code"))


@pages.post("/records/{sync_id:uuid}")
async def look_now(desk: Desk) -> Response:
    """As X3 has it at this moment, and what a run would make of it."""
    code = desk.given("code")
    sync = await desk.api.get(f"{desk.at}/syncs/{desk.id('sync_id')}")
    body: dict[str, Any] = {"connection_id": sync["source_connection_id"], "codes": [code]}
    if sync["stream"] != "invoices":
        body |= {"audience_connection_id": sync["target_connection_id"], "audience_id": sync["target"]["audience_id"]}
    try:
        preview = await desk.api.post(f"{desk.at}/mappings/{sync['mapping_id']}/preview", body)
    except Refused as problem:
        return await _explained(desk, code, problem=problem)
    return await _explained(desk, code, preview=preview)


async def _explained(desk: Desk, code: str, preview: Any = None, problem: Refused | None = None) -> Response:
    sync = await desk.api.get(f"{desk.at}/syncs/{desk.id('sync_id')}")
    mapping, found, letters, streams = await asyncio.gather(
        desk.api.get(f"{desk.at}/mappings/{sync['mapping_id']}"),
        desk.api.all(f"{desk.at}/records", sync_id=sync["id"], code=code),
        desk.api.get(f"{desk.at}/dead-letters", sync_id=sync["id"], state="open", limit=200),
        desk.api.get("/v1/streams"),
    )
    makes_members = next(s["makes_members"] for s in streams["items"] if s["name"] == sync["stream"])
    views = await asyncio.gather(*(_view(desk, row, sync, mapping, makes_members, preview) for row in found))
    return await desk.page(
        "record.html",
        problem.status if problem else 200,
        problem=problem,
        code=code,
        sync=sync,
        mapping=mapping,
        views=views,
        preview=preview,
        letters=[letter for letter in letters["items"] if letter["code"] == code],
    )


async def _view(
    desk: Desk,
    row: Mapping[str, Any],
    sync: Mapping[str, Any],
    mapping: Mapping[str, Any],
    makes_members: bool,
    preview: Any,
) -> dict[str, Any]:
    told = await desk.api.get(f"{desk.at}/records/{row['id']}/timeline")
    seen = await desk.api.all(f"{desk.at}/consent", email=row["email"]) if row["email"] and makes_members else []
    items = preview["items"] if preview else ()
    member = next((i["member"] for i in items if i["member"] and i["member"]["key"] == row["key"]), None)
    return {
        "record": row,
        "verdict": verdict(row, makes_members),
        "status": status_of(seen, sync["target"]["audience_id"]),
        "fields": fields(told["items"], mapping, member),
        "is_looked_at": member is not None,
        "timeline": told["items"][::-1],
    }
