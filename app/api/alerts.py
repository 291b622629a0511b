"""Alerts: what needs a person, and who was told."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from app.alerts.courier import message_id
from app.api.answers import answer
from app.api.deps import ObjectId, Viewing, Work
from app.api.paging import Page, PagingQuery, newest
from app.api.schemas.alerts import AlertDeliveryPublic, AlertPublic
from app.db import rows
from app.db.alert_channels import AlertChannel
from app.db.alert_deliveries import AlertDelivery
from app.db.alerts import Alert
from app.domain.alerting import Kind

router = APIRouter(prefix="/v1/tenants/{tenant_id}/alerts", tags=["alerts"])

State = Literal["open", "resolved"]


@router.get("", response_model=Page[AlertPublic], summary="List alerts")
async def list_alerts(
    access: Viewing,
    paging: PagingQuery,
    state: Annotated[State | None, Query()] = None,
    kind: Annotated[Kind | None, Query()] = None,
    sync_id: Annotated[UUID | None, Query()] = None,
) -> Response:
    """The newest first, each with every message about it."""
    cursors = access.cursors("alerts", state, kind, sync_id)
    given = {"state": state, "kind": kind, "sync_id": sync_id}
    conditions = [col(getattr(Alert, name)) == value for name, value in given.items() if value is not None]
    before = newest(cursors.read(paging.cursor))
    async with access.work() as work:
        found = await rows.newest(
            work.db, Alert, access.tenant_id, *conditions, limit=paging.limit + 1, before=before, by="opened_at"
        )
        told = await _deliveries(work, [row.id for row in found])
    present = paging.page(
        found, lambda row: _public(row, told[row.id]), lambda row: cursors.write(row.opened_at, row.id)
    )
    return answer(present)


@router.get("/{id}", response_model=AlertPublic, summary="Read an alert")
async def read_alert(access: Viewing, alert_id: ObjectId) -> Response:
    async with access.work() as work:
        row = await work.get(Alert, alert_id)
        told = await _deliveries(work, [row.id])
    return answer(_public(row, told[row.id]))


def _public(row: Alert, deliveries: list[AlertDeliveryPublic]) -> AlertPublic:
    names = AlertPublic.model_fields.keys() - {"deliveries"}
    return AlertPublic(**{name: getattr(row, name) for name in names}, deliveries=deliveries)


async def _deliveries(work: Work, alert_ids: Sequence[UUID]) -> defaultdict[UUID, list[AlertDeliveryPublic]]:
    """By alert, oldest first."""
    digest = aliased(AlertDelivery)
    statement = (
        select(AlertDelivery, digest, AlertChannel.name)
        .join(
            AlertChannel,
            (col(AlertChannel.tenant_id) == AlertDelivery.tenant_id)
            & (col(AlertChannel.id) == AlertDelivery.channel_id),
        )
        .outerjoin(
            digest,
            (col(digest.tenant_id) == AlertDelivery.tenant_id) & (col(digest.id) == AlertDelivery.folded_into),
        )
        .where(col(AlertDelivery.tenant_id) == work.tenant_id, col(AlertDelivery.alert_id).in_(alert_ids))
        .order_by(col(AlertDelivery.created_at), col(AlertDelivery.seq))
    )
    found: defaultdict[UUID, list[AlertDeliveryPublic]] = defaultdict(list)
    for own, whole, name in (await work.db.exec(statement)).all():
        if own.alert_id is not None:
            found[own.alert_id].append(_delivery(own, whole, name))
    return found


def _delivery(own: AlertDelivery, digest: AlertDelivery | None, channel_name: str) -> AlertDeliveryPublic:
    """One message; what was told by a digest fared as that did."""
    sent = digest or own
    names = ("state", "attempts", "last_status", "last_sentence", "delivered_at")
    return AlertDeliveryPublic(
        message_id=message_id(sent.id),
        channel_id=own.channel_id,
        channel_name=channel_name,
        phase=own.phase,
        in_digest=digest is not None,
        next_try_at=sent.next_try_at if sent.state == "pending" else None,
        created_at=own.created_at,
        **{name: getattr(sent, name) for name in names},
    )
