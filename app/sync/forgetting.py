"""Who was erased stays away: a full read of X3, a replay, a new mapping bring nobody back."""

from collections.abc import Sequence

from app.db import suppression
from app.domain.member import Member, Skip
from app.sync.opened import OpenRun


async def without_erased(run: OpenRun, candidates: Sequence[Member | Skip]) -> list[Member | Skip]:
    """The same, with members whose address was erased as skips: `forgotten`.

    Asked anew for every page, since an erasure may come at any time; costs one look where nobody was ever erased.
    """
    members = [candidate for candidate in candidates if isinstance(candidate, Member)]
    if not members:
        return list(candidates)
    async with run.database.transaction(run.tenant_id) as connection:
        if not await suppression.any_of(connection, run.tenant_id):
            return list(candidates)
        digests = {member.key: run.keys.digest(member.email.strip().lower().encode()) for member in members}
        erased = await suppression.among(connection, run.tenant_id, list(digests.values()))
    return [
        Skip(candidate.key, candidate.code, "forgotten", is_active=candidate.is_active)
        if isinstance(candidate, Member) and digests[candidate.key] in erased
        else candidate
        for candidate in candidates
    ]
