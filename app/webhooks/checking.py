"""Compare a webhook with what Mailchimp has registered, and put right what differs."""

from datetime import timedelta
from uuid import UUID

import msgspec
import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from app.connections.keys import keys_of
from app.connections.opening import Opener
from app.connections.vault import TenantKeys
from app.connectors.mailchimp.webhooks import MailchimpWebhooks, RemoteHook
from app.db import audiences, audit, webhooks
from app.db.base import now
from app.db.connections import Connection
from app.db.engine import driver_connection
from app.db.rows import find
from app.db.webhooks import Webhook, WebhookPath
from app.domain.errors import ConnectorError, Transient
from app.webhooks.registering import LEFT_BEHIND, add_path, announce, path_of_hook, paths_of, put_into_use

log = structlog.get_logger(__name__)

CHECK = "check_webhook"
"""The job of workers/jobs.py that does this."""

ACTOR = "system"
GRACE = timedelta(days=7)


class Finding(msgspec.Struct, frozen=True):
    """What a check found. repair: none, mended (events or sources), registered_anew, moved (MLC_PUBLIC_URL changed).

    `heal` is the audience whose mirror should be pulled, since events may have been lost meanwhile.
    """

    repair: str = "none"
    removed: int = 0
    heal: UUID | None = None


class _Place(msgspec.Struct):
    """One webhook with everything around it."""

    opener: Opener
    keys: TenantKeys
    webhook: Webhook
    hooks: MailchimpWebhooks
    public_url: str

    @property
    def tenant_id(self) -> UUID:
        return self.webhook.tenant_id


async def check(
    opener: Opener, tenant_id: UUID, webhook_id: UUID, *, public_url: str, every_seconds: float
) -> Finding | None:
    """Check one webhook unless somebody has within `every_seconds`. Mailchimp's failures are shown on the webhook."""
    database = opener.database
    async with database.transaction(tenant_id) as connection:
        if not await webhooks.claim_check(connection, tenant_id, webhook_id, every_seconds):
            return None
    keys = await keys_of(database, opener.vault, tenant_id)
    async with database.session(tenant_id) as db:
        webhook = await find(db, Webhook, tenant_id, webhook_id)
        connection_row = await find(db, Connection, tenant_id, webhook.connection_id) if webhook is not None else None
    if keys is None or webhook is None or connection_row is None:
        return None
    try:
        hooks = opener.webhooks(keys, connection_row, webhook.list_id)
        finding = await _compare(_Place(opener, keys, webhook, hooks, public_url.rstrip("/")))
    except ConnectorError as error:
        await _show(opener, webhook, error)
        return None
    if finding.repair != "none" or finding.removed:
        log.warning("webhook.repaired", webhook_id=str(webhook_id), repair=finding.repair, removed=finding.removed)
    return finding


async def _compare(place: _Place) -> Finding:
    async with place.opener.database.session(place.tenant_id) as db:
        paths = await paths_of(db, place.webhook)
    there = await place.hooks.all()
    ours = {hook.id: path for hook in there if (path := path_of_hook(place.keys, hook, paths)) is not None}
    announced = [path for path in paths if path.remote_id is not None]
    current = next((path for path in reversed(announced) if path.expires_at is None), None)
    hook = next((h for h in there if current is not None and h.id == current.remote_id and h.id in ours), None)
    moved = current is not None and current.base_url != place.public_url
    if hook is None or moved:
        removed = await _register(place, set(ours))
        return Finding("moved" if hook is not None else "registered_anew", removed, await _audience(place))
    mended = not place.hooks.is_complete(hook)
    if mended:
        await place.hooks.mend(hook.id)
    stray = [id_ for id_ in ours if id_ != hook.id]
    await _remove(place, stray)
    await _note(place, "mended" if mended else "none", len(stray))
    return Finding("mended" if mended else "none", len(stray), await _audience(place) if mended else None)


async def _audience(place: _Place) -> UUID | None:
    webhook = place.webhook
    if webhook.list_id is None:
        return None
    async with place.opener.database.transaction(place.tenant_id) as connection:
        row = await audiences.audience_row(connection, place.tenant_id, webhook.connection_id, webhook.list_id)
    found: UUID = row["id"]
    return found


async def _register(place: _Place, ours: set[str]) -> int:
    """A new path in place of one that Mailchimp does not have, or under another address."""
    database, webhook = place.opener.database, place.webhook
    async with database.session(place.tenant_id) as db:
        path = await add_path(db, place.keys, webhook, place.public_url)
    try:
        remote = await announce(place.hooks, path.url)
    except ConnectorError:
        async with database.session(place.tenant_id) as db:
            await _drop(db, webhook, path.id)
        raise
    repair = "moved" if ours else "registered_anew"
    async with database.session(place.tenant_id) as db:
        row = await find(db, Webhook, place.tenant_id, webhook.id, lock=True)
        if row is None:  # deleted meanwhile
            await _forget(place, remote)
            return 0
        await put_into_use(db, place.keys, row, path.id, remote, grace=GRACE)
        await _audit(db, webhook, repair, len(ours))
    await _remove(place, ours)
    return len(ours)


async def _forget(place: _Place, remote: RemoteHook) -> None:
    await place.hooks.remove(remote.id)


async def _remove(place: _Place, ids: list[str] | set[str]) -> None:
    for id_ in ids:
        await place.hooks.remove(id_)


async def _drop(db: AsyncSession, webhook: Webhook, path_id: UUID) -> None:
    row = await find(db, WebhookPath, webhook.tenant_id, path_id)
    if row is not None:
        await db.delete(row)


async def _note(place: _Place, repair: str, removed: int) -> None:
    async with place.opener.database.session(place.tenant_id) as db:
        row = await find(db, Webhook, place.tenant_id, place.webhook.id, lock=True)
        if row is None:
            return
        for path in await paths_of(db, row):
            if path.remote_id is None and path.created_at < now() - LEFT_BEHIND:  # its maker died before it was used
                await db.delete(path)
        row.state, row.state_reason, row.updated_at = "ok", None, now()
        if repair != "none" or removed:
            await _audit(db, row, repair, removed)


async def _audit(db: AsyncSession, webhook: Webhook, repair: str, removed: int) -> None:
    await db.flush()
    detail = {"repair": repair, "removed": removed, "kind": webhook.kind}
    event = audit.Event("webhook.repaired", ACTOR, webhook.id, detail=detail)
    await audit.append(await driver_connection(db), webhook.tenant_id, [event])


async def _show(opener: Opener, webhook: Webhook, error: ConnectorError) -> None:
    """Time cures what is transient; for the rest somebody must act."""
    log.warning("webhook.not_checked", webhook_id=str(webhook.id), code=error.code)
    if isinstance(error, Transient):
        return
    async with opener.database.session(webhook.tenant_id) as db:
        row = await find(db, Webhook, webhook.tenant_id, webhook.id, lock=True)
        if row is not None:
            row.state, row.state_reason, row.updated_at = "needs_attention", error.message, now()
