"""Takes a message to a channel, whatever kind that is."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from app.alerts.letters import letter
from app.alerts.mailing import Mailer
from app.alerts.ports import Clients, Outcome
from app.alerts.posting import post
from app.alerts.relays import Relay, tenants_relay
from app.alerts.sealing import Secrets
from app.alerts.signing import headers
from app.domain.errors import ConnectorError

_NO_RELAY = "This channel names no mail server, and the operator offers none (MLC_SMTP_URL)."


def message_id(delivery_id: UUID) -> str:
    """What a receiver knows a delivery by."""
    return f"msg_{delivery_id.hex}"


class Courier:
    """`relay` is the mail server of channels that have none of their own."""

    def __init__(self, clients: Clients, mailer: Mailer, relay: Relay | None) -> None:
        self.relay = relay
        self._clients = clients
        self._mailer = mailer

    async def send(
        self, channel: Mapping[str, Any], secrets: Secrets, delivery_id: UUID, message: Mapping[str, Any]
    ) -> Outcome:
        """One attempt. The same delivery goes out under the same id and with the same bytes each time."""
        id_ = message_id(delivery_id)
        if channel["kind"] == "email":
            return await self._mail(channel, secrets, id_, message)
        body = msgspec.json.encode(message, order="sorted")
        signed = headers(id_, int(time.time()), body, secrets.signs_at(datetime.now(UTC)))
        try:
            client = self._clients.client(tls_ca_pem=channel["settings"].get("tls_ca_pem"))
        except ConnectorError as error:
            return Outcome(False, error.message)
        return await post(client, channel["url"], body, signed)

    async def _mail(
        self, channel: Mapping[str, Any], secrets: Secrets, id_: str, message: Mapping[str, Any]
    ) -> Outcome:
        settings = channel["settings"]
        smtp = settings.get("smtp")
        own = tenants_relay(smtp, secrets.smtp_password, settings.get("tls_ca_pem")) if smtp else None
        relay = own or self.relay
        if relay is None:
            return Outcome(False, _NO_RELAY)
        mail = letter(id_, message, relay.sender, secrets.recipients, datetime.now(UTC))
        return await self._mailer.send(relay, secrets.recipients, mail)

    def close(self) -> None:
        self._mailer.close()
