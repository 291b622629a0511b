"""The brake: a run that would do more than its sync allows stops before it has written anything."""

from collections import Counter
from collections.abc import Sequence

from app.domain.planning import LEFT, Action, Decision, decide_all
from app.sync.deciding import Candidate, candidates_of, recall
from app.sync.mirror import Mirror
from app.sync.opened import Halted, OpenRun
from app.sync.pages import Position
from app.sync.reading import Reader

FEW = 50  # so many may become inactive whatever the percentage says


async def check_brake(run: OpenRun) -> None:
    """Count what the run would do when that could exceed the brake. Raises Halted.

    A counting pass reads the source once more, so it is made only when the cheap upper bounds (records touched,
    records known) do not rule the brake out.
    """
    brake = run.sync["brake"] or {}
    most_new, percent = brake.get("max_new"), brake.get("max_inactive_percent")
    if run.dry or run.row["approved"] or run.position is not None or run.row["codes"] is not None:
        return
    active = await _active(run)
    most_inactive = None if percent is None else max(active * percent / 100, FEW)
    if most_new is None and (most_inactive is None or active <= most_inactive):
        return
    reader = Reader(run, Position(), run.since)
    touched = await reader.count_codes()
    if touched is not None and touched <= min(x for x in (most_new, most_inactive) if x is not None):
        return
    await Mirror(run).refresh()
    counts = await _count(run, reader)
    if most_new is not None and counts["new"] > most_new:
        raise Halted(
            "brake_new",
            f"The run would create {counts['new']} members; this sync allows {most_new}. Approve or cancel.",
        )
    if most_inactive is not None and counts["inactive"] > most_inactive:
        raise Halted(
            "brake_inactive",
            f"The run would mark {counts['inactive']} of {active} active members as inactive; this sync allows"
            f" {percent} %. Approve or cancel.",
        )


async def _active(run: OpenRun) -> int:
    async with run.database.transaction(run.tenant_id) as connection:
        count: int = await connection.fetchval(
            "select count(*) from record where tenant_id = $1 and sync_id = $2 and state = 'synced' and is_active",
            run.tenant_id,
            run.sync_id,
        )
        return count


async def _count(run: OpenRun, reader: Reader) -> Counter[str]:
    counts: Counter[str] = Counter()
    async for parties in reader.everything():
        for decision in await _decisions(run, await candidates_of(run, parties)):
            counts["new"] += decision.action is Action.INSERT
            counts["inactive"] += turns_inactive(decision)
    return counts


def turns_inactive(decision: Decision) -> bool:
    """Whether a member we carry as active would be marked, archived or taken down."""
    known = decision.known
    return known.state == "synced" and known.is_active and (not decision.is_active or decision.reason in LEFT)


async def _decisions(run: OpenRun, candidates: Sequence[Candidate]) -> list[Decision]:
    candidates, known = await recall(run, candidates)
    return decide_all(candidates, known, run.policy, run.encode)
