"""Alert channels: where people are told; a secret is shown once, and goes only where it was meant for."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response
from sqlmodel import col, func, select

from app.alerts import messages
from app.alerts.sealing import Secrets, SigningSecret, rotated, seal, unseal
from app.alerts.signing import new_secret
from app.api.alert_receivers import check_mail, check_reach, check_syncs, kept_password, smtp_document
from app.api.answers import answer, no_content
from app.api.deps import Access, AdminCreating, Administering, ObjectId, Operating, Viewing, Work
from app.api.paging import Page, PagingQuery, newest
from app.api.problems import Conflict, Invalid, TooManyRequests, refuse_nulls
from app.api.schemas.alert_channels import (
    AlertChannelCreate,
    AlertChannelCreated,
    AlertChannelPublic,
    AlertChannelRotate,
    AlertChannelUpdate,
    AlertTestPublic,
    EmailChannelCreate,
    WebhookChannelCreate,
)
from app.connections.vault import TenantKeys
from app.db import alert_channels, alert_deliveries, rows
from app.db.alert_channels import AlertChannel
from app.db.base import now
from app.db.engine import driver_connection

router = APIRouter(prefix="/v1/tenants/{tenant_id}/alert-channels", tags=["alerts"])

MOST_CHANNELS = 20
TEST_SECONDS = 10
_ONLY = {"webhook": ("url",), "email": ("recipients", "smtp")}


@router.post("", status_code=201, response_model=AlertChannelCreated, summary="Create an alert channel")
async def create_channel(access: AdminCreating, body: AlertChannelCreate) -> Response:
    """Nothing is sent yet: `test` does that. What is wrong already is told within a minute."""
    check_reach(access, body.url if isinstance(body, WebhookChannelCreate) else None, body.tls_ca_pem)
    row, secret = _new(access, body)
    async with access.work() as work:
        await _check_count(work)
        await check_syncs(work, body.sync_ids)
        work.db.add(row)
        await work.audit("alert_channel.created", row.id, detail={"kind": row.kind})
        shown = AlertChannelCreated(**_public(row, access.keys).model_dump(), secret=secret)
        location = f"/v1/tenants/{access.tenant_id}/alert-channels/{row.id}"
        return await work.answer(shown, 201, version=row.version, location=location)


def _new(access: Access, body: WebhookChannelCreate | EmailChannelCreate) -> tuple[AlertChannel, str | None]:
    """The row, and the signing secret to show."""
    row_id = uuid4()
    settings: dict[str, Any] = {"tls_ca_pem": body.tls_ca_pem} if body.tls_ca_pem else {}
    url = secret = None
    if isinstance(body, WebhookChannelCreate):
        url, secret = body.url, new_secret()
        secrets = Secrets(signing=(SigningSecret(secret),))
    else:
        check_mail(access, body.smtp)
        password = kept_password(body.smtp, None, None)
        secrets = Secrets(recipients=tuple(body.recipients), smtp_password=password)
        settings |= {"smtp": smtp_document(body.smtp)} if body.smtp else {}
    row = AlertChannel(
        tenant_id=access.tenant_id,
        id=row_id,
        name=body.name,
        kind=body.kind,
        url=url,
        settings=settings,
        sealed=seal(access.keys, row_id, secrets),
        events=list(body.events),
        thresholds=body.thresholds.model_dump(),
        sync_ids=None if body.sync_ids is None else list(map(str, body.sync_ids)),
        enabled=body.enabled,
    )
    return row, secret


async def _check_count(work: Work) -> None:
    statement = select(func.count()).where(col(AlertChannel.tenant_id) == work.tenant_id)
    if (await work.db.exec(statement)).one() >= MOST_CHANNELS:
        raise Conflict(f"A tenant has at most {MOST_CHANNELS} alert channels.", code="too_many_channels")


def _public(row: AlertChannel, keys: TenantKeys) -> AlertChannelPublic:
    secrets = unseal(keys, row.id, row.sealed)
    derived = {
        "recipients": list(secrets.recipients) if row.kind == "email" else None,
        "smtp": row.settings.get("smtp"),
        "tls_ca_pem": row.settings.get("tls_ca_pem"),
    }
    names = AlertChannelPublic.model_fields.keys() - derived.keys()
    return AlertChannelPublic.model_validate({**{name: getattr(row, name) for name in names}, **derived})


@router.get("", response_model=Page[AlertChannelPublic], summary="List alert channels")
async def list_channels(access: Viewing, paging: PagingQuery) -> Response:
    cursors = access.cursors("alert-channels")
    before = newest(cursors.read(paging.cursor))
    async with access.work() as work:
        found = await rows.newest(work.db, AlertChannel, access.tenant_id, limit=paging.limit + 1, before=before)
    page = paging.page(found, lambda row: _public(row, access.keys), lambda row: cursors.write(row.created_at, row.id))
    return answer(page)


@router.get("/{id}", response_model=AlertChannelPublic, summary="Read an alert channel")
async def read_channel(access: Viewing, channel_id: ObjectId) -> Response:
    async with access.work() as work:
        row = await work.get(AlertChannel, channel_id)
    return answer(_public(row, access.keys), version=row.version)


@router.patch("/{id}", response_model=AlertChannelPublic, summary="Change an alert channel")
async def change_channel(access: Administering, channel_id: ObjectId, body: AlertChannelUpdate) -> Response:
    """Switched off, what waits for it is dropped; switched on again, it is told what is wrong then."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    check_reach(access, body.url, body.tls_ca_pem)
    async with access.work() as work:
        row = await work.get_versioned(AlertChannel, channel_id)
        _check_changes(row, changes)
        await check_syncs(work, body.sync_ids)
        _apply_receiver(access, row, body, changes)
        _apply(row, body, changes)
        if not row.enabled:
            await alert_deliveries.drop(await driver_connection(work.db), work.tenant_id, row.id)
        await work.audit("alert_channel.changed", row.id, detail={"fields": sorted(changes)})
        return answer(_public(row, access.keys), version=row.version)


def _check_changes(row: AlertChannel, changes: dict[str, Any]) -> None:
    for kind, names in _ONLY.items():
        for name in names:
            if name in changes and row.kind != kind:
                raise Invalid.at(f"/{name}", f"Does not belong to the kind {row.kind}.")
    refuse_nulls(changes, but=("smtp", "sync_ids", "tls_ca_pem"))


def _apply_receiver(access: Access, row: AlertChannel, body: AlertChannelUpdate, changes: dict[str, Any]) -> None:
    """Where messages go, and the secrets that go there."""
    settings, secrets = dict(row.settings), unseal(access.keys, row.id, row.sealed)
    if "smtp" in changes:
        check_mail(access, body.smtp)
        password = kept_password(body.smtp, settings.pop("smtp", None), secrets.smtp_password)
        secrets = msgspec.structs.replace(secrets, smtp_password=password)
        settings |= {"smtp": smtp_document(body.smtp)} if body.smtp else {}
    if "tls_ca_pem" in changes:
        settings = {**settings, "tls_ca_pem": body.tls_ca_pem}
    if body.recipients is not None:
        secrets = msgspec.structs.replace(secrets, recipients=tuple(body.recipients))
    row.settings = {name: value for name, value in settings.items() if value is not None}
    row.sealed = seal(access.keys, row.id, secrets)
    row.url = body.url or row.url
    if changes.keys() & {"url", "smtp", "recipients", "tls_ca_pem"}:
        row.state, row.state_reason = "untried", None


def _apply(row: AlertChannel, body: AlertChannelUpdate, changes: dict[str, Any]) -> None:
    row.name = body.name or row.name
    if body.events is not None:
        row.events = list(dict.fromkeys(body.events))
    if body.thresholds is not None:
        row.thresholds = body.thresholds.model_dump()
    if "sync_ids" in changes:
        row.sync_ids = None if body.sync_ids is None else list(map(str, body.sync_ids))
    if body.enabled is not None:
        row.enabled = body.enabled
        if row.enabled and row.state == "gone":
            row.state, row.state_reason = "untried", None
    row.version += 1
    row.updated_at = now()


@router.delete("/{id}", status_code=204, summary="Delete an alert channel")
async def delete_channel(access: Administering, channel_id: ObjectId) -> Response:
    """With the record of its messages. Alerts stay."""
    async with access.work() as work:
        row = await work.get_versioned(AlertChannel, channel_id)
        await work.db.delete(row)
        await work.audit("alert_channel.deleted", channel_id)
    return no_content()


@router.post("/{id}/rotate", response_model=AlertChannelCreated, summary="Give a webhook channel a new secret")
async def rotate_channel(
    access: AdminCreating, channel_id: ObjectId, body: AlertChannelRotate | None = None
) -> Response:
    """Both secrets sign for `grace_seconds`, so that the receiver can change over. `secret` is shown this once."""
    grace = timedelta(seconds=(body or AlertChannelRotate()).grace_seconds)
    async with access.work() as work:
        row = await work.get(AlertChannel, channel_id, lock=True)
        if row.kind != "webhook":
            raise Conflict("Only a webhook channel has a signing secret.", code="wrong_kind")
        secret, at = new_secret(), now()
        secrets = rotated(unseal(access.keys, row.id, row.sealed), secret, at, at + grace)
        row.sealed = seal(access.keys, row.id, secrets)
        row.version += 1
        row.updated_at = at
        await work.audit("alert_channel.rotated", row.id, detail={"grace_seconds": round(grace.total_seconds())})
        shown = AlertChannelCreated(**_public(row, access.keys).model_dump(), secret=secret)
        return await work.answer(shown, version=row.version)


@router.post("/{id}/test", response_model=AlertTestPublic, summary="Send a test message")
async def test_channel(access: Operating, channel_id: ObjectId) -> Response:
    """One message of the type `alerts.test`, at once and only once. 200 also when it does not arrive: `ok` and a
    sentence tell."""
    async with access.work() as work:
        row = await work.get(AlertChannel, channel_id)
        driver = await driver_connection(work.db)
        if not await alert_channels.may_test(driver, access.tenant_id, channel_id, TEST_SECONDS):
            raise TooManyRequests(
                f"A test was sent within the last {TEST_SECONDS} seconds; wait and repeat.",
                headers={"Retry-After": str(TEST_SECONDS)},
            )
        await work.audit("alert_channel.tested", channel_id)
    message = messages.test(access.tenant_id, row.id, row.name, now())
    secrets = unseal(access.keys, row.id, row.sealed)
    outcome = await access.resources.courier.send(row.model_dump(), secrets, uuid4(), message)
    state = "ok" if outcome.ok else "gone" if outcome.is_gone else "failing"
    async with access.resources.database.transaction(access.tenant_id) as connection:
        reason = None if outcome.ok else outcome.sentence
        await alert_channels.note_state(connection, access.tenant_id, channel_id, state, reason)
    return answer(AlertTestPublic(ok=outcome.ok, status=outcome.status, sentence=outcome.sentence))
