"""Sign-ins under way at a vendor: each is answered once, in time, for the connection and the key that began it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from app.db.base import Row, instant

MOST_PER_CONNECTION = 10


class OAuthState(Row, table=True):
    """`state_hash` is the SHA-256 of 256 random bits and is taken away by the first answer.

    phase: `asked` (a browser is on its way), `taken` (answered; the code is being exchanged), `waiting` (the vendor
    is not ready; `answer`, sealed, holds the code), `granted` (tokens are stored, the connection is not verified yet).
    `application` is a digest of the client id and of where its secret goes: a changed connection takes no old answer.
    `late_until` allows approvals after `expires_at` while the connection still waits for one; None allows none.
    """

    __tablename__ = "oauth_state"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connection.tenant_id", "connection.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "api_key_id"], ["api_key.tenant_id", "api_key.id"], ondelete="CASCADE"),
        UniqueConstraint("state_hash"),
        Index("ix_oauth_state_connection_id", "tenant_id", "connection_id"),
        Index("ix_oauth_state_open", "next_try_at", postgresql_where=text("next_try_at is not null")),
    )

    connection_id: UUID
    api_key_id: UUID | None = None  # None: the operator key
    actor: str
    state_hash: bytes | None = Field(default=None, sa_type=LargeBinary)
    application: bytes = Field(sa_type=LargeBinary)
    redirect_uri: str
    expires_at: datetime = instant()
    late_until: datetime | None = instant(nullable=True)
    phase: str = "asked"
    answer: bytes | None = Field(default=None, sa_type=LargeBinary)
    next_try_at: datetime | None = instant(nullable=True)
    tries: int = 0


_MINE = "tenant_id = $1 and id = $2"
_FIND = """
select o.tenant_id, o.id, c.system, t.data_key, t.data_key_id
  from oauth_state o
  join connection c on c.tenant_id = o.tenant_id and c.id = o.connection_id
  join tenant t on t.id = o.tenant_id
 where o.state_hash = $1 and t.data_key <> ''
"""
_KEY_IS_GOOD = """
       not exists (select from api_key k where k.tenant_id = o.tenant_id and k.id = o.api_key_id
                   and (k.revoked_at is not null or k.expires_at <= clock_timestamp())) as key_is_good
"""
_TAKE = f"""
update oauth_state o set phase = 'taken', state_hash = null
 where {_MINE} and phase = 'asked' and state_hash = $3
returning *, expires_at > clock_timestamp() as in_time, coalesce(late_until > clock_timestamp(), false) as late,
{_KEY_IS_GOOD}
"""
_DUE = """
select o.tenant_id, o.id, t.data_key, t.data_key_id from oauth_state o join tenant t on t.id = o.tenant_id
 where o.next_try_at <= clock_timestamp() and t.data_key <> '' order by o.next_try_at limit 100
"""
_CLAIM = f"""
update oauth_state o set tries = tries + 1,
       next_try_at = clock_timestamp() + make_interval(secs => least(900, 15 * power(2, least(tries, 10))))
 where {_MINE} and next_try_at <= clock_timestamp()
returning *, greatest(expires_at, late_until) <= clock_timestamp() as too_late,
{_KEY_IS_GOOD}
"""
_CROWD = """
delete from oauth_state where tenant_id = $1 and id in (
    select id from oauth_state where tenant_id = $1 and connection_id = $2 and phase = 'asked'
     order by created_at desc offset $3)
"""
_FORGET = """
delete from oauth_state
 where next_try_at is null and greatest(expires_at, late_until) < clock_timestamp() - interval '1 hour'
"""


async def find(connection: asyncpg.Connection, state_hash: bytes) -> asyncpg.Record | None:
    """Whose state this is, with the vendor it belongs to and the tenant's wrapped key; as the system role."""
    return await connection.fetchrow(_FIND, state_hash)


async def take(connection: asyncpg.Connection, tenant_id: UUID, id_: UUID, state_hash: bytes) -> asyncpg.Record | None:
    """Answer a state, once; None for whoever comes second. Beside the row: `in_time`, `late`, `key_is_good`."""
    return await connection.fetchrow(_TAKE, tenant_id, id_, state_hash)


async def move(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    id_: UUID,
    phase: str,
    *,
    seconds: float,
    answer: bytes | None = None,
    until: datetime | None = None,
) -> None:
    """To the phase `waiting` or `granted`: looked at again in so many seconds, given up not before `until`."""
    await connection.execute(
        f"update oauth_state set phase = $3, answer = $5, next_try_at = clock_timestamp() + make_interval(secs => $4),"
        f" late_until = greatest(late_until, $6) where {_MINE}",
        tenant_id,
        id_,
        phase,
        seconds,
        answer,
        until,
    )


async def due(connection: asyncpg.Connection) -> Sequence[asyncpg.Record]:
    """Sign-ins of all tenants to be looked at again; as the system role."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(_DUE)
    return rows


async def claim(connection: asyncpg.Connection, tenant_id: UUID, id_: UUID) -> asyncpg.Record | None:
    """Take a due sign-in for one look; the next one comes later and later. None when another worker has it."""
    return await connection.fetchrow(_CLAIM, tenant_id, id_)


async def drop(connection: asyncpg.Connection, tenant_id: UUID, id_: UUID) -> None:
    await connection.execute(f"delete from oauth_state where {_MINE}", tenant_id, id_)


async def drop_others(connection: asyncpg.Connection, tenant_id: UUID, connection_id: UUID, id_: UUID) -> None:
    """Once one sign-in succeeded, no other one of its connection may replace what it brought."""
    await connection.execute(
        "delete from oauth_state where tenant_id = $1 and connection_id = $2 and id <> $3",
        tenant_id,
        connection_id,
        id_,
    )


async def thin_out(connection: asyncpg.Connection, tenant_id: UUID, connection_id: UUID) -> None:
    """Leave the newest few unanswered ones of a connection."""
    await connection.execute(_CROWD, tenant_id, connection_id, MOST_PER_CONNECTION)


async def forget_old(connection: asyncpg.Connection) -> None:
    """Drop those of all tenants that nobody can answer any more; as the system role."""
    await connection.execute(_FORGET)
