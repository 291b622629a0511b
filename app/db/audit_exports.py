"""The audit trail as lines that leave the product: everything that the chain's hashes are made of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.db.audit import GENESIS, Event, common, detail_text, link

encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One event, as the API shows it: `subject` and `hash` in hexadecimal, `at` to the microsecond."""

    seq: int
    at: datetime
    actor: str
    action: str
    object_id: UUID | None
    sync_id: UUID | None
    run_id: UUID | None
    page: int | None
    code: str | None
    subject: str | None
    reason: str | None
    detail: Any
    hash: str

    def follows(self, previous: bytes) -> bool:
        """Whether the hash is the one of this very event behind `previous`."""
        subject = None if self.subject is None else bytes.fromhex(self.subject)
        event = Event(
            self.action,
            self.actor,
            self.object_id,
            self.sync_id,
            self.run_id,
            self.page,
            self.code,
            subject,
            self.reason,
            self.detail,
        )
        return link(previous, common(self.at, event), self.seq, event, detail_text(self.detail)).hex() == self.hash


class Head(msgspec.Struct, frozen=True):
    """Where a trail ends at one moment of the database's clock."""

    seq: int
    hash: bytes
    at: datetime


async def head(connection: asyncpg.Connection, tenant_id: UUID) -> Head:
    row = await connection.fetchrow(
        "select h.seq, h.hash, clock_timestamp() as at from (select 1) one left join audit_head h on h.tenant_id = $1",
        tenant_id,
    )
    return Head(row["seq"] or 0, row["hash"] or GENESIS, row["at"])


async def hash_at(connection: asyncpg.Connection, tenant_id: UUID, seq: int) -> bytes | None:
    """The hash of an event; None when it is not kept any more. Before the first one stands GENESIS."""
    if seq == 0:
        return GENESIS
    found: bytes | None = await connection.fetchval(
        "select hash from audit_event where tenant_id = $1 and seq = $2", tenant_id, seq
    )
    return found


async def lines(
    connection: asyncpg.Connection, tenant_id: UUID, *, after: int, until: int, limit: int
) -> Sequence[Line]:
    """At most `limit` events behind number `after`, none beyond `until`, oldest first."""
    rows = await connection.fetch(
        "select * from audit_event where tenant_id = $1 and seq > $2 and seq <= $3 order by seq limit $4",
        tenant_id,
        after,
        until,
        limit,
    )
    return [_line(row) for row in rows]


def _line(row: asyncpg.Record) -> Line:
    detail = row["detail"]
    return Line(
        row["seq"],
        row["at"],
        row["actor"],
        row["action"],
        row["object_id"],
        row["sync_id"],
        row["run_id"],
        row["page"],
        row["code"],
        None if row["subject"] is None else row["subject"].hex(),
        row["reason"],
        msgspec.json.decode(detail) if isinstance(detail, str) else detail,
        row["hash"].hex(),
    )
