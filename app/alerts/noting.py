"""What was decided is written down: alerts, and the messages that tell of them, in the caller's transaction."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.alerts import messages
from app.db import alert_deliveries, alerts
from app.domain import alert_sentences as say
from app.domain.alerting import Open, Phase, Renew, Resolve, Step, Tell


class Scribe:
    """Writes for one tenant. `watched` are the syncs somebody wants to run; links lead to `public_url`."""

    def __init__(
        self, connection: asyncpg.Connection, tenant_id: UUID, watched: frozenset[UUID], public_url: str
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._watched = watched
        self._public_url = public_url

    async def take(self, step: Step) -> None:
        """Nothing is written twice: whoever comes second finds it done."""
        match step:
            case Open():
                await self._open(step)
            case Resolve():
                await self._resolve(step)
            case Tell():
                await self._tell(step)
            case Renew(alert, finding):
                await alerts.renew(self._connection, self._tenant_id, alert.id, finding.sentence, finding.run_id)

    async def _open(self, step: Open) -> None:
        found = step.finding
        row = await alerts.open_(
            self._connection,
            self._tenant_id,
            found.kind,
            found.subject_id,
            found.name,
            found.sentence,
            sync_id=found.sync_id,
            connection_id=found.connection_id,
            run_id=found.run_id,
        )
        if row is not None:
            await self._write(row, dict.fromkeys(step.tell, 1), "opened", row["sentence"], row["opened_at"])

    async def _resolve(self, step: Resolve) -> None:
        alert = step.alert
        sentence = say.over(alert.kind, alert.name, watched=alert.sync_id is None or alert.sync_id in self._watched)
        row = await alerts.resolve(self._connection, self._tenant_id, alert.id, sentence)
        if row is not None:
            numbers = {channel_id: alert.told[channel_id].seq + 1 for channel_id in step.tell}
            await self._write(row, numbers, "resolved", sentence, row["resolved_at"])

    async def _tell(self, step: Tell) -> None:
        """One channel catches up, or hears that its own threshold is kept again."""
        alert, found = step.alert, step.finding
        row = {**msgspec.structs.asdict(alert), "tenant_id": self._tenant_id, "run_id": found.run_id}
        opens = step.phase == "opened"
        sentence = found.sentence if opens else say.over(alert.kind, alert.name, watched=True)
        at = alert.opened_at if opens else datetime.now(UTC)
        number = alert.told[step.channel_id].seq + 1 if step.channel_id in alert.told else 1
        await self._write(row, {step.channel_id: number}, step.phase, sentence, at)

    async def _write(
        self, alert: Mapping[str, Any], channels: Mapping[UUID, int], phase: Phase, sentence: str, at: datetime
    ) -> None:
        """The same message into the outbox of each channel, under its number there."""
        message = messages.about(self._public_url, alert, phase, sentence, at)
        for channel_id, number in channels.items():
            await alert_deliveries.write(
                self._connection, self._tenant_id, channel_id, alert["id"], number, phase, message
            )
