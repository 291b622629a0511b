"""How a member as Mailchimp has it differs from what it should be. Pure; values are compared by keyed digests."""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from app.domain.member import Member

WIDTH = 8  # bytes a digest
NOTHING = bytes(WIDTH)

MISSING = "missing_in_mailchimp"
CHANGED = "changed_in_mailchimp"
ORPHAN = "orphan"
DELETED = "x3_deleted"
ABSENT_ONCE = "x3_absent_once"
CLASSES = (MISSING, CHANGED, ORPHAN, DELETED, ABSENT_ONCE)


class Copied(NamedTuple):
    """One member as an audience has it: a digest per merge field, in the order of `Comparison.targets`, and tags."""

    fields: bytes
    tags: Sequence[str]


class Comparison:
    """Compares members with copies of what the audience holds, by the merge fields a mapping writes."""

    def __init__(self, targets: Sequence[str], key: bytes) -> None:
        self.targets = tuple(targets)
        self._key = key[:64]
        self._places = {target: place * WIDTH for place, target in enumerate(self.targets)}

    def copy(self, merge_fields: Mapping[str, object]) -> bytes:
        """Digests of these fields, WIDTH bytes each, in the order of the targets; zeros for blank ones."""
        return b"".join([self._digest(merge_fields.get(target)) for target in self.targets])

    def drift(self, member: Member, found: Copied | None) -> str | None:
        """MISSING, CHANGED or None. Fields that are kept or only filled are the audience's own business."""
        if found is None:
            return MISSING
        for target, value in member.merge_fields.items():
            place = self._places.get(target)
            if place is not None and found.fields[place : place + WIDTH] != self._digest(value):
                return CHANGED
        there = set(found.tags)
        return CHANGED if not there.issuperset(member.tags) or not there.isdisjoint(member.tags_off) else None

    def _digest(self, value: object) -> bytes:
        text = canonical(value)
        return hashlib.blake2b(text.encode(), digest_size=WIDTH, key=self._key).digest() if text else NOTHING


def canonical(value: object) -> str:
    """One text for all the ways Mailchimp may give back what it was sent: 5, 5.0 and "5"; an address with blanks."""
    if isinstance(value, Mapping):
        parts = sorted((str(name), canonical(part)) for name, part in value.items())
        return "\x1f".join(f"{name}={part}" for name, part in parts if part)
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value)
    text = str(value).strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return format(number.normalize(), "f") if number.is_finite() and _plain(text) else text


def _plain(text: str) -> bool:
    """Numbers people write; not 1e5, and not codes and telephone numbers such as 0612 or +33."""
    return text.lstrip("-").replace(".", "", 1).isdigit() and (text.lstrip("-")[:1] != "0" or text[:2] in ("0", "0."))
