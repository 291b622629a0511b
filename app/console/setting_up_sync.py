"""The guided set-up, second half: mapping, rules, dry run, schedule, first run."""

from typing import Any

from starlette.responses import Response

from app.console import mapping_forms, mappings, schedule_forms, sync_forms, syncs
from app.console.calling import Refused
from app.console.desk import Desk, address
from app.console.guide import Guide, guide_of
from app.console.mappings import Bench
from app.console.offers import offer
from app.console.routing import Pages
from app.console.runs import run_context
from app.console.setting_up import go, page

pages = Pages()


@pages.get("/set-up/mapping")
async def show_mapping(desk: Desk) -> Response:
    guide = guide_of(desk)
    if not guide.mapping:
        return go(desk, guide)
    found = await desk.api.get(f"{desk.at}/mappings/{guide.mapping}")
    return await _rows(desk, guide, found, mapping_forms.shown(found))


async def _rows(
    desk: Desk,
    guide: Guide,
    found: dict[str, Any],
    form: mapping_forms.Form,
    problem: Refused | None = None,
    preview: Any = None,
) -> Response:
    bench = Bench(guide.x3, guide.mailchimp, guide.audience)
    context = await mappings.editing(desk, found["stream"], form, bench)
    action = address(f"{desk.home}/set-up/mapping/preview", guide.known())
    return await page(
        desk,
        "guide_mapping.html",
        "mapping",
        guide,
        problem,
        mapping=found,
        preview=preview,
        preview_action=action,
        **context,
    )


@pages.post("/set-up/mapping")
async def save_mapping(desk: Desk) -> Response:
    """Stored as a new version only when something was changed."""
    guide = guide_of(desk)
    at = f"{desk.at}/mappings/{guide.mapping}"
    found = await desk.api.get(at)
    more_rows = bool(desk.given("more"))
    form = mapping_forms.typed(desk.given, more_rows)
    if more_rows:
        return await _rows(desk, guide, found, form)
    try:
        rules = await mappings.rules_of(desk, found["stream"], form)
        if any(found[name] != value for name, value in rules.items()):
            await desk.api.put(at, {"name": found["name"], "stream": found["stream"], **rules})
    except Refused as problem:
        return await _rows(desk, guide, found, form, problem)
    return go(desk, guide, "rules")


@pages.post("/set-up/mapping/preview")
async def preview_mapping(desk: Desk) -> Response:
    guide = guide_of(desk)
    found = await desk.api.get(f"{desk.at}/mappings/{guide.mapping}")
    form = mapping_forms.typed(desk.given)
    try:
        preview = await mappings.tried(desk, found, form)
    except Refused as problem:
        if desk.is_fragment:
            raise
        return await _rows(desk, guide, found, form, problem)
    if desk.is_fragment:
        return await desk.page("fragment_preview.html", preview=preview)
    return await _rows(desk, guide, found, form, preview=preview)


@pages.get("/set-up/rules")
async def show_rules(desk: Desk) -> Response:
    return await _rules(desk)


async def _rules(desk: Desk, problem: Refused | None = None) -> Response:
    guide = guide_of(desk)
    if not guide.mapping:
        return go(desk, guide)
    sync = await desk.api.get(f"{desk.at}/syncs/{guide.sync}") if guide.sync else None
    offered = await offer(desk, guide.stream, source=guide.x3)
    context = syncs.rule_context(desk, sync, guide.stream, offered)
    return await page(desk, "guide_rules.html", "rules", guide, problem, **context)


@pages.post("/set-up/rules")
async def take_rules(desk: Desk) -> Response:
    """The sync is made, without a schedule yet, and tried."""
    guide = guide_of(desk)
    try:
        body = sync_forms.rules(desk.given, (await offer(desk, guide.stream)).types)
        body["target"] = {"audience_id": guide.audience, "store_id": guide.store or None}
        for name, value in (
            ("source_connection", guide.x3),
            ("target_connection", guide.mailchimp),
            ("mapping", guide.mapping),
        ):
            body[f"{name}_id"] = value
        if guide.sync:
            await desk.api.patch(f"{desk.at}/syncs/{guide.sync}", body)
        else:
            whole = {**body, "stream": guide.stream, "schedule": {"kind": "manual"}}
            guide = guide._replace(sync=(await desk.api.post(f"{desk.at}/syncs", whole, once=desk.once))["id"])
        run = await desk.api.post(f"{desk.at}/syncs/{guide.sync}/runs", {"mode": "full", "dry_run": True})
    except Refused as problem:
        return await _rules(desk, problem)
    return go(desk, guide._replace(run=run["id"]), "try")


@pages.get("/set-up/try")
async def show_dry_run(desk: Desk) -> Response:
    guide = guide_of(desk)
    if not guide.run:
        return go(desk, guide)
    return await page(desk, "guide_try.html", "try", guide, **await run_context(desk, guide.run))


@pages.post("/set-up/try")
async def try_again(desk: Desk) -> Response:
    guide = guide_of(desk)
    run = await desk.api.post(f"{desk.at}/syncs/{guide.sync}/runs", {"mode": "full", "dry_run": True}, once=desk.once)
    return go(desk, guide._replace(run=run["id"]), "try")


@pages.get("/set-up/schedule")
async def show_schedule(desk: Desk) -> Response:
    return await _schedule(desk)


async def _schedule(desk: Desk, problem: Refused | None = None) -> Response:
    guide = guide_of(desk)
    if not guide.sync:
        return go(desk, guide)
    sync = await desk.api.get(f"{desk.at}/syncs/{guide.sync}")
    document = sync["schedule"] if sync["schedule"]["kind"] != "manual" else {}
    if problem:
        document = schedule_forms.schedule(desk.given, desk.chosen("days"))
    return await page(
        desk, "guide_schedule.html", "schedule", guide, problem, sync=sync, **syncs.schedule_context(document)
    )


@pages.post("/set-up/schedule")
async def finish(desk: Desk) -> Response:
    """The schedule is set, the first run begins."""
    guide = guide_of(desk)
    try:
        body = {"schedule": schedule_forms.schedule(desk.given, desk.chosen("days"))}
        await desk.api.patch(f"{desk.at}/syncs/{guide.sync}", body)
        run = await desk.api.post(f"{desk.at}/syncs/{guide.sync}/runs", {"mode": "full"}, once=desk.once)
    except Refused as problem:
        return await _schedule(desk, problem)
    return desk.go(f"/runs/{run['id']}", said="queued")
