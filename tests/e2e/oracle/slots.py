"""The e-mail address in what somebody typed into a slot of X3."""

import re
from collections.abc import Iterable

_SEPARATORS = re.compile(r"[;,\s<>()\[\]\"]+")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def addresses_in(slot: str) -> list[str]:
    """Every valid address of one slot, in order; the domain in small letters, the rest as typed."""
    pieces = _SEPARATORS.split(re.sub("mailto:", " ", slot, flags=re.IGNORECASE))
    return [address for piece in pieces if (address := _valid(piece.strip("'`:").rstrip("."))) is not None]


def _valid(piece: str) -> str | None:
    if piece.count("@") != 1 or len(piece) > 254:
        return None
    local, domain = piece.split("@")
    domain = domain.lower()
    labels = domain.split(".")
    is_valid = (
        len(local) <= 64
        and _LOCAL.fullmatch(local) is not None
        and len(labels) > 1
        and all(len(label) <= 63 and _LABEL.fullmatch(label) for label in labels)
        and len(labels[-1]) > 1
        and labels[-1].isalpha()
    )
    return f"{local}@{domain}" if is_valid else None


def first_address(slots: Iterable[str]) -> str | None:
    """The first valid address of several slots."""
    return next((address for slot in slots for address in addresses_in(slot)), None)


def says_something(slot: str) -> bool:
    """False for a slot that is as good as empty: blanks, a dash, a dot."""
    return "@" in slot or any(character.isalnum() for character in slot)
