"""Syncs that write into one audience: whose marks of inactive records do not differ undo each other's."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from app.api.checking import Parts
from app.api.deps import Work
from app.api.schemas.syncs import SyncCreate
from app.db.connections import Connection
from app.db.syncs import Sync
from app.domain.inactive import InactivePolicy, parse_inactive

MATTERS = {"inactive", "target", "target_connection_id"}
"""What of a sync decides with which others it shares an audience, and what it does there."""


async def check_sharing(work: Work, body: SyncCreate, parts: Parts, *, own: UUID | None = None) -> list[str]:
    """Warnings about policies that concern the other syncs' members as well, or that mark inactive records with the
    same tag or merge field as another sync. `own` is the sync that is changed."""
    policy = parse_inactive(body.inactive, stream=body.stream)
    if body.stream == "invoices" or policy.action == "none":
        return []
    others = [sync for sync in await _others(work, body, parts) if sync.id != own]
    if policy.mark is None and others:
        what = f"{policy.action} concerns its members as well"
        return [f"The sync {others[0].name!r} writes into this audience too: {what}."]
    return [_shared_mark(policy, other) for other in others if policy.mark == _policy(other).mark]


def _shared_mark(policy: InactivePolicy, other: Sync) -> str:
    what, name = ("tag", policy.tag) if policy.action == "tag" else ("field", policy.field)
    return (
        f"The sync {other.name!r} marks inactive records of this audience with {name} as well: who is active in one"
        f" and inactive in the other is marked or not, whichever ran last. Give one of them another {what}."
    )


def _policy(sync: Sync) -> InactivePolicy:
    return parse_inactive(sync.inactive, stream=sync.stream)


async def _others(work: Work, body: SyncCreate, parts: Parts) -> Sequence[Sync]:
    """Every sync of members into the audience, over whichever connection to its account."""
    connections = select(Connection).where(
        col(Connection.tenant_id) == work.tenant_id, col(Connection.system) == "mailchimp"
    )
    found = (await work.db.exec(connections.order_by(col(Connection.id)))).all()
    same = [connection.id for connection in found if _same_account(connection, parts.target)]
    statement = select(Sync).where(
        col(Sync.tenant_id) == work.tenant_id,
        col(Sync.stream) != "invoices",
        col(Sync.target_connection_id).in_(same),
        col(Sync.target)["audience_id"].astext == body.target.audience_id,
    )
    return (await work.db.exec(statement.order_by(col(Sync.created_at), col(Sync.id)))).all()


def _same_account(one: Connection, other: Connection) -> bool:
    account = one.facts.get("account_id")
    return one.id == other.id or (account is not None and account == other.facts.get("account_id"))
