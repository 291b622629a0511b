"""What goes to an audience and what it says of its members."""

from collections.abc import Mapping
from datetime import datetime

import msgspec


class NewMember(msgspec.Struct, frozen=True, gc=False):
    """A row for the insert-only call. `fragment` is what payloads.encode_fragment() made, without the braces."""

    hash: bytes
    email: str
    fragment: bytes
    tags: tuple[str, ...]


class RowError(msgspec.Struct, frozen=True):
    """Why one row or call was refused; `reason` is one of the typed refusals in connectors/mailchimp/errors.py."""

    reason: str
    message: str
    field: str | None = None


class Inserted(msgspec.Struct, frozen=True):
    """Per-row result of one insert call. A hash in none of the three is of unknown outcome."""

    created: Mapping[bytes, str]  # hash -> the status Mailchimp answered
    exists: frozenset[bytes]  # ERROR_CONTACT_EXISTS: reroute to the update path
    refused: Mapping[bytes, RowError]


class MirrorRow(msgspec.Struct, frozen=True, gc=False):
    """What Mailchimp says of one member."""

    hash: bytes
    status: str
    last_changed: datetime | None
    email: str = ""
    merge_fields: Mapping[str, object] = {}
    tags: tuple[str, ...] = ()


class UpdatedRow(MirrorRow, frozen=True, gc=False):
    """A member after our change; `dropped` are merge fields left out because Mailchimp refused their values."""

    dropped: tuple[RowError, ...] = ()
