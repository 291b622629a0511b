"""Records: what the ledger says of each, and everything that ever happened to it."""

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlalchemy import tuple_
from sqlmodel import col, select

from app.api.answers import answer
from app.api.deps import Access, ObjectId, Viewing
from app.api.paging import Page, PagingQuery
from app.api.persons import person_events
from app.api.presenting_runs import present_fields
from app.api.problems import NotFound
from app.api.schemas.base import IS_EMAIL, NO_CONTROL
from app.api.schemas.records import RecordPublic, TimelineEvent
from app.connections.vault import TenantKeys
from app.db.records import Record
from app.domain.member import subscriber_hash
from app.domain.planning import SEPARATOR
from app.sync.changes import Event, timeline

router = APIRouter(prefix="/v1/tenants/{tenant_id}/records", tags=["records"])

CodeQuery = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"), NO_CONTROL]
EmailQuery = Annotated[str | None, Query(min_length=3, max_length=320, pattern=r"^[^\x00-\x20\x7f]+$"), IS_EMAIL]
State = Literal["synced", "skipped", "rejected"]


def _email(keys: TenantKeys, row: Record) -> str | None:
    return keys.open(row.email, row.sync_id, "record.email").decode() if row.email is not None else None


def _public(keys: TenantKeys) -> Callable[[Record], RecordPublic]:
    def present(row: Record) -> RecordPublic:
        email = _email(keys, row)
        return RecordPublic(
            id=row.id,
            sync_id=row.sync_id,
            code=row.code,
            key=row.key,
            email=email,
            state=row.state,
            reason=row.reason,
            is_active=row.is_active,
            tags=row.tags.split(SEPARATOR) if row.tags else [],
            mapping_version=row.mapping_version,
            run_id=row.run_id,
            changed_at=row.changed_at,
        )

    return present


@router.get("", response_model=Page[RecordPublic], summary="List records")
async def list_records(
    access: Viewing,
    paging: PagingQuery,
    sync_id: Annotated[UUID | None, Query()] = None,
    code: CodeQuery = None,
    email: EmailQuery = None,
    state: Annotated[State | None, Query()] = None,
) -> Response:
    """In the order of sync and key, so that a page of millions costs as little as a page of ten."""
    cursors = access.cursors("records", sync_id, code, email, state)
    position = cursors.read(paging.cursor)
    statement = select(Record).where(col(Record.tenant_id) == access.tenant_id)
    if sync_id is not None:
        statement = statement.where(col(Record.sync_id) == sync_id)
    if code is not None:
        statement = statement.where(col(Record.code) == code)
    if email is not None:
        statement = statement.where(col(Record.member_hash) == subscriber_hash(email))
    if state is not None:
        statement = statement.where(col(Record.state) == state)
    if position is not None:
        after = (UUID(str(position[0])), str(position[1]))
        statement = statement.where(tuple_(col(Record.sync_id), col(Record.key)) > after)
    statement = statement.order_by(col(Record.sync_id), col(Record.key)).limit(paging.limit + 1)
    async with access.work() as work:
        found = (await work.db.exec(statement)).all()
    return answer(paging.page(found, _public(access.keys), lambda row: cursors.write(row.sync_id, row.key)))


@router.get("/{id}/timeline", response_model=Page[TimelineEvent], summary="Explain a record")
async def read_timeline(access: Viewing, record_id: ObjectId) -> Response:
    """Everything that ever happened to it and to the person behind it on one page, newest last."""
    row = await _record(access, record_id)
    email = _email(access.keys, row)
    async with access.resources.database.transaction(access.tenant_id) as connection:
        events = await timeline(connection, access.keys, access.tenant_id, row.sync_id, row.key, row.code)
        runs = {event.run_id for event in events}
        about = await person_events(connection, access.keys, access.tenant_id, email, runs) if email else []
    items = sorted([*map(_event, events), *about], key=lambda event: event.at)
    return answer(Page(items=items, next_cursor=None))


async def _record(access: Access, record_id: UUID) -> Record:
    statement = select(Record).where(col(Record.tenant_id) == access.tenant_id, col(Record.id) == record_id)
    async with access.work() as work:
        row = (await work.db.exec(statement)).first()
    if row is None:
        raise NotFound
    return row


def _event(event: Event) -> TimelineEvent:
    change = event.change
    return TimelineEvent(
        at=event.at,
        action=event.action,
        actor=event.actor,
        run_id=event.run_id,
        mapping_version=event.mapping_version,
        decision=change.decision if change else None,
        email=change.email if change else None,
        fields=present_fields(change.fields) if change else None,
        warnings=[list(warning) for warning in change.warnings] if change else [],
        reason=event.reason,
    )
