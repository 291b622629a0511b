"""Pull mirrors that nothing has refreshed for long: whatever webhooks failed to tell is found here (rule C6)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from app.connections.keys import keys_of
from app.connections.opening import Opener
from app.db import audiences
from app.db.connections import Connection
from app.db.engine import Database
from app.db.rows import find
from app.domain.errors import ConnectorError
from app.sync.mirror import pull

log = structlog.get_logger(__name__)

PULL = "pull_audience"
"""The job of workers/jobs.py that does this."""

WHOLE_EVERY = timedelta(days=7)


async def due(database: Database, every_seconds: float) -> Sequence[tuple[UUID, UUID]]:
    """(tenant, audience) of the mirrors that are older than that."""
    async with database.system() as connection:
        return [(row["tenant_id"], row["id"]) for row in await audiences.due_pulls(connection, every_seconds)]


async def heal(opener: Opener, tenant_id: UUID, audience_id: UUID, *, every_seconds: float) -> int | None:
    """Pull one mirror, whole once a week, unless somebody has within `every_seconds`; how many members were named.

    A mirror that was never pulled is left to the first run that needs it. Mailchimp's failures are no news here: the
    connection and its webhooks show them.
    """
    database = opener.database
    async with database.transaction(tenant_id) as connection:
        audience = await audiences.claim_pull(connection, tenant_id, audience_id, every_seconds)
    if audience is None or audience["pulled_through"] is None:
        return None
    keys = await keys_of(database, opener.vault, tenant_id)
    async with database.session(tenant_id) as db:
        row = await find(db, Connection, tenant_id, audience["connection_id"])
    if keys is None or row is None:
        return None
    whole = (audience["pulled_whole_at"] or audience["pulled_through"]) < datetime.now(UTC) - WHOLE_EVERY
    try:
        target = opener.audience(keys, row, audience["list_id"])
        named = await pull(database, tenant_id, audience_id, target, whole=whole)
    except ConnectorError as error:
        log.warning("mirror.not_pulled", tenant_id=str(tenant_id), audience_id=str(audience_id), code=error.code)
        return None
    log.info("mirror.pulled", tenant_id=str(tenant_id), audience_id=str(audience_id), members=named, whole=whole)
    return named
