"""Keep the audience mirror fresh: whole once, then what changed since."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from app.db import audiences
from app.db.engine import Database
from app.sync.opened import OpenRun
from app.sync.ports import MirrorRow

OVERLAP = timedelta(minutes=10)  # clock error between us and Mailchimp, and answers still being indexed


class Members(Protocol):
    """The part of a target that the mirror is drawn from."""

    def members(self, *, since: datetime | None, whole: bool = False) -> AsyncIterator[Sequence[MirrorRow]]:
        """As in ports.Target."""
        ...


class Mirror:
    """The mirror of one run's audience, pulled at most once per slice and only when a decision needs it."""

    def __init__(self, run: OpenRun) -> None:
        self._run = run
        self._one = asyncio.Lock()
        self.fresh = False

    async def refresh(self) -> None:
        """Pull every member, or those changed since the last pull. Statuses only; costs one call per 1,000 members."""
        async with self._one:
            if self.fresh:
                return
            run = self._run
            await pull(run.database, run.tenant_id, run.audience_id, run.target, run_id=run.run_id)
            self.fresh = True


async def pull(
    database: Database,
    tenant_id: UUID,
    audience_id: UUID,
    target: Members,
    *,
    whole: bool = False,
    run_id: UUID | None = None,
) -> int:
    """Draw the mirror from what Mailchimp says now, `whole` or since the last pull; how many members it named.

    Statuses that differ from what was known go into the consent ledger: whatever a webhook failed to tell is found.
    """
    began = datetime.now(UTC)
    async with database.transaction(tenant_id) as connection:
        through = await connection.fetchval(
            "select pulled_through from audience where tenant_id = $1 and id = $2", tenant_id, audience_id
        )
    since = through - OVERLAP if through is not None and not whole else None
    named = 0
    async for rows in target.members(since=since):
        named += len(rows)
        await _note(database, tenant_id, audience_id, rows, run_id)
    async with database.transaction(tenant_id) as connection:
        await audiences.pulled(connection, tenant_id, audience_id, began, whole=since is None)
    return named


async def _note(
    database: Database, tenant_id: UUID, audience_id: UUID, rows: Sequence[MirrorRow], run_id: UUID | None
) -> None:
    distinct = {row.hash: row for row in rows}
    async with database.transaction(tenant_id) as connection:
        await audiences.mirror(
            connection,
            tenant_id,
            audience_id,
            list(distinct),
            [row.status for row in distinct.values()],
            [row.last_changed for row in distinct.values()],
            run_id=run_id,
        )
