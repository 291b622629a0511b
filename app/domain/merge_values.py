"""Writes values the way each type of merge field takes them.

Source: Marketing API, "Structure your audience with merge fields".
"""

import re
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from app.domain.countries import country_code
from app.domain.member import MergeValue
from app.domain.party import Value
from app.domain.rewrites import format_date, phone
from app.domain.values import TEXT_BYTES, Unusable, as_number, as_text, cut

Warnings = list[tuple[str, str]]
Form = Callable[[Value], MergeValue | None]
"""A value in the form of one merge type; None when blank, raises Unusable when it cannot be that type."""

_URL = re.compile(r"https?://(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,63}(?::\d{1,5})?(?:[/?#][^\s<>\"]*)?", re.ASCII)
_ZIP = re.compile(r"(\d{5})(?:-\d{4})?", re.ASCII)


class MergeType(msgspec.Struct, frozen=True):
    """A merge field as the audience defines it; `choices` belong to radio and dropdown, `phone_format` to phone."""

    type: str = "text"
    choices: tuple[str, ...] = ()
    phone_format: str | None = None


TEXT = MergeType()
TYPES = ("text", "number", "address", "phone", "date", "birthday", "url", "imageurl", "zip", "radio", "dropdown")


def form(merge_type: MergeType) -> Form:
    """How a value is written for this type; a type we do not know is written as text. Not for type address."""
    if merge_type.type in ("radio", "dropdown"):
        return partial(_choice, {choice.casefold(): choice for choice in merge_type.choices})
    if merge_type.type == "phone" and merge_type.phone_format == "US":
        return _us_phone
    return _FORMS.get(merge_type.type, as_text)


def shorten(text: str, target: str, warnings: Warnings) -> str:
    """`text` as Mailchimp would keep it, with a warning when that is less."""
    kept = cut(text)
    if len(kept) < len(text):
        warnings.append((target, f"cut from {len(text.encode())} to {TEXT_BYTES} bytes"))
    return kept


def _number(value: Value) -> int | float | None:
    number = as_number(value)
    if number is None:
        return None
    return int(number) if number == number.to_integral_value() and abs(number) < 10**15 else float(number)


def _date(value: Value) -> str | None:
    text = as_text(value)
    return None if text is None else format_date(text, "YYYY-MM-DD")


def _birthday(value: Value) -> str | None:
    text = as_text(value)
    if text is not None and re.fullmatch(r"(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])", text, re.ASCII):
        return text
    return None if text is None else format_date(text, "MM/DD")


def _url(value: Value) -> str | None:
    text = as_text(value)
    if text is None:
        return None
    url = text if "://" in text else f"https://{text}"
    if not _URL.fullmatch(url) or len(url) > TEXT_BYTES:
        raise Unusable("not a web address")
    return url


def _zip(value: Value) -> str | None:
    text = as_text(value)
    if text is None:
        return None
    match = _ZIP.fullmatch(text)
    if match is None:
        raise Unusable("not a five-digit US postal code; use a text field")
    return match[1]


def _us_phone(value: Value) -> str | None:
    text = as_text(value)
    if text is None:
        return None
    digits = (phone(text) or "").removeprefix("+1")
    if len(digits) != 10 or not digits.isdigit():
        raise Unusable("not a US telephone number")
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"


def _choice(choices: Mapping[str, str], value: Value) -> str | None:
    text = as_text(value)
    if text is None:
        return None
    chosen = choices.get(text.casefold())
    if chosen is None:
        raise Unusable("not one of the field's choices")
    return chosen


_FORMS: dict[str, Form] = {
    "number": _number,
    "date": _date,
    "birthday": _birthday,
    "url": _url,
    "imageurl": _url,
    "zip": _zip,
}


def address(parts: tuple[str | None, ...]) -> dict[str, str] | None:
    """Mailchimp's address object from the parts of fields.ADDRESS_PARTS; None when all are blank.

    Raises:
        Unusable: street, city, state or postal code is missing. Mailchimp refuses such an address, and once stored
            it makes every later update of the member fail.
    """
    line1, line2, line3, city, state, postal_code, country = parts
    if not any(parts):
        return None
    required = {"addr1": line1 or line2 or line3, "city": city, "state": state, "zip": postal_code}
    missing = [name for name, text in required.items() if not text]
    if missing:
        raise Unusable(f"incomplete address: no {', '.join(missing)}")
    whole = {name: cut(text) for name, text in required.items() if text}
    second = ", ".join(line for line in (line2, line3) if line and line != whole["addr1"])
    code = country_code(country) if country else None
    return whole | ({"addr2": cut(second)} if second else {}) | ({"country": code} if code else {})


def one_line(parts: tuple[str | None, ...]) -> str | None:
    """The same parts as a text: street, postal code with city, state, country."""
    line1, line2, line3, city, state, postal_code, country = parts
    place = " ".join(part for part in (postal_code, city) if part)
    return ", ".join(part for part in (line1, line2, line3, place, state, country) if part) or None
