"""Webhooks of a Mailchimp connection: made and registered, rotated, taken away."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import Response
from sqlmodel import col, select

from app.api.answers import answer, no_content
from app.api.deps import Access, AdminCreating, Administering, ObjectId, Viewing, Work
from app.api.paging import Page, PagingQuery, newest
from app.api.problems import Conflict, Invalid, NotFound
from app.api.schemas.webhooks import (
    WebhookCreate,
    WebhookCreated,
    WebhookPathPublic,
    WebhookPublic,
    WebhookRotate,
    WebhookUpdate,
)
from app.connectors.mailchimp.webhooks import MailchimpWebhooks, RemoteHook
from app.db import rows
from app.db.base import now
from app.db.connections import Connection
from app.db.webhooks import Webhook, WebhookPath
from app.domain.errors import ConnectorError, NeedsTenant, RecordRejected
from app.webhooks import registering
from app.webhooks.paths import TRANSACTIONAL

router = APIRouter(prefix="/v1/tenants/{tenant_id}/connections/{id}/webhooks", tags=["webhooks"])

WebhookId = Annotated[UUID, Path(alias="wid", description="The webhook.")]


@router.post("", status_code=201, response_model=WebhookCreated, summary="Create a webhook")
async def create_webhook(access: AdminCreating, connection_id: ObjectId, body: WebhookCreate) -> Response:
    """Makes a secret path of this tenant and registers it at Mailchimp, which asks it at once. 409 when the audience
    has a webhook of ours already (rotate that), or when Mailchimp cannot reach MLC_PUBLIC_URL."""
    if (body.kind == "audience") != (body.audience_id is not None):
        raise Invalid.at("/audience_id", "Belongs to webhooks of the kind audience, which need it, and to no other.")
    async with access.work() as work:
        connection = await _connection(work, connection_id)
        webhook = await _begun(work, connection, body)
        path = await registering.add_path(work.db, access.keys, webhook, access.resources.settings.public_url)
    remote = await _announced(access, connection, webhook, path)
    async with access.work() as work:
        webhook = await _locked(work, connection_id, webhook.id)
        await registering.put_into_use(work.db, access.keys, webhook, path.id, remote, grace=timedelta())
        detail = {"kind": webhook.kind, "list_id": webhook.list_id}
        await work.audit("webhook.created", webhook.id, detail=detail)
        shown = await _shown(work, [webhook])
        location = f"/v1/tenants/{access.tenant_id}/connections/{connection_id}/webhooks/{webhook.id}"
        return await work.answer(_with_url(shown[0], path.url), 201, location=location)


async def _connection(work: Work, connection_id: UUID) -> Connection:
    row = await work.get(Connection, connection_id)
    if row.system != "mailchimp":
        raise Invalid.at("/path/id", "Only a Mailchimp connection has webhooks.", code="wrong_system")
    return row


async def _begun(work: Work, connection: Connection, body: WebhookCreate) -> Webhook:
    """A new row. One that was left half made by a process that died is replaced."""
    same = (
        col(Webhook.tenant_id) == work.tenant_id,
        col(Webhook.connection_id) == connection.id,
        col(Webhook.kind) == body.kind,
        col(Webhook.list_id).is_not_distinct_from(body.audience_id),
    )
    found = (await work.db.exec(select(Webhook).where(*same).with_for_update())).one_or_none()
    if found is not None:
        if found.state != "registering" or found.created_at > now() - registering.LEFT_BEHIND:
            raise Conflict("There is such a webhook already; rotate it for a new address.", code="webhook_exists")
        await work.db.delete(found)
        await work.db.flush()
    webhook = Webhook(tenant_id=work.tenant_id, connection_id=connection.id, kind=body.kind, list_id=body.audience_id)
    work.db.add(webhook)
    await work.db.flush()
    return webhook


async def _announced(
    access: Access, connection: Connection, webhook: Webhook, path: registering.Path
) -> RemoteHook | None:
    """Mailchimp's registration; None for Mandrill, where a person makes it. When it fails, nothing is left."""
    if webhook.kind == TRANSACTIONAL:
        return None
    try:
        return await registering.announce(_hooks(access, connection, webhook), path.url)
    except BaseException as error:
        await _undo(access, webhook, path)
        if isinstance(error, RecordRejected):
            raise Conflict(error.message, code=error.code) from None
        raise


def _hooks(access: Access, connection: Connection, webhook: Webhook) -> MailchimpWebhooks:
    return access.resources.opener.webhooks(access.keys, connection, webhook.list_id, interactive=True)


async def _undo(access: Access, webhook: Webhook, path: registering.Path) -> None:
    """Remove the path that nobody will use, and its webhook if it has no other."""
    async with access.work() as work:
        row = await rows.find(work.db, WebhookPath, work.tenant_id, path.id)
        if row is not None:
            await work.db.delete(row)
            await work.db.flush()
        mine = await rows.find(work.db, Webhook, work.tenant_id, webhook.id, lock=True)
        if mine is not None and mine.state == "registering":
            await work.db.delete(mine)


async def _locked(work: Work, connection_id: UUID, webhook_id: UUID) -> Webhook:
    webhook = await work.get(Webhook, webhook_id, lock=True)
    if webhook.connection_id != connection_id:
        raise NotFound
    return webhook


async def _shown(work: Work, webhooks: list[Webhook]) -> list[WebhookPublic]:
    return [_public(webhook, await registering.paths_of(work.db, webhook)) for webhook in webhooks]


def _public(webhook: Webhook, paths: list[WebhookPath]) -> WebhookPublic:
    alive = [path for path in reversed(paths) if path.expires_at is None or path.expires_at > now()]
    return WebhookPublic(
        id=webhook.id,
        connection_id=webhook.connection_id,
        kind=webhook.kind,
        audience_id=webhook.list_id,
        state=webhook.state,
        state_reason=webhook.state_reason,
        paths=[
            WebhookPathPublic(
                created_at=path.created_at,
                expires_at=path.expires_at,
                last_used_at=path.last_used_at,
                signed=path.signing_secret is not None,
            )
            for path in alive
        ],
        checked_at=webhook.checked_at,
        created_at=webhook.created_at,
        updated_at=webhook.updated_at,
    )


def _with_url(shown: WebhookPublic, url: str) -> WebhookCreated:
    return WebhookCreated(**shown.model_dump(), url=url)


@router.get("", response_model=Page[WebhookPublic], summary="List webhooks")
async def list_webhooks(access: Viewing, connection_id: ObjectId, paging: PagingQuery) -> Response:
    """Those of one connection, newest first, with when their paths were last used."""
    cursors = access.cursors("webhooks", connection_id)
    before = newest(cursors.read(paging.cursor))
    async with access.work() as work:
        await work.get(Connection, connection_id)
        mine = col(Webhook.connection_id) == connection_id
        found = await rows.newest(work.db, Webhook, access.tenant_id, mine, limit=paging.limit + 1, before=before)
        shown = {row.id: view for row, view in zip(found, await _shown(work, list(found)), strict=True)}
    return answer(paging.page(found, lambda row: shown[row.id], lambda row: cursors.write(row.created_at, row.id)))


@router.patch("/{wid}", response_model=WebhookPublic, summary="Enter Mandrill's key")
async def change_webhook(
    access: Administering, connection_id: ObjectId, webhook_id: WebhookId, body: WebhookUpdate
) -> Response:
    """Only for webhooks of the kind transactional: Mailchimp's own secrets are kept when they are made."""
    async with access.work() as work:
        webhook = await _locked(work, connection_id, webhook_id)
        if webhook.kind != TRANSACTIONAL:
            raise Conflict("Mailchimp gave the signing secret of this webhook itself.", code="wrong_kind")
        await registering.set_signing_key(work.db, access.keys, webhook, body.signing_key.get_secret_value())
        await work.audit("webhook.signing_key_set", webhook.id)
        return answer((await _shown(work, [webhook]))[0])


@router.post("/{wid}/rotate", response_model=WebhookCreated, summary="Give a webhook a new path")
async def rotate_webhook(
    access: AdminCreating, connection_id: ObjectId, webhook_id: WebhookId, body: WebhookRotate | None = None
) -> Response:
    """The new path is registered first; the old one is no longer called by Mailchimp, but lives for `grace_seconds` so
    that what is on its way arrives. `url` is shown this once."""
    grace = timedelta(seconds=(body or WebhookRotate()).grace_seconds)
    async with access.work() as work:
        connection = await _connection(work, connection_id)
        webhook = await _locked(work, connection_id, webhook_id)
        path = await registering.add_path(work.db, access.keys, webhook, access.resources.settings.public_url)
    remote = await _announced(access, connection, webhook, path)
    async with access.work() as work:
        webhook = await _locked(work, connection_id, webhook_id)
        replaced = await registering.put_into_use(work.db, access.keys, webhook, path.id, remote, grace=grace)
        await work.audit("webhook.rotated", webhook.id, detail={"grace_seconds": round(grace.total_seconds())})
        response = await work.answer(_with_url((await _shown(work, [webhook]))[0], path.url))
    await _remove(access, connection, webhook, replaced)
    return response


async def _remove(access: Access, connection: Connection, webhook: Webhook, remote_ids: list[str]) -> None:
    """What cannot be removed now is removed by the next check: both paths are alive, and repeats are found."""
    if webhook.kind == TRANSACTIONAL:
        return
    try:
        for remote_id in remote_ids:
            await _hooks(access, connection, webhook).remove(remote_id)
    except ConnectorError as error:
        registering.log.warning("webhook.not_removed", webhook_id=str(webhook.id), code=error.code)


@router.delete("/{wid}", status_code=204, summary="Delete a webhook")
async def delete_webhook(access: Administering, connection_id: ObjectId, webhook_id: WebhookId) -> Response:
    """Its registration at Mailchimp ends first: 503, and nothing is changed, when Mailchimp does not answer. When
    Mailchimp no longer lets us in, the paths die all the same."""
    async with access.work() as work:
        connection = await _connection(work, connection_id)
        webhook = await _locked(work, connection_id, webhook_id)
        paths = await registering.paths_of(work.db, webhook)
    ended = await _unregistered(access, connection, webhook, paths)
    async with access.work() as work:
        webhook = await _locked(work, connection_id, webhook_id)
        await work.db.delete(webhook)
        await work.audit("webhook.deleted", webhook_id, detail={"kind": webhook.kind, "unregistered": ended})
    return no_content()


async def _unregistered(access: Access, connection: Connection, webhook: Webhook, paths: list[WebhookPath]) -> bool:
    """False when there is nothing to end, or nobody to tell: the key was revoked, the audience is gone."""
    if webhook.kind == TRANSACTIONAL:
        return False
    try:
        await registering.unregister(_hooks(access, connection, webhook), access.keys, paths)
    except NeedsTenant as error:
        registering.log.warning("webhook.not_unregistered", webhook_id=str(webhook.id), code=error.code)
        return False
    return True
