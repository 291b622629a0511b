"""What webhooks brought: received events, newest first."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlmodel import col, or_

from app.api.answers import answer
from app.api.deps import Viewing
from app.api.paging import Page, PagingQuery, newest
from app.api.records import EmailQuery
from app.api.schemas.base import said
from app.api.schemas.webhooks import WebhookEventPublic
from app.connections.vault import TenantKeys
from app.connectors.mailchimp.deliveries import fields_of
from app.db import rows
from app.db.webhooks import BODY, WebhookEvent
from app.webhooks.receiving import subject_of

router = APIRouter(prefix="/v1/tenants/{tenant_id}/webhook-events", tags=["webhooks"])

TypeQuery = Annotated[
    str | None,
    Query(pattern=r"^[a-z0-9_]{1,40}$", description="As the vendor says, or malformed."),
    said("Must be a type of event, such as unsubscribe."),
]


@router.get("", response_model=Page[WebhookEventPublic], summary="List webhook events")
async def list_webhook_events(
    access: Viewing,
    paging: PagingQuery,
    type: TypeQuery = None,  # noqa: A002  # the contract's word
    email: EmailQuery = None,
) -> Response:
    """Newest first. `email` finds those about a person, as the new or the former address."""
    cursors = access.cursors("webhook-events", type, email)
    before = newest(cursors.read(paging.cursor))
    wanted = []
    if type is not None:
        wanted.append(col(WebhookEvent.type) == type)
    if email is not None:
        subject = subject_of(access.keys, email)
        wanted.append(or_(col(WebhookEvent.subject) == subject, col(WebhookEvent.former_subject) == subject))
    async with access.work() as work:
        found = await rows.newest(
            work.db, WebhookEvent, access.tenant_id, *wanted, limit=paging.limit + 1, before=before
        )
    return answer(
        paging.page(found, lambda row: _public(access.keys, row), lambda row: cursors.write(row.created_at, row.id))
    )


def _public(keys: TenantKeys, row: WebhookEvent) -> WebhookEventPublic:
    data = fields_of(row.kind, keys.open(row.body, row.id, BODY)) if row.body is not None else None
    email, former = _addresses(data or {})
    return WebhookEventPublic(
        id=row.id,
        webhook_id=row.webhook_id,
        kind=row.kind,
        type=row.type,
        audience_id=row.list_id,
        email=email if row.subject is not None else None,
        former_email=former if row.former_subject is not None else None,
        fired_at=row.fired_at,
        received_at=row.created_at,
        signed=row.signed,
        deliveries=row.deliveries,
        state=row.state,
        outcome=row.outcome,
        processed_at=row.processed_at,
        data=data,
    )


def _addresses(data: dict[str, object]) -> tuple[str | None, str | None]:
    about = data.get("msg") or data.get("reject") or {}
    told = about.get("email") if isinstance(about, dict) else None
    email = data.get("data[new_email]") or data.get("data[email]") or told
    former = data.get("data[old_email]")
    return email if isinstance(email, str) else None, former if isinstance(former, str) else None
