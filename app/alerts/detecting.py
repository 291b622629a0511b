"""Compare what is so with what is said: open alerts, resolve them, and tell every channel that does not know yet.

It goes by the present state, so whatever was missed is made up for by the next look.
"""

from uuid import UUID

import structlog

from app.alerts.noting import Scribe
from app.alerts.viewing import View, views
from app.db import alerts
from app.db.engine import Database
from app.domain.alerting import Open, Resolve, Step

log = structlog.get_logger(__name__)
LOCK = 7_402_118_003  # one sweeper at a time over all workers


async def sweep(database: Database, public_url: str) -> int:
    """Look at all tenants at once, then closely at those where something changed; how many these were."""
    async with database.system() as connection:
        if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK):
            return 0
        changed = [tenant_id for tenant_id, view in (await views(connection, None)).items() if view.steps()]
        for tenant_id in changed:
            try:
                await look(database, tenant_id, public_url)
            except Exception:  # one tenant's trouble is not the others'
                log.exception("alerts.not_looked_at", tenant_id=str(tenant_id))
    return len(changed)


async def look(database: Database, tenant_id: UUID, public_url: str) -> list[Step]:
    """Make one tenant's alerts true; says what had to be done for it."""
    async with database.transaction(tenant_id) as connection:
        await alerts.lock(connection, tenant_id)
        view = (await views(connection, tenant_id)).get(tenant_id, View())
        steps = view.steps()
        scribe = Scribe(connection, tenant_id, view.watched, public_url)
        for step in steps:
            await scribe.take(step)
    for step in steps:
        _log(tenant_id, step)
    return steps


def _log(tenant_id: UUID, step: Step) -> None:
    if isinstance(step, Open | Resolve):
        about = step.finding if isinstance(step, Open) else step.alert
        log.info(
            "alert.opened" if isinstance(step, Open) else "alert.resolved",
            kind=about.kind,
            subject_id=str(about.subject_id),
            channels=len(step.tell),
            tenant_id=str(tenant_id),
        )
