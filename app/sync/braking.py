"""The brake: a run that would do more than its sync allows stops before it has written anything.

While that is open a run reads and decides as always, but whatever would change something waits: only the codes are
kept, and read once more when the scan is complete and the brake allows it. So a run that finds little to do reads the
source once; one that finds much reads it twice, in slices like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.brake import Would
from app.domain.planning import Decision
from app.sync.opened import Halted, OpenRun
from app.sync.pages import Page, Position
from app.sync.reading import Reader

FEW = 50  # so many may become inactive whatever the percentage says


@dataclass(frozen=True, slots=True)
class Brake:
    """What a run may do. `active` are the members of the sync that are active now, `percent` its own setting;
    `reads_twice` when no codes need be kept, since nearly all would be."""

    most_new: int | None
    most_inactive: float | None
    active: int
    percent: float | None
    reads_twice: bool = False

    def sift(self, page: Page, decisions: Sequence[Decision]) -> None:
        """What changes nothing goes on; parties with anything else wait."""
        codes = {decision.code for decision in decisions if decision.has_effect or decision.later}
        page.decisions.extend(decision for decision in decisions if decision.code not in codes)
        page.waiting.extend(decision for decision in decisions if decision.code in codes)

    def judge(self, would: Would) -> None:
        """The whole source has been read. Raises Halted when the run would do more than is allowed."""
        if self.most_new is not None and would.create > self.most_new:
            raise Halted(
                "brake_new",
                f"The run would create {would.create} members; this sync allows {self.most_new}. Approve or cancel.",
            )
        if self.most_inactive is not None and would.deactivate > self.most_inactive:
            raise Halted(
                "brake_inactive",
                f"The run would mark {would.deactivate} of {self.active} active members as inactive; this sync allows"
                f" {self.percent} %. Approve or cancel.",
            )


async def brake_of(run: OpenRun) -> Brake | None:
    """The run's brake; None when it has none, when it was approved or found harmless before, and when cheap upper
    bounds (records touched, records known) rule it out."""
    wanted = run.sync["brake"] or {}
    most_new, percent = wanted.get("max_new"), wanted.get("max_inactive_percent")
    position = run.position
    is_past = position is not None and position.measured
    if run.dry or run.row["approved"] or run.row["codes"] is not None or is_past:
        return None
    active = await _active(run)
    most_inactive = None if percent is None else max(active * percent / 100, FEW)
    if most_new is None and (most_inactive is None or active <= most_inactive):
        return None
    if position is None:
        touched = await Reader(run, Position(), run.since).count_codes()
        if touched is not None and touched <= min(x for x in (most_new, most_inactive) if x is not None):
            return None
    return Brake(most_new, most_inactive, active, percent, reads_twice=run.first or run.keeper is not None)


async def _active(run: OpenRun) -> int:
    async with run.database.transaction(run.tenant_id) as connection:
        count: int = await connection.fetchval(
            "select count(*) from record where tenant_id = $1 and sync_id = $2 and state = 'synced' and is_active",
            run.tenant_id,
            run.sync_id,
        )
        return count
