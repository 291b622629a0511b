"""Merge values: what each type of field takes, in Mailchimp's words when it does not."""

import re
from collections.abc import Callable
from typing import Any

from sandbox.mailchimp.state import Audience, Member, MergeField

MergeErrors = list[tuple[str, str]]
ADDRESS_PARTS = ("addr1", "city", "state", "zip")
INCOMPLETE = "Please enter a complete address"
_DATES = re.compile(r"\d{4}[-/]\d{2}[-/]\d{2}|\d{2}-\d{2}-\d{4}|\d{2}/\d{2}/\d{4}")
_URL = re.compile(r"https?://[^\s/$.?#][^\s]*", re.IGNORECASE)


class Refused(Exception):
    """The value does not suit the field."""


def cut(text: str) -> str:
    """The first 255 bytes, whole characters only."""
    if len(text) * 4 <= 255:
        return text
    raw = text.encode()
    return text if len(raw) <= 255 else raw[:255].decode(errors="ignore")


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("Please enter a value")
    return str(value)


def _text(_: MergeField, value: Any) -> Any:
    return cut(_string(value))


def _number(_: MergeField, value: Any) -> Any:
    if isinstance(value, bool):
        raise Refused("Please enter a number")
    if isinstance(value, int | float) or value == "":
        return value
    try:
        return float(value) if "." in value else int(value)
    except (TypeError, ValueError):
        raise Refused("Please enter a number") from None


def _choice(field: MergeField, value: Any) -> Any:
    if value != "" and value not in field.options.get("choices", ()):
        raise Refused("Please choose an option")
    return value


def _matching(pattern: re.Pattern[str], message: str) -> Callable[[MergeField, Any], Any]:
    def check(_: MergeField, value: Any) -> Any:
        if value != "" and not (isinstance(value, str) and pattern.fullmatch(value)):
            raise Refused(message)
        return value

    return check


def _address(_: MergeField, value: Any) -> Any:
    if value == "":
        return value
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        raise Refused(INCOMPLETE)
    if not all(value.get(part, "").strip() for part in ADDRESS_PARTS):
        raise Refused(INCOMPLETE)
    return {"addr1": "", "addr2": "", "city": "", "state": "", "zip": "", "country": "US"} | value


_DATE, _BIRTHDAY = "Please enter a valid date", "Please enter a valid birthday"
_CHECKS: dict[str, Callable[[MergeField, Any], Any]] = {
    "text": _text,
    "phone": _text,
    "number": _number,
    "radio": _choice,
    "dropdown": _choice,
    "address": _address,
    "date": _matching(_DATES, _DATE),
    "birthday": _matching(re.compile(r"\d{2}/\d{2}"), _BIRTHDAY),
    "zip": _matching(re.compile(r"\d{5}"), "Please enter a zip code (5 digits)"),
    "url": _matching(_URL, "Please enter a valid URL"),
    "imageurl": _matching(_URL, "Please enter a valid URL"),
}


def checked(
    audience: Audience, given: dict[str, Any], member: Member | None, *, skip_required: bool, errors: MergeErrors,
    strict: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """What the member's merge fields become; `errors` takes (tag, message) pairs.

    Tags the audience does not define are dropped without an error unless `strict`. An incomplete ADDRESS that is
    already stored refuses every change that does not replace it, as integrators report (reference, 2.7).
    """
    values = dict(member.merge_fields) if member is not None else {}
    fields = audience.fields
    for tag, value in given.items():
        field = fields.get(tag)
        if field is None:
            field = fields.get(tag.upper())
        if field is None:
            if strict:
                errors.append((tag, "This merge field does not exist"))
            continue
        if field.type == "text" and type(value) is str and len(value) < 64:
            values[field.tag] = value
            continue
        try:
            values[field.tag] = _CHECKS[field.type](field, value)
        except Refused as refused:
            errors.append((field.tag, str(refused)))
    if not skip_required:
        named = {tag for tag, _ in errors}
        for tag, field in fields.items():
            if field.required and tag not in named and values.get(tag, "") == "":
                errors.append((tag, "Please enter a value"))
    if member is not None and member.poisoned and not any(fields[t].type == "address" for t in given if t in fields):
        errors.append(("ADDRESS", INCOMPLETE))
    return values
