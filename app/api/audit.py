"""The audit trail: read it, check its chain. Taking it away: audit_exports.py."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlmodel import col, select

from app.api.answers import answer
from app.api.deps import Viewing
from app.api.paging import Page, PagingQuery
from app.api.problems import Invalid
from app.api.records import CodeQuery
from app.api.schemas.base import said
from app.api.schemas.records import AuditEventPublic, VerdictPublic
from app.db.audit import AuditEvent, verify_chain

router = APIRouter(prefix="/v1/tenants/{tenant_id}/audit", tags=["audit"])

ActionQuery = Annotated[
    str | None,
    Query(pattern=r"^[a-z_]+\.[a-z_]+$", max_length=100),
    said("Must be an action, such as member.created."),
]
InstantQuery = Annotated[datetime | None, Query()]


def _public(row: AuditEvent) -> AuditEventPublic:
    values = {name: getattr(row, name) for name in AuditEventPublic.model_fields if name not in ("subject", "hash")}
    return AuditEventPublic(**values, subject=row.subject.hex() if row.subject else None, hash=row.hash.hex())


@router.get("", response_model=Page[AuditEventPublic], summary="List audit events")
async def list_events(
    access: Viewing,
    paging: PagingQuery,
    run_id: Annotated[UUID | None, Query()] = None,
    code: CodeQuery = None,
    action: ActionQuery = None,
    since: InstantQuery = None,
    until: InstantQuery = None,
) -> Response:
    """Newest first; `since` counts in, `until` does not."""
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and (moment.tzinfo is None or not 1970 <= moment.year <= 2200):
            raise Invalid.at(f"/query/{name}", "Must be an instant with a time zone, between 1970 and 2200.")
    cursors = access.cursors("audit", run_id, code, action, since, until)
    position = cursors.read(paging.cursor)
    event = AuditEvent
    wanted = [
        None if run_id is None else col(event.run_id) == run_id,
        None if code is None else col(event.code) == code,
        None if action is None else col(event.action) == action,
        None if since is None else col(event.at) >= since,
        None if until is None else col(event.at) < until,
        None if position is None else col(event.seq) < int(position[0]),
    ]
    statement = select(event).where(col(event.tenant_id) == access.tenant_id, *(c for c in wanted if c is not None))
    statement = statement.order_by(col(event.seq).desc()).limit(paging.limit + 1)
    async with access.work() as work:
        found = (await work.db.exec(statement)).all()
    return answer(paging.page(found, _public, lambda row: cursors.write(row.seq)))


@router.get("/verify", response_model=VerdictPublic, summary="Check the chain")
async def check_trail(access: Viewing) -> Response:
    """Any edit, removal, reordering or cut tail shows."""
    async with access.resources.database.transaction(access.tenant_id) as connection:
        verdict = await verify_chain(connection, access.tenant_id)
    return answer(VerdictPublic.model_validate(verdict))
