"""Members that a call of ours may have made although its answer never reached the ledger."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app.db import batches
from app.domain.planning import Action, Decision, Outcome, born
from app.sync.opened import OpenRun
from app.sync.ports import MirrorRow

CLOCK_ERROR = timedelta(minutes=5)


class LeftBehind:
    """Inserts of an earlier holder of the run, and of this one, that were never answered.

    When such a member turns out to exist, it is read back: if it holds what we sent, it is ours and counts as
    created.
    """

    def __init__(self, run: OpenRun) -> None:
        self._run = run
        self._sent: dict[bytes, bytes] = {}
        self._since: datetime | None = None
        self._found: dict[bytes, MirrorRow] | None = None

    def __bool__(self) -> bool:
        return bool(self._sent)

    async def load(self) -> None:
        """What the earlier holder left."""
        run = self._run
        async with run.database.transaction(run.tenant_id) as connection:
            self._sent, self._since = await batches.left_by_earlier_holder(
                connection, run.tenant_id, run.run_id, run.fence
            )

    def expect(self, decision: Decision) -> None:
        """This row was sent and not answered."""
        if decision.member is not None:
            self._sent[decision.member.hash] = decision.fingerprint or b""
            self._since = self._since or datetime.now(UTC)
            self._found = None

    async def made(self, decision: Decision) -> bool:
        """Whether the member is one of these and holds what we would send; then the decision is completed.

        One of these that holds something else (another record of the sync was sent to the address) still counts as
        created, and takes the update path.
        """
        member = decision.member
        if member is None or member.hash not in self._sent:
            return False
        row = (await self._read_back()).get(member.hash)
        if row is None:
            return False
        decision.outcome = Outcome.CREATED
        decision.flags |= born(self._run.policy.new_member_status)
        if self._sent[member.hash] != decision.fingerprint or not _holds(row, decision.fragment):
            decision.action = Action.UPDATE
            return False
        decision.action, decision.status, decision.done = Action.INSERT, row.status, True
        return True

    async def _read_back(self) -> Mapping[bytes, MirrorRow]:
        if self._found is None:
            found: dict[bytes, MirrorRow] = {}
            since = (self._since or datetime.now(UTC)) - CLOCK_ERROR
            async for rows in self._run.target.members(since=since, whole=True):
                found.update((row.hash, row) for row in rows if row.hash in self._sent)
            self._found = found
        return self._found


def _holds(row: MirrorRow, fragment: bytes) -> bool:
    wanted: dict[str, Any] = msgspec.json.decode(b"{" + fragment + b"}").get("merge_fields", {})
    return all(_same(row.merge_fields.get(name, ""), value) for name, value in wanted.items())


def _same(there: object, sent: object) -> bool:
    if isinstance(sent, dict) and isinstance(there, dict):
        return all(str(there.get(part, "")) == str(value) for part, value in sent.items())
    return str(there) == str(sent)
