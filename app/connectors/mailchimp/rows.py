"""Members of Mailchimp's answers as our own rows."""

from collections.abc import Sequence
from datetime import UTC, datetime

from app.connectors.mailchimp.shapes import MemberRow
from app.domain.audience import MirrorRow, RowError, UpdatedRow
from app.domain.member import subscriber_hash


def mirror_row(row: MemberRow) -> MirrorRow:
    """One member; tags as far as the answer lists them."""
    return MirrorRow(
        member_hash(row),
        row.status,
        instant(row.last_changed),
        row.email_address,
        row.merge_fields,
        tuple(tag.name for tag in row.tags),
    )


def updated_row(row: MemberRow, dropped: Sequence[RowError] = ()) -> UpdatedRow:
    """A member after our change."""
    made = mirror_row(row)
    return UpdatedRow(
        made.hash, made.status, made.last_changed, made.email, made.merge_fields, made.tags, tuple(dropped)
    )


def member_hash(row: MemberRow) -> bytes:
    """The member's id; computed from the address should the answer lack it."""
    try:
        return bytes.fromhex(row.id) if len(row.id) == 32 else subscriber_hash(row.email_address)
    except ValueError:
        return subscriber_hash(row.email_address)


def instant(text: str | None) -> datetime | None:
    """A time of theirs as ours; they leave it blank, and without a zone it is UTC."""
    if not text:
        return None
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def is_blank(value: object) -> bool:
    """Whether a member has no value in a merge field; an address is blank when all its parts are."""
    if isinstance(value, dict):
        return all(is_blank(part) for part in value.values())
    return value is None or (isinstance(value, str) and not value.strip())
