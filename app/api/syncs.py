"""Syncs: standing instructions, checked as a whole whenever they change."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter
from fastapi.responses import Response
from sqlmodel import col, delete, select

from app.api.answers import answer, no_content
from app.api.checking import check_audience, documents, find_parts
from app.api.deps import Access, AdminCreating, Administering, ObjectId, Operating, Viewing
from app.api.due import due_at
from app.api.paging import Page, PagingQuery, newest
from app.api.problems import Conflict, refuse_nulls
from app.api.schemas.syncs import SyncChecked, SyncCreate, SyncPublic, SyncUpdate, TargetModel
from app.api.sharing import MATTERS, check_sharing
from app.db import rows
from app.db.base import now
from app.db.changes import ChangePage
from app.db.records import Record
from app.db.runs import ACTIVE, SyncRun
from app.db.syncs import Sync

router = APIRouter(prefix="/v1/tenants/{tenant_id}/syncs", tags=["syncs"])

_PARTS = {"source_connection_id", "target_connection_id", "mapping_id", "target", "inactive", "filter"}


def public(sync: Sync, at: datetime) -> SyncPublic:
    values = {name: getattr(sync, name) for name in SyncPublic.model_fields if name != "freshness_seconds"}
    values["target"] = TargetModel.model_validate(sync.target).model_dump()
    freshness = None if sync.watermark is None else max(0, round((at - sync.watermark).total_seconds()))
    return SyncPublic(**values, freshness_seconds=freshness)


def _checked(sync: Sync, warnings: list[str]) -> SyncChecked:
    return SyncChecked(**public(sync, now()).model_dump(), warnings=warnings)


@router.post("", status_code=201, response_model=SyncChecked, summary="Create a sync")
async def create_sync(access: AdminCreating, body: SyncCreate) -> Response:
    """Checked against stream, mapping, connections and, when it can be reached, the audience. A vendor that does not
    answer costs a warning, nothing else."""
    async with access.work() as work:
        parts = await find_parts(work, body)
    stored = documents(body, parts)
    warnings = await check_audience(access, parts, body)
    plain = body.model_dump(include={"name", "stream", "new_member_status", "enabled"})
    async with access.work() as work:
        warnings += await check_sharing(work, body, await find_parts(work, body))
        values: dict[str, Any] = {**_references(body), **plain, **stored}
        sync = Sync(tenant_id=access.tenant_id, id=uuid4(), **values)
        sync.next_due_at = due_at(sync, (await work.tenant()).time_zone)
        work.db.add(sync)
        await work.audit("sync.created", sync.id, sync_id=sync.id, detail={"stream": sync.stream})
        location = f"/v1/tenants/{access.tenant_id}/syncs/{sync.id}"
        return await work.answer(_checked(sync, warnings), 201, version=sync.version, location=location)


def _references(body: SyncCreate) -> dict[str, UUID]:
    return {
        "source_connection_id": body.source_connection_id,
        "target_connection_id": body.target_connection_id,
        "mapping_id": body.mapping_id,
    }


@router.get("", response_model=Page[SyncPublic], summary="List syncs")
async def list_syncs(access: Viewing, paging: PagingQuery) -> Response:
    cursors = access.cursors("syncs")
    before = newest(cursors.read(paging.cursor))
    async with access.work() as work:
        found = await rows.newest(work.db, Sync, access.tenant_id, limit=paging.limit + 1, before=before)
    at = now()
    return answer(paging.page(found, lambda row: public(row, at), lambda row: cursors.write(row.created_at, row.id)))


@router.get("/{id}", response_model=SyncPublic, summary="Read a sync")
async def read_sync(access: Viewing, sync_id: ObjectId) -> Response:
    async with access.work() as work:
        sync = await work.get(Sync, sync_id)
    return answer(public(sync, now()), version=sync.version)


@router.patch("/{id}", response_model=SyncChecked, summary="Change a sync")
async def change_sync(access: Administering, sync_id: ObjectId, body: SyncUpdate) -> Response:
    """The sync as it would become is checked like a new one. A changed target, filter or policy makes the next run
    read everything again."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    refuse_nulls(changes, but=("filter", "inactive", "schedule"))
    async with access.work() as work:
        sync = await work.get_versioned(Sync, sync_id)
        seen, whole = sync.version, _with(sync, changes)
        parts = await find_parts(work, whole)
    stored = documents(whole, parts)
    warnings = await check_audience(access, parts, whole) if _PARTS & changes.keys() else []
    async with access.work() as work:
        sync = await work.get_versioned(Sync, sync_id)
        if sync.version != seen:
            raise Conflict("The sync was changed by somebody else at the same time; repeat the request.")
        parts = await find_parts(work, whole)
        if MATTERS & changes.keys():
            warnings += await check_sharing(work, whole, parts, own=sync_id)
        _apply(sync, whole, stored)
        sync.next_due_at = due_at(sync, (await work.tenant()).time_zone)
        await work.audit("sync.changed", sync.id, sync_id=sync.id, detail={"fields": sorted(changes)})
        return answer(_checked(sync, warnings), version=sync.version)


def _with(sync: Sync, changes: dict[str, Any]) -> SyncCreate:
    """The whole sync as a body, changed."""
    names = SyncCreate.model_fields.keys()
    values = {name: getattr(sync, name) for name in names}
    plain = {name: value.model_dump() if hasattr(value, "model_dump") else value for name, value in changes.items()}
    return SyncCreate.model_validate({**values, **plain})


def _apply(sync: Sync, whole: SyncCreate, stored: dict[str, Any]) -> None:
    plain = whole.model_dump(include={"name", "new_member_status", "enabled"})
    before = (sync.enabled, sync.schedule)
    for name, value in {**_references(whole), **plain, **stored}.items():
        setattr(sync, name, value)
    if sync.enabled and (sync.enabled, sync.schedule) != before:
        sync.active_since = now()
    sync.version += 1
    sync.updated_at = now()


@router.delete("/{id}", status_code=204, summary="Delete a sync")
async def delete_sync(access: Administering, sync_id: ObjectId) -> Response:
    """With its runs, ledger and dead letters. Refused while a run is under way. Nothing changes at Mailchimp."""
    async with access.work() as work:
        sync = await work.get_versioned(Sync, sync_id)
        active = select(SyncRun.id).where(
            col(SyncRun.tenant_id) == access.tenant_id,
            col(SyncRun.sync_id) == sync_id,
            col(SyncRun.state).in_(ACTIVE),
        )
        if (await work.db.exec(active.limit(1))).first() is not None:
            raise Conflict("A run of this sync is under way; cancel it first.", code="run_active")
        for table in (Record, ChangePage):
            await work.db.exec(
                delete(table).where(col(table.tenant_id) == access.tenant_id, col(table.sync_id) == sync_id)
            )
        await work.db.delete(sync)
        await work.audit("sync.deleted", sync_id, sync_id=sync_id)
    return no_content()


@router.post("/{id}/pause", response_model=SyncPublic, summary="Pause a sync")
async def pause_sync(access: Operating, sync_id: ObjectId) -> Response:
    """No run starts until it is resumed; one that is under way goes on."""
    return await _set_state(access, sync_id, "paused", "sync.paused")


@router.post("/{id}/resume", response_model=SyncPublic, summary="Resume a sync")
async def resume_sync(access: Operating, sync_id: ObjectId) -> Response:
    """Also after it needed attention. The next run is due by its schedule."""
    return await _set_state(access, sync_id, "active", "sync.resumed")


async def _set_state(access: Access, sync_id: UUID, state: str, action: str) -> Response:
    async with access.work() as work:
        sync = await work.get(Sync, sync_id, lock=True)
        if sync.state != state:
            sync.state, sync.state_reason, sync.failures = state, None, 0
            sync.active_since = now() if state == "active" else sync.active_since
            sync.next_due_at = due_at(sync, (await work.tenant()).time_zone)
            sync.version += 1
            sync.updated_at = now()
            await work.audit(action, sync.id, sync_id=sync.id)
        return answer(public(sync, now()), version=sync.version)
