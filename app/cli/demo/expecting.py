"""What an audience should hold, worked out from Sage X3's export alone. Shares no line with the product on purpose."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

Row = dict[str, Any]
"""One customer or supplier as `/_sandbox/export` gives it."""

_ADDRESS = re.compile(r"[a-z0-9.'+_-]{1,64}@([a-z0-9-]+\.)+[a-z]{2,}", re.IGNORECASE)


class Expected(NamedTuple):
    """Where every row of a stream should end. `members` are the owners by lower-case address."""

    rows: int
    members: dict[str, Row]
    refused: frozenset[str]  # codes whose address is broken
    silent: frozenset[str]  # codes without any address
    prohibited: frozenset[str]  # codes that must not get mailings
    duplicates: frozenset[str]  # codes whose address another one owns

    @property
    def inactive(self) -> frozenset[str]:
        """Addresses of members whose record is inactive."""
        return frozenset(email for email, row in self.members.items() if not row["is_active"])


def expect(rows: Iterable[Row]) -> Expected:
    """Sort the rows of one stream; of those that share an address the active one with the lowest code owns it."""
    rows = list(rows)
    members: dict[str, Row] = {}
    refused, silent, prohibited, duplicates = (set[str]() for _ in range(4))
    for row in sorted(rows, key=lambda row: (not row["is_active"], row["code"])):
        email = address_of(row)
        if email is None:
            (refused if any(map(_is_something, _slots(row))) else silent).add(row["code"])
        elif is_prohibited(row, email):
            prohibited.add(row["code"])
        elif email in members:
            duplicates.add(row["code"])
        else:
            members[email] = row
    return Expected(len(rows), members, *map(frozenset, (refused, silent, prohibited, duplicates)))


def address_of(row: Row) -> str | None:
    """The first valid address, in lower case: of the default address, the default contact, then any contact."""
    return next((found for slot in _slots(row) for found in _addresses(slot)), None)


def is_prohibited(row: Row, email: str) -> bool:
    """Whether the company, its default contact, or the person behind the address must not get mailings."""
    if row["is_prohibited"]:
        return True
    for contact in row["contacts"]:
        own = [*_addresses(contact["email"]), *_addresses(contact["relationship_email"])]
        if contact["is_prohibited"] and (contact["code"] == row["default_contact"] or email in own):
            return True
    return False


def contents(row: Row) -> dict[str, str]:
    """Merge fields that the default mapping must have filled from this row."""
    address: Row = next((place for place in row["addresses"] if place["code"] == row["default_address"]), {})
    person: Row = next((contact for contact in row["contacts"] if contact["code"] == row["default_contact"]), {})
    found = {
        "COMPANY": row["name"],
        "CITY": address.get("city", ""),
        "FNAME": person.get("first_name", ""),
        "LNAME": person.get("last_name", ""),
        "X3CODE": row["code"],
    }
    return {tag: text.strip() for tag, text in found.items()}


def _slots(row: Row) -> Iterator[str]:
    for place in row["addresses"]:
        if place["code"] == row["default_address"]:
            yield from place["emails"]
    for contact in row["contacts"]:
        if contact["code"] == row["default_contact"]:
            yield contact["email"]
    for contact in row["contacts"]:
        yield contact["email"]


def _addresses(slot: str) -> Iterator[str]:
    for piece in re.split(r"[\s;,]+", slot):
        if _ADDRESS.fullmatch(piece):
            yield piece.lower()


def _is_something(slot: str) -> bool:
    return "@" in slot or any(map(str.isalnum, slot))
