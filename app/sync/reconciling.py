"""Reconcile: compare the whole source with the whole audience, repair what drifted, find what X3 has deleted."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from app.db import audiences, reconciling
from app.domain.drift import ABSENT_ONCE, CHANGED, CLASSES, DELETED, MISSING, ORPHAN, Comparison
from app.domain.member import Skip
from app.domain.planning import Action, Decision, Outcome
from app.sync.opened import Halted, OpenRun
from app.sync.pages import Page, Position
from app.sync.ports import MirrorRow

SCANS = 2  # complete scans without a key before it counts as deleted
ORPHANS_NAMED = 500
FEW = 50  # so many may be deleted whatever the brake's percentage says
REPAIRABLE = (MISSING, CHANGED, DELETED)


class Reconciler:
    """The comparing part of one reconcile run; the run itself reads, writes and remembers as a full one does."""

    def __init__(self, run: OpenRun) -> None:
        self._run = run
        self._tags = [tag for tag in run.mapping.tags if tag != run.inactive.get("tag")]
        self._comparison = Comparison(sorted(run.mapping.targets), run.keys.digest(b"drift" + run.run_id.bytes))
        wanted = (run.sync.get("reconcile") or {}).get("repair")
        self._repaired = set(REPAIRABLE if wanted is None else wanted)

    async def copy_audience(self, position: Position) -> None:
        """Keep a copy of every member as it is now: digests of merge fields, and tags. Once in a run's life."""
        run = self._run
        if position.copied:
            return
        began = datetime.now(UTC)
        async with run.database.transaction(run.tenant_id) as connection:
            await reconciling.forget(connection, run.tenant_id, run.run_id)
        async for rows in run.target.members(since=None, whole=True):
            await self._keep({row.hash: row for row in rows}.values())  # a few may come twice
        async with run.database.transaction(run.tenant_id) as connection:
            await audiences.pulled(connection, run.tenant_id, run.audience_id, began, whole=True)
        position.copied = True

    async def _keep(self, members: Collection[MirrorRow]) -> None:
        run = self._run
        kept = [(m.hash, self._comparison.copy(m.merge_fields), list(m.tags), self._sealed(m)) for m in members]
        async with run.database.transaction(run.tenant_id) as connection:
            await reconciling.copy_members(connection, run.tenant_id, run.run_id, kept)
            await audiences.mirror(
                connection,
                run.tenant_id,
                run.audience_id,
                [member.hash for member in members],
                [member.status for member in members],
                [member.last_changed for member in members],
            )

    def _sealed(self, member: MirrorRow) -> bytes | None:
        if not set(self._tags).intersection(member.tags):
            return None
        return self._run.keys.seal(member.email.encode(), self._run.run_id, "reconcile.email")

    async def compare(self, decisions: Sequence[Decision]) -> None:
        """Members that X3 has not changed but the audience has: to be written again, where the sync wants that."""
        run = self._run
        same = [d for d in decisions if d.outcome is Outcome.UNCHANGED and d.member is not None]
        same = [d for d in same if d.known.state == "synced" and d.action is Action.NONE]
        if not same:
            return
        async with run.database.transaction(run.tenant_id) as connection:
            hashes = [d.member.hash for d in same if d.member is not None]
            found = await reconciling.copied(connection, run.tenant_id, run.run_id, hashes)
        for decision in same:
            if decision.member is None:
                continue
            decision.drift = self._comparison.drift(decision.member, found.get(decision.member.hash))
            if decision.drift in self._repaired:
                decision.action, decision.outcome, decision.remember = Action.UPDATE, Outcome.UPDATED, True
                decision.reason = decision.drift

    async def saw(self, connection: asyncpg.Connection, pages: Sequence[Page]) -> None:
        """Note the keys of pages that are being remembered, and what has drifted on them."""
        keys = [d.key for page in pages if page.lane.kind != "absent" for d in page.decisions]
        if keys:
            await reconciling.saw(connection, self._run.tenant_id, self._run.run_id, keys)
        drifted = Counter(d.drift for page in pages for d in page.decisions if d.drift is not None)
        if drifted:
            before = self._run.row["drift"] or {}
            await self.note(connection, {name: before.get(name, 0) + count for name, count in drifted.items()})

    async def unseen(self) -> Sequence[str]:
        """Codes to be asked for by name, since the scan did not meet them."""
        run = self._run
        async with run.database.transaction(run.tenant_id) as connection:
            return await reconciling.absent_codes(connection, run.tenant_id, run.sync_id, run.run_id)

    async def deleted(self) -> Sequence[Skip]:
        """Records X3 did not name in SCANS complete scans, as skips by key. Raises Halted when they are too many.

        A dry run counts this scan without noting it.
        """
        run = self._run
        async with run.database.transaction(run.tenant_id) as connection:
            missed = await self._missed(connection)
            gone = [(key, code) for key, code, scans in missed if scans >= SCANS]
            active = await connection.fetchval(
                "select count(*) from record where tenant_id = $1 and sync_id = $2 and state = 'synced'",
                run.tenant_id,
                run.sync_id,
            )
            await self.note(connection, {DELETED: len(gone), ABSENT_ONCE: len(missed) - len(gone)})
        percent = (run.sync["brake"] or {}).get("max_inactive_percent")
        if percent is not None and not run.row["approved"] and len(gone) > max(active * percent / 100, FEW):
            raise Halted(
                "brake_deleted",
                f"X3 no longer has {len(gone)} of {active} records; this sync allows {percent} %. Approve or cancel.",
            )
        return [Skip(key, code, DELETED, is_active=False) for key, code in gone] if DELETED in self._repaired else []

    async def _missed(self, connection: asyncpg.Connection) -> Sequence[tuple[str, str, int]]:
        run = self._run
        if run.dry:
            return await reconciling.would_be_absent(connection, run.tenant_id, run.sync_id, run.run_id)
        await reconciling.note_absences(connection, run.tenant_id, run.sync_id, run.run_id)
        return await reconciling.absences(connection, run.tenant_id, run.sync_id)

    async def report_orphans(self) -> Sequence[str]:
        """Addresses that carry a tag of this sync although no record stands for them; at most ORPHANS_NAMED."""
        run = self._run
        if not self._tags:
            return []
        async with run.database.transaction(run.tenant_id) as connection:
            count, sealed = await reconciling.orphans(connection, run.tenant_id, run.run_id, self._tags, ORPHANS_NAMED)
            await self.note(connection, {ORPHAN: count})
        return [run.keys.open(each, run.run_id, "reconcile.email").decode() for each in sealed]

    async def note(self, connection: asyncpg.Connection, counts: Mapping[str, int]) -> None:
        """Set counts of the drift report (those given replace what was there)."""
        run = self._run
        merged = {**dict.fromkeys(CLASSES, 0), **(run.row["drift"] or {}), **counts}
        await connection.execute(
            "update sync_run set drift = $3::varchar::jsonb where tenant_id = $1 and id = $2",
            run.tenant_id,
            run.run_id,
            msgspec.json.encode(merged).decode(),
        )
        run.row = {**run.row, "drift": merged}

    async def forget(self) -> None:
        """The copies are no longer needed."""
        async with self._run.database.transaction(self._run.tenant_id) as connection:
            await reconciling.forget(connection, self._run.tenant_id, self._run.run_id)
