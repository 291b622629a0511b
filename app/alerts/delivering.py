"""The outbox is emptied: every message until its receiver took it, at least once, in order for each alert, and never
more a minute than people can read."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import structlog

from app.alerts import messages
from app.alerts.courier import Courier
from app.alerts.mailing import PATIENCE_SECONDS
from app.alerts.ports import Outcome
from app.alerts.sealing import unseal
from app.connections.crowds import for_each
from app.connections.vault import CannotOpen, TenantKeys, Vault
from app.db import alert_channels, alert_deliveries, audit
from app.db.engine import Database

log = structlog.get_logger(__name__)

# As the Standard Webhooks specification suggests: after these seconds again, a little more than three days in all.
WAITS = (5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
MOST_A_MINUTE = 10
_HOLD_SECONDS = PATIENCE_SECONDS + 45  # whoever has not said by then how it ended is taken for dead


@dataclass(frozen=True, slots=True)
class Office:
    """What delivering works with."""

    database: Database
    vault: Vault
    courier: Courier
    waits: Sequence[float] = WAITS
    most_a_minute: int = MOST_A_MINUTE
    hold_seconds: float = _HOLD_SECONDS


async def deliver_all(office: Office) -> int:
    """Send what is due, a few channels at a time; how many channels that were."""
    async with office.database.system() as connection:
        due = await alert_deliveries.due(connection)

    async def work(row: asyncpg.Record) -> None:
        await deliver(office, row["tenant_id"], row["id"])

    await for_each(due, work)
    return len(due)


async def deliver(office: Office, tenant_id: UUID, channel_id: UUID) -> int:
    """Send what is due to one channel, until one attempt fails: then the others need not try now. How many arrived."""
    arrived = 0
    while (taken := await _take(office, tenant_id, channel_id)) is not None:
        if not await _Errand(office, tenant_id, *taken).run():
            break
        arrived += 1
    return arrived


async def _take(office: Office, tenant_id: UUID, channel_id: UUID) -> tuple[asyncpg.Record, asyncpg.Record] | None:
    """The channel, and the next message to it, ours for a while; None when nothing may go out now."""
    async with office.database.transaction(tenant_id) as connection:
        channel = await alert_channels.lock(connection, tenant_id, channel_id)
        if channel is None:
            return None
        left = office.most_a_minute - await alert_deliveries.recent(connection, tenant_id, channel_id)
        if left <= 0:
            return None
        await _fold(connection, channel, left)
        delivery = await alert_deliveries.next_(connection, tenant_id, channel_id, office.hold_seconds)
        return None if delivery is None else (channel, delivery)


async def _fold(connection: asyncpg.Connection, channel: asyncpg.Record, left: int) -> None:
    """When more waits than may go out, all of it becomes one message."""
    tenant_id, channel_id = channel["tenant_id"], channel["id"]
    waiting = await alert_deliveries.fresh(connection, tenant_id, channel_id)
    if len(waiting) <= left:
        return
    digest = messages.digest([row["message"] for row in waiting], datetime.now(UTC))
    digest_id = await alert_deliveries.write(connection, tenant_id, channel_id, None, 0, "digest", digest)
    await alert_deliveries.fold(connection, tenant_id, [row["id"] for row in waiting], digest_id)


class _Errand:
    """One attempt to deliver one message."""

    def __init__(self, office: Office, tenant_id: UUID, channel: asyncpg.Record, delivery: asyncpg.Record) -> None:
        self.office, self.tenant_id, self.channel, self.delivery = office, tenant_id, channel, delivery

    async def run(self) -> bool:
        keys = self.office.vault.tenant(self.tenant_id, self.channel["data_key"], self.channel["data_key_id"])
        outcome = await self._sent(keys)
        async with self.office.database.transaction(self.tenant_id) as connection:
            await self._settle(connection, outcome)
        return outcome.ok

    async def _sent(self, keys: TenantKeys) -> Outcome:
        try:
            secrets = unseal(keys, self.channel["id"], self.channel["sealed"])
        except CannotOpen:
            return Outcome(False, "The secrets of this channel cannot be opened; make it anew.", is_final=True)
        return await self.office.courier.send(self.channel, secrets, self.delivery["id"], self.delivery["message"])

    async def _settle(self, connection: asyncpg.Connection, outcome: Outcome) -> None:
        """Whoever tried again meanwhile, since we took too long, settles it instead."""
        mine = (connection, self.tenant_id, self.delivery["id"], self.delivery["attempts"])
        if outcome.ok:
            if await alert_deliveries.taken(*mine, outcome.status, outcome.sentence):
                await self._note("ok", None, connection)
            return
        again = self._again(outcome)
        if await alert_deliveries.refused(*mine, outcome.status, outcome.sentence, again):
            await self._note("gone" if outcome.is_gone else "failing", outcome.sentence, connection)
            await self._tell_of_failure(connection, outcome, again)

    def _again(self, outcome: Outcome) -> float | None:
        """In how many seconds to try again; None when that is over."""
        tries: int = self.delivery["attempts"]
        if outcome.is_final or tries > len(self.office.waits):
            return None
        wait: float = self.office.waits[tries - 1] * random.uniform(0.8, 1.2)  # noqa: S311  # no secret
        return max(wait, outcome.again_in or 0)

    async def _note(self, state: str, reason: str | None, connection: asyncpg.Connection) -> None:
        await alert_channels.note_state(connection, self.tenant_id, self.channel["id"], state, reason)
        if state == "gone":
            await alert_deliveries.drop(connection, self.tenant_id, self.channel["id"])

    async def _tell_of_failure(self, connection: asyncpg.Connection, outcome: Outcome, again: float | None) -> None:
        names = {"channel_id": str(self.channel["id"]), "delivery_id": str(self.delivery["id"])}
        log.warning(
            "alert.not_delivered",
            status=outcome.status,
            attempt=self.delivery["attempts"],
            again_seconds=again,
            **names,
        )
        if again is None:
            detail = {
                "delivery_id": names["delivery_id"],
                "status": outcome.status,
                "attempts": self.delivery["attempts"],
            }
            event = audit.Event("alert.not_delivered", "system", self.channel["id"], detail=detail)
            await audit.append(connection, self.tenant_id, [event])
