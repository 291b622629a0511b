"""Runs: start, follow, stop, release."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from sqlmodel import col

from app.api.answers import answer
from app.api.deps import Access, ObjectId, Operating, OperatorCreating, Viewing
from app.api.following import follow
from app.api.paging import Page, PagingQuery, newest
from app.api.presenting_runs import present, present_fields
from app.api.problems import Conflict
from app.api.schemas.runs import ChangePublic, RunCreate, RunPublic, RunStarted
from app.db import rows
from app.db.base import now
from app.db.runs import SyncRun
from app.db.syncs import Sync
from app.sync.changes import Place, RecordChange, of_run
from app.sync.replaying import replay
from app.sync.starting import SyncNotReady, start_run

sync_router = APIRouter(prefix="/v1/tenants/{tenant_id}/syncs", tags=["runs"])
router = APIRouter(prefix="/v1/tenants/{tenant_id}/runs", tags=["runs"])

State = Literal["queued", "running", "halted", "succeeded", "partially_failed", "failed", "cancelled"]


@sync_router.post("/{id}/runs", status_code=202, response_model=RunStarted, summary="Start a run")
async def create_run(access: OperatorCreating, sync_id: ObjectId, body: RunCreate) -> Response:
    """Call this after each batch of transactions. When a run of the sync waits already, that one is answered
    (`coalesced`); while one is running, exactly one more is queued behind it."""
    async with access.work() as work:
        sync = await work.get(Sync, sync_id)
    if sync.state == "paused":
        raise Conflict("The sync is paused; resume it first.", code="sync_paused")
    run_id, coalesced = await _start(access, sync_id, body)
    return await started(access, run_id, coalesced)


async def _start(access: Access, sync_id: UUID, body: RunCreate) -> tuple[UUID, bool]:
    database, actor = access.resources.database, access.caller.actor
    try:
        if body.mode == "replay" and body.codes is None:
            row = await replay(database, access.tenant_id, sync_id, actor=actor)
            return row["id"], False
        row, coalesced = await start_run(
            database,
            access.tenant_id,
            sync_id,
            mode=body.mode,
            trigger=getattr(access.request.state, "trigger", "api"),
            dry_run=body.dry_run,
            codes=body.codes,
            actor=actor,
        )
    except SyncNotReady as error:
        raise Conflict(f"The sync cannot run: {error}.", code="sync_not_ready") from None
    return row["id"], coalesced


async def started(access: Access, run_id: UUID, coalesced: bool) -> Response:
    """The 202 answer of a queued run; rings once it is certain."""
    async with access.work() as work:
        run = await work.get(SyncRun, run_id)
        model = RunStarted(**present(run).model_dump(), coalesced=coalesced)
        response = await work.answer(model, 202, location=f"/v1/tenants/{access.tenant_id}/runs/{run_id}")
    await access.resources.queue.ring(access.tenant_id, run_id)
    return response


@router.get("", response_model=Page[RunPublic], summary="List runs")
async def list_runs(
    access: Viewing,
    paging: PagingQuery,
    sync_id: Annotated[UUID | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
) -> Response:
    cursors = access.cursors("runs", sync_id, state)
    conditions = []
    if sync_id is not None:
        conditions.append(col(SyncRun.sync_id) == sync_id)
    if state is not None:
        conditions.append(col(SyncRun.state) == state)
    before = newest(cursors.read(paging.cursor))
    async with access.work() as work:
        found = await rows.newest(
            work.db, SyncRun, access.tenant_id, *conditions, limit=paging.limit + 1, before=before, by="queued_at"
        )
    return answer(paging.page(found, present, lambda row: cursors.write(row.queued_at, row.id)))


@router.get("/{id}", response_model=RunPublic, summary="Read a run")
async def read_run(access: Viewing, run_id: ObjectId) -> Response:
    async with access.work() as work:
        return answer(present(await work.get(SyncRun, run_id)))


@router.post("/{id}/cancel", status_code=202, response_model=RunPublic, summary="Cancel a run")
async def cancel_run(access: Operating, run_id: ObjectId) -> Response:
    """A waiting or halted run ends at once; a running one sends nothing new within ten seconds and then ends."""
    async with access.work() as work:
        run = await work.get(SyncRun, run_id, lock=True)
        if run.state in ("queued", "halted"):
            run.state, run.finished_at, run.reason, run.reason_code = (
                "cancelled",
                now(),
                "cancelled on request",
                "cancelled",
            )
            action = "run.cancelled"
        elif run.state == "running":
            action = "run.cancel_requested"
        else:
            raise Conflict(f"The run has ended already: {run.state}.", code="run_finished")
        if not run.cancel_requested:
            run.cancel_requested, run.updated_at = True, now()
            await work.audit(action, run.id, sync_id=run.sync_id, run_id=run.id)
        return answer(present(run), 202)


@router.post("/{id}/approve", status_code=202, response_model=RunPublic, summary="Release a halted run")
async def approve_run(access: Operating, run_id: ObjectId) -> Response:
    """It goes on where its brake stopped it, and is not stopped again."""
    async with access.work() as work:
        run = await work.get(SyncRun, run_id, lock=True)
        if run.state != "halted":
            raise Conflict(f"Only a halted run can be approved; this one is {run.state}.", code="run_not_halted")
        run.state, run.approved, run.reason, run.reason_code = "running", True, None, None
        run.lease_until, run.owner, run.updated_at = None, None, now()
        await work.audit("run.approved", run.id, sync_id=run.sync_id, run_id=run.id)
    await access.resources.queue.ring(access.tenant_id, run_id)
    return answer(present(run), 202)


@router.get(
    "/{id}/events",
    summary="Follow a run",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    },
)
async def run_events(access: Viewing, run_id: ObjectId) -> StreamingResponse:
    """Server-sent events: `progress` with the run as its data at least once a second while it changes, then `end`."""
    async with access.work() as work:
        run = await work.get(SyncRun, run_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(follow(access, run), media_type="text/event-stream", headers=headers)


@router.get("/{id}/changes", response_model=Page[ChangePublic], summary="What a run decided per record")
async def list_changes(access: Viewing, run_id: ObjectId, paging: PagingQuery) -> Response:
    """In the order in which the run decided; records that were left unchanged are not listed."""
    cursors = access.cursors("changes", run_id)
    position = cursors.read(paging.cursor)
    after = Place(int(position[0]), int(position[1])) if position is not None else None
    async with access.work() as work:
        await work.get(SyncRun, run_id)
    async with access.resources.database.transaction(access.tenant_id) as connection:
        found, following = await of_run(connection, access.keys, access.tenant_id, run_id, after, paging.limit)
    cursor = cursors.write(following.page, following.index) if following is not None else None
    return answer(Page(items=[_change(change) for change in found], next_cursor=cursor))


def _change(change: RecordChange) -> ChangePublic:
    return ChangePublic(
        code=change.code,
        key=change.key,
        email=change.email,
        decision=change.decision,
        fields=present_fields(change.fields),
        reason=change.reason,
        warnings=[list(warning) for warning in change.warnings],
    )
