"""Fields of an exported party, and what a mapping's rules make of them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]

COUNTRIES = {
    "FR": "France", "DE": "Germany", "GB": "United Kingdom", "ES": "Spain", "US": "United States", "IT": "Italy",
    "CH": "Switzerland", "JP": "Japan", "CN": "China", "ZA": "South Africa",
}  # fmt: skip
LANGUAGES = {
    "FRA": "fr", "GER": "de", "ENG": "en", "BRI": "en", "SPA": "es_ES", "ITA": "it", "JPN": "ja", "CHI": "zh",
}  # fmt: skip
NOTHING: Row = {}
_PARTY = (
    "code", "name", "name2", "short_name", "is_active", "category", "currency", "country", "language", "vat_number",
    "registration_number", "payment_term",
)  # fmt: skip
_ADDRESS = ("code", "description", "city", "state", "postal_code", "country", "website", "fax")
_PERSON = ("code", "first_name", "last_name", "position", "department", "language", "mobile")


def default_address(row: Row) -> Row:
    return next((a for a in row["addresses"] if a["code"] == row["default_address"]), NOTHING)


def default_contact(row: Row) -> Row:
    return next((c for c in row["contacts"] if c["code"] == row["default_contact"]), NOTHING)


def field_value(row: Row, contact: Row, name: str) -> Any:
    """A source field of a party (or of the contact at hand), cleaned; None when blank."""
    prefix, _, rest = name.rpartition(".")
    if prefix == "default_address":
        return _clean(_of_address(default_address(row), rest))
    if prefix in ("default_contact", "contact"):
        return _clean(_of_person(default_contact(row) if prefix == "default_contact" else contact, rest))
    if name in _PARTY:
        return _clean(row[name])
    if name.startswith("statistical_group_"):
        groups = [*row["groups"], "", "", "", "", ""]
        return _clean(groups[int(name[-1]) - 1])
    if name == "is_mailing_prohibited":
        return row["is_prohibited"]
    raise AssertionError(f"the oracle does not know the field {name}")


def _of_address(address: Row, name: str) -> Any:
    if name in ("line1", "line2", "line3"):
        return (*address.get("lines", ()), "", "", "")[int(name[-1]) - 1]
    if name == "phone":
        return (*address.get("phones", ()), "")[0]
    assert name in _ADDRESS, name
    return address.get(name)


def _of_person(person: Row, name: str) -> Any:
    if name == "phone":
        return person.get("landline")
    assert name in _PERSON, name
    return person.get(name)


def _clean(value: Any) -> Any:
    """Texts without control characters and blanks around; X3 stores an empty text as one blank."""
    if not isinstance(value, str):
        return value
    one_line = re.sub(r"[\t\n\v\f\r\x85\u2028\u2029]+", " ", value)
    return "".join(c for c in one_line if ord(c) >= 32 and not 127 <= ord(c) <= 159).strip() or None


def fits(text: str) -> str:
    """What Mailchimp keeps of a text: 255 bytes, whole characters."""
    return text.encode()[:255].decode(errors="ignore").strip() if len(text.encode()) > 255 else text


class Unusable(Exception):
    """A value that cannot be what its merge field wants: it is left out."""


def merge_value(rule: Row, kind: str, row: Row, contact: Row) -> Any:
    """The value of one rule of the mapping for a merge field of this type; None when blank. Raises Unusable."""
    if rule.get("constant") is not None:
        return rule["constant"]
    if rule["source"] == "default_address":
        return _whole_address(row, kind)
    sources = rule["source"] if isinstance(rule["source"], list) else [rule["source"]]
    read = [field_value(row, contact, source) for source in sources]
    value = read[0] if len(read) == 1 else " ".join(str(part) for part in read if part is not None) or None
    for step in rule.get("transforms") or ():
        value = _transformed(step, value)
    return _typed(value, kind)


def _typed(value: Any, kind: str) -> Any:
    if value is None:
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            raise Unusable from None
    return fits(text) or None


def _whole_address(row: Row, kind: str) -> Any:
    """Mailchimp takes an ADDRESS complete or not at all."""
    assert kind == "address", "the oracle writes whole addresses to fields of type address only"
    read = {name: field_value(row, NOTHING, f"default_address.{name}")
            for name in ("line1", "line2", "line3", "city", "state", "postal_code", "country")}  # fmt: skip
    lines = [read[name] for name in ("line1", "line2", "line3") if read[name]]
    if not any(read.values()):
        return None
    if not (lines and read["city"] and read["state"] and read["postal_code"]):
        raise Unusable
    whole = {"addr1": lines[0], "city": read["city"], "state": read["state"], "zip": read["postal_code"]}
    whole |= {"addr2": ", ".join(lines[1:])} if lines[1:] else {}
    return {name: fits(text) for name, text in (whole | {"country": read["country"] or "US"}).items()}


def _country(text: str) -> str:
    if text.upper() not in COUNTRIES:
        raise Unusable
    return COUNTRIES[text.upper()]


_SIMPLE: dict[str, Callable[[str], str]] = {
    "trim": str.strip,
    "upper": str.upper,
    "lower": str.lower,
    "country": _country,
}


def _transformed(step: Any, value: Any) -> Any:
    name = step if isinstance(step, str) else step["name"]
    if name == "default":
        return value or step["value"]
    if value is None:
        return None
    text = str(value)
    if name in _SIMPLE:
        return _SIMPLE[name](text) or None
    if name == "truncate":
        return text[: step["length"]].rstrip() or None
    if name == "map":
        return step["values"].get(text, step.get("default", text)) or None
    if name in ("prefix", "suffix"):
        return step["text"] + text if name == "prefix" else text + step["text"]
    raise AssertionError(f"the oracle does not know the transform {name}")


def is_met(condition: Row | None, row: Row, contact: Row) -> bool:
    """Whether a filter or the condition of a tag holds."""
    if condition is None:
        return True
    if "not" in condition:
        return not is_met(condition["not"], row, contact)
    for group, of in (("all", all), ("any", any)):
        if group in condition:
            return of(is_met(part, row, contact) for part in condition[group])
    value = field_value(row, contact, condition["field"])
    if "is_blank" in condition:
        return (value is None) is condition["is_blank"]
    if "equals" in condition or "not_equals" in condition:
        return bool(value == condition["equals"]) if "equals" in condition else bool(value != condition["not_equals"])
    return value in condition["in"] if "in" in condition else value not in condition["not_in"]
