"""Who was erased stays away: a full read of X3, a replay, a new mapping bring nobody back."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from app.connections.vault import TenantKeys
from app.db import suppression
from app.domain.member import Member, Skip


async def without_erased(
    connection: asyncpg.Connection, keys: TenantKeys, tenant_id: UUID, candidates: Sequence[Member | Skip]
) -> Sequence[Member | Skip]:
    """The same, with members whose address was erased as skips: `forgotten`.

    Asked anew whenever a page is looked up, since an erasure may come at any time; costs one look where nobody was
    ever erased.
    """
    if not await suppression.any_of(connection, tenant_id):
        return candidates
    members = [candidate for candidate in candidates if isinstance(candidate, Member)]
    digests = {member.key: keys.digest(member.email.strip().lower().encode()) for member in members}
    erased = await suppression.among(connection, tenant_id, list(digests.values()))
    return [
        Skip(candidate.key, candidate.code, "forgotten", is_active=candidate.is_active)
        if isinstance(candidate, Member) and digests[candidate.key] in erased
        else candidate
        for candidate in candidates
    ]
