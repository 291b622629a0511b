"""Source values as text: written out, cleaned, cut to what Mailchimp keeps."""

import math
import re
from decimal import Decimal, InvalidOperation

from app.domain.party import Value

TEXT_BYTES = 255
"""Mailchimp cuts merge values of type text at 255 bytes, not characters. Source: Marketing API, Merge fields."""

_SPACES = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


class Unusable(ValueError):
    """A value that cannot be what its merge field wants; it is left out with this sentence as the warning."""


def clean(text: str) -> str:
    """Without control characters, NUL and lone surrogates; line breaks and tabs become one space; trimmed."""
    if text.isprintable():
        return text.strip()
    return _CONTROLS.sub("", _SPACES.sub(" ", text)).strip()


def as_text(value: Value) -> str | None:
    """Any source value written out and cleaned; None when blank. Booleans are `true` and `false`.

    Raises:
        Unusable: not a number, infinite, or too long to be written.
    """
    if isinstance(value, str):
        return clean(value) or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return _number_as_text(value)


def _number_as_text(value: float) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unusable("not a finite number")
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if not isinstance(value, int):
        raise Unusable("neither text nor a number")
    if value.bit_length() > 1024:  # str() of a huge integer raises or takes long
        raise Unusable("number too long")
    return str(value)


def as_number(value: Value) -> Decimal | None:
    """A number or decimal string as Decimal; None when blank.

    Raises:
        Unusable: anything that is no finite number.
    """
    text = as_text(value)
    if text is None:
        return None
    if len(text) > 60:
        raise Unusable("number too long")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Unusable("not a number") from None
    if not number.is_finite() or "_" in text or abs(number.adjusted()) > 300:
        raise Unusable("not a finite number")
    return number


def cut(text: str, most: int = TEXT_BYTES) -> str:
    """At most `most` bytes of UTF-8, never half a character; the text itself when it fits."""
    if len(text) * 4 <= most:
        return text
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[:most].decode(errors="ignore").rstrip()
