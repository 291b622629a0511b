"""Paths are made, announced to Mailchimp and put into use; one that is replaced stays alive for a while."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import msgspec
import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.connections.opening import Opener
from app.connections.vault import TenantKeys
from app.connectors.mailchimp.webhooks import MailchimpWebhooks, RemoteHook
from app.db.base import now
from app.db.connections import Connection
from app.db.webhooks import SIGNING_SECRET, Webhook, WebhookPath
from app.domain.errors import ConnectorError, Transient
from app.webhooks.paths import TRANSACTIONAL, is_of, new_path, parted, url_of

log = structlog.get_logger(__name__)

LEFT_BEHIND = timedelta(minutes=2)
"""A webhook that is still `registering` after so long was left by a process that died."""


class Path(msgspec.Struct, frozen=True):
    """A path that was just made: its row's id, and the address that is shown once."""

    id: UUID
    url: str


async def paths_of(db: AsyncSession, webhook: Webhook) -> list[WebhookPath]:
    """All of a webhook's paths, oldest first."""
    mine = (col(WebhookPath.tenant_id) == webhook.tenant_id, col(WebhookPath.webhook_id) == webhook.id)
    return list((await db.exec(select(WebhookPath).where(*mine).order_by(col(WebhookPath.created_at)))).all())


async def add_path(db: AsyncSession, keys: TenantKeys, webhook: Webhook, base_url: str) -> Path:
    """A fresh path, alive once committed: Mailchimp asks for it before it answers a registration."""
    made = new_path(keys)
    row = WebhookPath(
        tenant_id=webhook.tenant_id,
        webhook_id=webhook.id,
        key_id=made.key_id,
        secret_hash=made.secret_hash,
        base_url=base_url.rstrip("/"),
    )
    db.add(row)
    await db.flush()
    return Path(row.id, url_of(base_url, webhook.kind, made.segment))


async def announce(hooks: MailchimpWebhooks, url: str) -> RemoteHook:
    """Register the address. When no answer came, whatever was made is taken back: its signing secret is lost.

    Raises what the connector raises.
    """
    try:
        return await hooks.create(url)
    except Transient as error:
        if error.outcome_unknown:
            await _take_back(hooks, url)
        raise


async def _take_back(hooks: MailchimpWebhooks, url: str) -> None:
    try:
        for hook in await hooks.all():
            if hook.url == url:
                await hooks.remove(hook.id)
    except ConnectorError as error:
        log.warning("webhook.not_taken_back", code=error.code)  # the path is deleted, so Mailchimp gets 404 there


async def put_into_use(
    db: AsyncSession,
    keys: TenantKeys,
    webhook: Webhook,
    path_id: UUID,
    remote: RemoteHook | None,
    *,
    grace: timedelta,
) -> list[str]:
    """From now on this path is the current one; the one before lives for `grace`, older ones end now. Answers the
    vendor's ids of the registrations to remove."""
    paths = await paths_of(db, webhook)
    current = next(path for path in paths if path.id == path_id)
    others = [path for path in paths if path.id != path_id]
    secret = _signing_secret(keys, webhook, others, remote)
    if remote is not None:
        current.remote_id = remote.id
    current.signing_secret = keys.seal(secret.encode(), current.id, SIGNING_SECRET) if secret is not None else None
    moment = now()
    for path in others:
        last = path is others[-1] and path.expires_at is None
        path.expires_at = min(path.expires_at or moment + grace, moment + grace) if last else moment
    webhook.state, webhook.state_reason, webhook.updated_at = "ok", None, moment
    webhook.checked_at = moment
    if webhook.kind == TRANSACTIONAL and secret is None:
        webhook.state, webhook.state_reason = "needs_attention", KEY_WANTED
    await db.flush()
    return [path.remote_id for path in others if path.remote_id is not None]


KEY_WANTED = (
    "Enter this address as a webhook at Mandrill, then its key here as signing_key; until then nothing is taken."
)


def _signing_secret(
    keys: TenantKeys, webhook: Webhook, others: list[WebhookPath], remote: RemoteHook | None
) -> str | None:
    """What deliveries to the new path are signed with. A webhook of Mandrill keeps its key when its address changes."""
    if remote is not None:
        return remote.signing_secret
    if webhook.kind == TRANSACTIONAL and others and (sealed := others[-1].signing_secret) is not None:
        return keys.open(sealed, others[-1].id, SIGNING_SECRET).decode()
    return None


async def set_signing_key(db: AsyncSession, keys: TenantKeys, webhook: Webhook, key: str) -> None:
    """The key that Mandrill shows for the webhook; it holds for every path, since only the address differs."""
    for path in await paths_of(db, webhook):
        path.signing_secret = keys.seal(key.encode(), path.id, SIGNING_SECRET)
    webhook.state, webhook.state_reason, webhook.updated_at = "ok", None, now()
    await db.flush()


def path_of_hook(keys: TenantKeys, hook: RemoteHook, paths: list[WebhookPath]) -> WebhookPath | None:
    """Which of our paths a registration names, if any."""
    segment = hook.url.partition("?")[0].rpartition("/hooks/mailchimp/")[2]
    parts = parted(segment)
    by_id: Mapping[str, WebhookPath] = {path.key_id: path for path in paths}
    path = by_id.get(parts[0]) if parts is not None else None
    return path if path is not None and is_of(segment, keys, path.key_id, path.secret_hash) else None


async def unregister(hooks: MailchimpWebhooks, keys: TenantKeys, paths: list[WebhookPath]) -> None:
    """End every registration that names one of these paths, whatever ids we remember. Raises ConnectorError."""
    known = {path.remote_id for path in paths if path.remote_id is not None}
    for hook in await hooks.all():
        if hook.id in known or path_of_hook(keys, hook, paths) is not None:
            await hooks.remove(hook.id)


async def of_connection(db: AsyncSession, connection: Connection) -> list[tuple[Webhook, list[WebhookPath]]]:
    """The webhooks of a connection that are registered at Mailchimp, with their paths."""
    mine = (col(Webhook.tenant_id) == connection.tenant_id, col(Webhook.connection_id) == connection.id)
    found = (await db.exec(select(Webhook).where(*mine, col(Webhook.kind) != TRANSACTIONAL))).all()
    return [(webhook, await paths_of(db, webhook)) for webhook in found]


async def take_down(
    opener: Opener, keys: TenantKeys, connection: Connection, hooks: list[tuple[Webhook, list[WebhookPath]]]
) -> None:
    """Unregister what belonged to a connection that is no more. Where Mailchimp does not listen, it will find the paths
    closed and give up by itself."""
    try:
        for webhook, paths in hooks:
            await unregister(opener.webhooks(keys, connection, webhook.list_id, interactive=True), keys, paths)
    except ConnectorError as error:
        log.warning("webhook.not_unregistered", connection_id=str(connection.id), code=error.code)
