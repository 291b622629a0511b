"""X3's ways of saying nothing, yes and no.

Source: reference/sage-x3.md 6 (traps 5 and 9) and 5.2.
"""

from typing import Any

from app.domain.party import Value

_NO_DATE = ("1599-12-31", "1753-01-01", "0001-01-01", "0000-00-00")
_YES = frozenset({"true", "yes", "2", "oui", "y"})
_NO = frozenset({"false", "no", "1", "0", "non", "n"})


def scalar(value: Any) -> Value:
    """Text stripped, blank and X3's empty dates as None; everything else as it came."""
    if type(value) is str:
        text = value.strip()
        if not text or (text[0] in "01" and text.startswith(_NO_DATE)):
            return None
        return text
    return value if value is None or isinstance(value, int | float) else str(value)


def flag(value: Any) -> bool | None:
    """Booleans as true/false, as the enum yes/no, or as a local menu where 2 is yes; None when it says neither."""
    if value is True or value is False:
        return bool(value)
    if isinstance(value, int | float):
        return None if value not in (0, 1, 2) else value == 2
    if isinstance(value, str):
        text = value.strip().lower()
        return True if text in _YES else False if text in _NO else None
    return None


def text(value: Any) -> str | None:
    """A key or address as text; None when blank."""
    found = scalar(value)
    return None if found is None else str(found)
