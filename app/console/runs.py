"""Runs: live progress, what was decided and why, and how quickly."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from app.console import advising
from app.console.advising import Advice
from app.console.calling import Refused
from app.console.charts import Chart, chart
from app.console.desk import Desk
from app.console.presenting import now
from app.console.routing import Pages

pages = Pages()
FINISHED = ("succeeded", "partially_failed", "failed", "cancelled")
OUTCOMES = ("created", "updated", "unchanged", "skipped", "rejected")
_SAMPLES = 25


@pages.get("/runs")
async def runs(desk: Desk) -> Response:
    chosen = {"sync_id": desk.asked("sync_id"), "state": desk.asked("state")}
    found, syncs = await asyncio.gather(
        desk.api.get(f"{desk.at}/runs", cursor=desk.asked("cursor"), limit=50, **chosen),
        desk.api.all(f"{desk.at}/syncs"),
    )
    return await desk.page("runs.html", runs=found["items"], cursor=found["next_cursor"], syncs=syncs, chosen=chosen)


@pages.get("/runs/{id:uuid}")
async def run(desk: Desk) -> Response:
    return await desk.page("run.html", **await run_context(desk, desk.id()))


async def run_context(desk: Desk, run_id: str) -> dict[str, Any]:
    """What is to be shown of a run, with the first of what it decided."""
    at = f"{desk.at}/runs/{run_id}"
    found, pace, changes = await asyncio.gather(
        desk.api.get(at),
        desk.api.get(f"{at}/pace"),
        desk.api.get(f"{at}/changes", limit=_SAMPLES, cursor=desk.asked("changes")),
    )
    sync = await desk.api.get(f"{desk.at}/syncs/{found['sync_id']}")
    cause = await _cause(desk, sync) if found["state"] == "failed" else None
    return {
        "run": found,
        "sync": sync,
        "advice": cause or advising.of_run(found, sync, now()),
        "is_over": found["state"] in FINISHED,
        "outcomes": OUTCOMES,
        "segments": segments(found["counts"]),
        "reasons": sorted(
            ((reason, count) for reason, count in found["skipped_by_reason"].items() if count), key=lambda x: -x[1]
        ),
        "pace": pace_chart(found, pace),
        "changes": changes["items"],
        "more_changes": changes["next_cursor"],
    }


async def _cause(desk: Desk, sync: Mapping[str, Any]) -> Advice | None:
    """What a connection of the sync asks of people first, before a run can succeed."""
    ends = [f"{desk.at}/connections/{sync[f'{end}_connection_id']}" for end in ("source", "target")]
    return advising.of_connections(await asyncio.gather(*map(desk.api.get, ends)))


def segments(counts: Mapping[str, int]) -> Sequence[tuple[str, float, float]]:
    """Of the bar of outcomes: name, where it begins and how wide it is, in per cent."""
    whole = max(1, sum(counts[name] for name in OUTCOMES))
    found, begun = [], 0.0
    for name in OUTCOMES:
        width = 100 * counts[name] / whole
        found.append((name, round(begun, 3), round(width, 3)))
        begun += width
    return found


def pace_chart(run: Mapping[str, Any], pace: Mapping[str, Any]) -> Chart | None:
    """Records decided in a second over the run's time; None before there is anything to see."""
    return chart(run["started_at"], run["finished_at"], pace["bucket_seconds"], pace["items"])


@pages.get("/runs/{id:uuid}/events")
async def events(desk: Desk) -> Response:
    """The API's own stream."""
    return desk.pass_on(f"{desk.at}/runs/{desk.id()}/events")


@pages.post("/runs/{id:uuid}/cancel")
async def cancel(desk: Desk) -> Response:
    return await _done(desk, "cancel", "cancelled")


@pages.post("/runs/{id:uuid}/approve")
async def approve(desk: Desk) -> Response:
    return await _done(desk, "approve", "approved")


async def _done(desk: Desk, what: str, said: str) -> Response:
    try:
        await desk.api.post(f"{desk.at}/runs/{desk.id()}/{what}")
    except Refused as problem:
        context = await run_context(desk, desk.id())
        return await desk.page("run.html", problem.status, problem=problem, **context)
    return desk.go(f"/runs/{desk.id()}", said=said)
