"""Keep the audience mirror fresh: whole once, then what changed since."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.db import audiences
from app.sync.opened import OpenRun
from app.sync.ports import MirrorRow

OVERLAP = timedelta(minutes=10)  # clock error between us and Mailchimp, and answers still being indexed


class Mirror:
    """The mirror of one run's audience, pulled at most once per slice and only when a decision needs it."""

    def __init__(self, run: OpenRun) -> None:
        self._run = run
        self.fresh = False

    async def refresh(self) -> None:
        """Pull every member, or those changed since the last pull. Statuses only; costs one call per 1,000 members."""
        if self.fresh:
            return
        run = self._run
        began = datetime.now(UTC)
        async with run.database.transaction(run.tenant_id) as connection:
            through = await connection.fetchval(
                "select pulled_through from audience where tenant_id = $1 and id = $2", run.tenant_id, run.audience_id
            )
        since = through - OVERLAP if through is not None else None
        async for rows in run.target.members(since=since):
            await self._note(rows)
        async with run.database.transaction(run.tenant_id) as connection:
            await audiences.pulled(connection, run.tenant_id, run.audience_id, began, whole=since is None)
        self.fresh = True

    async def _note(self, rows: Sequence[MirrorRow]) -> None:
        distinct = {row.hash: row for row in rows}
        run = self._run
        async with run.database.transaction(run.tenant_id) as connection:
            await audiences.mirror(
                connection,
                run.tenant_id,
                run.audience_id,
                list(distinct),
                [row.status for row in distinct.values()],
                [row.last_changed for row in distinct.values()],
            )
