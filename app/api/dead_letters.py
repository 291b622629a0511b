"""Dead letters: look at them, give them a second chance, or let them go."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlmodel import col

from app.api.answers import answer
from app.api.deps import Access, ObjectId, Operating, OperatorCreating, Viewing
from app.api.paging import Page, PagingQuery, newest
from app.api.problems import Conflict
from app.api.runs import started
from app.api.schemas.base import IS_REASON, REASON
from app.api.schemas.records import DeadLetterPublic, ReplayRequest
from app.api.schemas.runs import RunStarted
from app.connections.vault import TenantKeys
from app.db import rows
from app.db.base import now
from app.db.dead_letters import DeadLetter
from app.db.syncs import Sync
from app.sync.replaying import replay

router = APIRouter(prefix="/v1/tenants/{tenant_id}/dead-letters", tags=["dead letters"])

State = Literal["open", "resolved", "superseded", "dismissed"]
ReasonQuery = Annotated[str | None, Query(pattern=REASON), IS_REASON]


def _public(row: DeadLetter, keys: TenantKeys) -> DeadLetterPublic:
    values = {name: getattr(row, name) for name in DeadLetterPublic.model_fields if name != "payload"}
    return DeadLetterPublic(**values, payload=_payload(row, keys))


def _payload(row: DeadLetter, keys: TenantKeys) -> dict[str, Any] | None:
    if row.payload is None:
        return None
    return msgspec.json.decode(keys.open(row.payload, row.id, "dead_letter.payload"), type=dict[str, Any])


@router.get("", response_model=Page[DeadLetterPublic], summary="List dead letters")
async def list_dead_letters(
    access: Viewing,
    paging: PagingQuery,
    sync_id: Annotated[UUID | None, Query()] = None,
    reason: ReasonQuery = None,
    state: Annotated[State | None, Query()] = None,
) -> Response:
    cursors = access.cursors("dead-letters", sync_id, reason, state)
    conditions = []
    if sync_id is not None:
        conditions.append(col(DeadLetter.sync_id) == sync_id)
    if reason is not None:
        conditions.append(col(DeadLetter.reason) == reason)
    if state is not None:
        conditions.append(col(DeadLetter.state) == state)
    before = newest(cursors.read(paging.cursor))
    async with access.work() as work:
        found = await rows.newest(
            work.db, DeadLetter, access.tenant_id, *conditions, limit=paging.limit + 1, before=before
        )
    present = paging.page(
        found, lambda row: _public(row, access.keys), lambda row: cursors.write(row.created_at, row.id)
    )
    return answer(present)


@router.post("/replay", status_code=202, response_model=RunStarted, summary="Replay dead letters of a sync")
async def replay_dead_letters(access: OperatorCreating, body: ReplayRequest) -> Response:
    """The records are read anew from X3, so nothing older ever overwrites something newer."""
    async with access.work() as work:
        await work.get(Sync, body.sync_id)
    return await _replay(access, body.sync_id, reason=body.reason, since=body.since)


@router.post("/{id}/replay", status_code=202, response_model=RunStarted, summary="Replay one dead letter")
async def replay_dead_letter(access: OperatorCreating, dead_letter_id: ObjectId) -> Response:
    async with access.work() as work:
        row = await work.get(DeadLetter, dead_letter_id)
    if row.state != "open":
        raise Conflict(f"Only an open dead letter can be replayed; this one is {row.state}.", code="not_open")
    return await _replay(access, row.sync_id, ids=[row.id])


async def _replay(access: Access, sync_id: UUID, **which: Any) -> Response:
    run = await replay(access.resources.database, access.tenant_id, sync_id, actor=access.caller.actor, **which)
    return await started(access, run["id"], coalesced=False)


@router.post("/{id}/dismiss", response_model=DeadLetterPublic, summary="Dismiss a dead letter")
async def dismiss_dead_letter(access: Operating, dead_letter_id: ObjectId) -> Response:
    """It is not tried again until its record changes in X3."""
    async with access.work() as work:
        row = await work.get(DeadLetter, dead_letter_id, lock=True)
        if row.state not in ("open", "dismissed"):
            raise Conflict(f"Only an open dead letter can be dismissed; this one is {row.state}.", code="not_open")
        if row.state == "open":
            row.state, row.updated_at = "dismissed", now()
            await work.audit("dead_letter.dismissed", row.id, sync_id=row.sync_id, run_id=row.run_id, code=row.code)
        return answer(_public(row, access.keys))
