"""What of a channel nobody may read: signing secrets, the mail server's password, whom mail goes to."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.connections.vault import TenantKeys

SEALED = "alert_channel.sealed"
"""The vault field; its row is the channel's id."""


class SigningSecret(msgspec.Struct, frozen=True):
    """`until` is None for the current one; another one goes on signing until then."""

    secret: str
    until: datetime | None = None


class Secrets(msgspec.Struct, frozen=True):
    """Of a webhook `signing`, current first; of e-mail the others."""

    signing: tuple[SigningSecret, ...] = ()
    recipients: tuple[str, ...] = ()
    smtp_password: str | None = None

    def signs_at(self, now: datetime) -> list[str]:
        """The secrets that sign at this instant, current first."""
        return [each.secret for each in self.signing if each.until is None or each.until > now]


def rotated(secrets: Secrets, new: str, now: datetime, until: datetime) -> Secrets:
    """`new` is current, the one before it signs beside it until then; older ones are gone."""
    before = [SigningSecret(each.secret, until) for each in secrets.signing if each.until is None and until > now]
    return msgspec.structs.replace(secrets, signing=(SigningSecret(new), *before))


def seal(keys: TenantKeys, channel_id: UUID, secrets: Secrets) -> bytes:
    return keys.seal(msgspec.json.encode(secrets), channel_id, SEALED)


def unseal(keys: TenantKeys, channel_id: UUID, sealed: bytes) -> Secrets:
    """Raises CannotOpen when it is not this channel's."""
    return msgspec.json.decode(keys.open(sealed, channel_id, SEALED), type=Secrets)
