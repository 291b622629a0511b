"""Messages about alerts: an outbox. Each is sent until its receiver took it, under one id however often."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text

from app.db.base import Row, document, instant


class AlertDelivery(Row, table=True):
    """One message to one channel. phase: opened, resolved, digest (`alert_id` null: it stands for those folded into
    it). `message` is what is sent, frozen when it was decided; `seq` counts the messages of an alert to a channel.

    state: pending, delivered, failed (given up), folded (told by the digest `folded_into`), dropped (the channel was
    switched off).
    """

    __tablename__ = "alert_delivery"
    __table_args__ = (
        UniqueConstraint("tenant_id", "alert_id", "channel_id", "seq"),
        ForeignKeyConstraint(["tenant_id", "alert_id"], ["alert.tenant_id", "alert.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "channel_id"], ["alert_channel.tenant_id", "alert_channel.id"], ondelete="CASCADE"
        ),
        Index(
            "ix_alert_delivery_pending",
            "tenant_id",
            "channel_id",
            "next_try_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_alert_delivery_recent",
            "tenant_id",
            "channel_id",
            "delivered_at",
            postgresql_where=text("delivered_at is not null"),
        ),
        Index("ix_alert_delivery_created_at", "tenant_id", "created_at"),
    )

    channel_id: UUID
    alert_id: UUID | None = None
    seq: int
    phase: str
    message: dict[str, Any] = document()
    state: str = "pending"
    folded_into: UUID | None = None
    attempts: int = 0
    next_try_at: datetime = instant(default_now=True)
    last_status: int | None = None
    last_sentence: str | None = None
    delivered_at: datetime | None = instant(nullable=True)


TOLD = """
select d.tenant_id, d.alert_id, d.channel_id, max(d.seq) as seq,
       (array_agg(d.phase order by d.seq desc) filter (where d.state <> 'dropped'))[1] as phase
  from alert a join alert_delivery d on d.tenant_id = a.tenant_id and d.alert_id = a.id
 where a.state = 'open' and ($1::uuid is null or a.tenant_id = $1)
 group by 1, 2, 3
"""
WRITE = """
insert into alert_delivery (tenant_id, id, created_at, channel_id, alert_id, seq, phase, message, state, attempts,
                            next_try_at)
values ($1, $2, clock_timestamp(), $3, $4, $5, $6, $7::varchar::jsonb, 'pending', 0, clock_timestamp())
on conflict (tenant_id, alert_id, channel_id, seq) do nothing
"""
DUE = """
select d.tenant_id, d.channel_id as id from alert_delivery d
  join alert_channel c on c.tenant_id = d.tenant_id and c.id = d.channel_id and c.enabled
 where d.state = 'pending' and d.next_try_at <= clock_timestamp()
 group by 1, 2 order by min(d.next_try_at) limit 200
"""
_FIRST_OF_ITS_ALERT = """
not exists (select from alert_delivery e where e.tenant_id = d.tenant_id and e.channel_id = d.channel_id
            and e.alert_id = d.alert_id and e.state = 'pending' and e.seq < d.seq{more})
"""
FRESH = f"""
select d.id, d.message from alert_delivery d
 where d.tenant_id = $1 and d.channel_id = $2 and d.state = 'pending' and d.attempts = 0 and d.phase <> 'digest'
   and d.next_try_at <= clock_timestamp() and {_FIRST_OF_ITS_ALERT.format(more=" and e.attempts > 0")}
 order by d.created_at, d.seq limit 5000
"""
RECENT = """
select count(*) from alert_delivery
 where tenant_id = $1 and channel_id = $2 and delivered_at > clock_timestamp() - interval '1 minute'
"""
FOLD = """
update alert_delivery set state = 'folded', folded_into = $3 where tenant_id = $1 and id = any($2) and state = 'pending'
"""
NEXT = f"""
update alert_delivery set attempts = attempts + 1, next_try_at = clock_timestamp() + make_interval(secs => $3)
 where tenant_id = $1 and id = (
   select d.id from alert_delivery d
    where d.tenant_id = $1 and d.channel_id = $2 and d.state = 'pending' and d.next_try_at <= clock_timestamp()
      and {_FIRST_OF_ITS_ALERT.format(more="")}
    order by d.created_at, d.seq limit 1)
returning *
"""
_MINE = "tenant_id = $1 and id = $2 and attempts = $3 and state = 'pending'"
TAKEN = f"""
update alert_delivery set state = 'delivered', delivered_at = clock_timestamp(), last_status = $4, last_sentence = $5
 where {_MINE} returning true
"""
REFUSED = f"""
update alert_delivery set state = case when $6::float8 is null then 'failed' else 'pending' end, last_status = $4,
       last_sentence = $5, next_try_at = clock_timestamp() + make_interval(secs => coalesce($6, 0))
 where {_MINE} returning true
"""
DROP = "update alert_delivery set state = 'dropped' where tenant_id = $1 and channel_id = $2 and state = 'pending'"
FORGET = """
delete from alert_delivery d where d.tenant_id = $1 and d.alert_id is null and d.created_at < $2
   and not exists (select from alert_delivery f where f.tenant_id = $1 and f.folded_into = d.id)
"""


async def told(connection: asyncpg.Connection, tenant_id: UUID | None) -> Sequence[asyncpg.Record]:
    """What each channel was told last of each open alert (`phase`, null when that was dropped) and its `seq`."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(TOLD, tenant_id)
    return rows


async def write(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    channel_id: UUID,
    alert_id: UUID | None,
    seq: int,
    phase: str,
    message: dict[str, Any],
) -> UUID:
    """Put a message into the outbox; one that is there already stays as it is."""
    id_ = uuid4()
    text_ = msgspec.json.encode(message).decode()
    await connection.execute(WRITE, tenant_id, id_, channel_id, alert_id, seq, phase, text_)
    return id_


async def due(connection: asyncpg.Connection) -> Sequence[asyncpg.Record]:
    """Channels (`tenant_id`, `id`) with something to send now; for a worker, as the system role."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(DUE)
    return rows


async def fresh(connection: asyncpg.Connection, tenant_id: UUID, channel_id: UUID) -> Sequence[asyncpg.Record]:
    """What waits for a channel and was never tried."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(FRESH, tenant_id, channel_id)
    return rows


async def recent(connection: asyncpg.Connection, tenant_id: UUID, channel_id: UUID) -> int:
    """How many messages a channel took within the last minute."""
    count: int = await connection.fetchval(RECENT, tenant_id, channel_id)
    return count


async def fold(connection: asyncpg.Connection, tenant_id: UUID, ids: Sequence[UUID], digest_id: UUID) -> None:
    """These are told by the digest."""
    await connection.execute(FOLD, tenant_id, ids, digest_id)


async def next_(
    connection: asyncpg.Connection, tenant_id: UUID, channel_id: UUID, hold_seconds: float
) -> asyncpg.Record | None:
    """The next message to send, ours for so long; when we die over it, somebody sends it again."""
    return await connection.fetchrow(NEXT, tenant_id, channel_id, hold_seconds)


async def taken(
    connection: asyncpg.Connection, tenant_id: UUID, id_: UUID, attempt: int, status: int | None, sentence: str
) -> bool:
    """The receiver has it. False when somebody else has tried again meanwhile."""
    return bool(await connection.fetchval(TAKEN, tenant_id, id_, attempt, status, sentence))


async def refused(
    connection: asyncpg.Connection,
    tenant_id: UUID,
    id_: UUID,
    attempt: int,
    status: int | None,
    sentence: str,
    again_seconds: float | None,
) -> bool:
    """It did not arrive: try again after so long, or never (None)."""
    return bool(await connection.fetchval(REFUSED, tenant_id, id_, attempt, status, sentence, again_seconds))


async def drop(connection: asyncpg.Connection, tenant_id: UUID, channel_id: UUID) -> None:
    """Nothing that waits for this channel goes out any more."""
    await connection.execute(DROP, tenant_id, channel_id)


async def forget_old(connection: asyncpg.Connection, tenant_id: UUID, before: datetime) -> None:
    """Retention: digests of alerts that are gone; the others go with their alerts."""
    await connection.execute(FORGET, tenant_id, before)
