"""What the named transforms do to a text: capitals, telephone numbers, dates."""

import re
from datetime import date

from app.domain.values import Unusable

_WORD = re.compile(r"[^\W\d_]+")
_FORMS = "SA SAS SASU SARL EURL SCI SNC SCOP GmbH AG KG OHG UG mbH Ltd LLC LLP PLC Inc BV NV SRL SpA SL SLU"
_LEGAL_FORMS = {form.upper(): form for form in _FORMS.split()}
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:$|[T ])")
_TRUNK_ZERO = re.compile(r"\(0\)")
_EXTENSION = re.compile(r"\s*(?:extension|ext|poste|x)\.?\s*\d{1,6}\s*$", re.IGNORECASE)
_SEVERAL = re.compile(r"[;,/]")

DATE_FORMATS = {
    "YYYY-MM-DD": "{0:04d}-{1:02d}-{2:02d}",
    "YYYY/MM/DD": "{0:04d}/{1:02d}/{2:02d}",
    "DD/MM/YYYY": "{2:02d}/{1:02d}/{0:04d}",
    "DD-MM-YYYY": "{2:02d}-{1:02d}-{0:04d}",
    "DD.MM.YYYY": "{2:02d}.{1:02d}.{0:04d}",
    "MM/DD/YYYY": "{1:02d}/{2:02d}/{0:04d}",
    "MM/DD": "{1:02d}/{2:02d}",
    "YYYY": "{0:04d}",
}


def title(text: str) -> str:
    """A text written all in capitals, as X3 stores names and cities, with capitals at the start of words only.

    Legal forms keep their spelling (SARL, GmbH); a text that has small letters already is left as it is.
    """
    if text != text.upper():
        return text
    return _WORD.sub(lambda word: _LEGAL_FORMS.get(word[0]) or word[0].capitalize(), text)


def phone(text: str) -> str | None:
    """Digits with a leading + when the number is international; None when there are fewer than three digits.

    An extension and the trunk zero in `+44 (0)20` go; of several numbers in one slot the first stays.
    """
    number = _bare(text)
    return _bare(_SEVERAL.split(text)[0]) if number is not None and len(number) > 16 else number


def _bare(text: str) -> str | None:
    text = _TRUNK_ZERO.sub("", _EXTENSION.sub("", text))
    digits = "".join(character for character in text if "0" <= character <= "9")
    if len(digits) < 3:
        return None
    if text.lstrip(" (").startswith("+"):
        return "+" + digits
    return "+" + digits[2:] if digits.startswith("00") and len(digits) > 4 else digits


def parse_date(text: str) -> date | None:
    """The day of an ISO date or instant; None for X3's empty dates (1599-12-31, 1753-01-01 and all before 1900).

    Raises:
        Unusable: not an ISO date.
    """
    match = _ISO_DATE.match(text)
    try:
        day = date(*map(int, match.groups())) if match else None
    except ValueError:
        day = None
    if day is None:
        raise Unusable("not a date")
    return day if day.year >= 1900 else None


def format_date(text: str, pattern: str) -> str | None:
    """An ISO date or instant in one of DATE_FORMATS; None for X3's empty dates."""
    day = parse_date(text)
    return None if day is None else DATE_FORMATS[pattern].format(day.year, day.month, day.day)
