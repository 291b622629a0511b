"""Who was erased stays away: a full read of X3, a replay, a new mapping bring nobody back."""

from collections.abc import Sequence
from uuid import UUID

from app.connections.vault import TenantKeys
from app.db import suppression
from app.db.engine import Database
from app.domain.member import Member, Skip


async def without_erased(
    database: Database, keys: TenantKeys, tenant_id: UUID, candidates: Sequence[Member | Skip]
) -> list[Member | Skip]:
    """The same, with members whose address was erased as skips: `forgotten`.

    Asked anew for every page, since an erasure may come at any time; costs one look where nobody was ever erased.
    """
    members = [candidate for candidate in candidates if isinstance(candidate, Member)]
    if not members:
        return list(candidates)
    async with database.transaction(tenant_id) as connection:
        if not await suppression.any_of(connection, tenant_id):
            return list(candidates)
        digests = {member.key: keys.digest(member.email.strip().lower().encode()) for member in members}
        erased = await suppression.among(connection, tenant_id, list(digests.values()))
    return [
        Skip(candidate.key, candidate.code, "forgotten", is_active=candidate.is_active)
        if isinstance(candidate, Member) and digests[candidate.key] in erased
        else candidate
        for candidate in candidates
    ]
