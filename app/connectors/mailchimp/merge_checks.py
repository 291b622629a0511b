"""Does a mapping fit the audience's merge fields? Asked when a mapping is chosen, and again before each run.

Source: Marketing API, "Structure your audience with merge fields"; the tag rule as integrators report it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from app.connectors.mailchimp.shapes import MergeField
from app.domain.merge_values import MergeType

_TAG = re.compile(r"[A-Z0-9_]{1,10}", re.ASCII)
_RESERVED = frozenset({"EMAIL", "INTERESTS", "UNSUB", "FORWARD", "REWARDS", "ARCHIVE", "DATE"})

# What a source type (app/domain/fields.py) may become. Text may be anything but an address: each value is tried.
_ACCEPTED: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text", "number", "boolean", "date", "instant", "address", "constant"}),
    "number": frozenset({"text", "number", "constant"}),
    "address": frozenset({"address"}),
    "phone": frozenset({"text", "constant"}),
    "date": frozenset({"text", "date", "instant", "constant"}),
    "birthday": frozenset({"text", "date", "instant", "constant"}),
    "url": frozenset({"text", "constant"}),
    "imageurl": frozenset({"text", "constant"}),
    "radio": frozenset({"text", "number", "boolean", "constant"}),
    "dropdown": frozenset({"text", "number", "boolean", "constant"}),
    "zip": frozenset({"text", "number", "constant"}),
}
_TO_CREATE = {"number": "number", "date": "date", "instant": "date", "address": "address"}

Kind = Literal["missing", "wrong_type", "malformed_tag", "required_unmapped"]


class MergeFinding(msgspec.Struct, frozen=True):
    """One thing that does not fit.

    `missing` can be created with `wanted_type`; `wrong_type` and `malformed_tag` make the mapping unusable for this
    audience; `required_unmapped` is for information: our calls lift the check.
    """

    kind: Kind
    tag: str
    message: str
    wanted_type: str | None = None
    found_type: str | None = None

    @property
    def blocks(self) -> bool:
        """Whether the mapping must be refused as it is."""
        return self.kind in ("wrong_type", "malformed_tag")


def check_merge_fields(targets: Mapping[str, str], fields: Sequence[MergeField]) -> tuple[MergeFinding, ...]:
    """What is wrong between a mapping and an audience, in the order of the mapping, then required fields.

    `targets` give the source type of each merge tag the mapping sets: a type of app/domain/fields.py or `constant`.
    """
    known = {field.tag: field for field in fields}
    found = [finding for tag, source in targets.items() if (finding := _check(tag, source, known.get(tag)))]
    return (*found, *_unmapped(fields, targets))


def merge_types(fields: Iterable[MergeField]) -> dict[str, MergeType]:
    """The audience's merge fields as the mapping engine wants them."""
    return {
        field.tag: MergeType(field.type, tuple(field.options.choices), field.options.phone_format) for field in fields
    }


def _check(tag: str, source: str, field: MergeField | None) -> MergeFinding | None:
    wanted = _TO_CREATE.get(source, "text")
    if field is None and (not _TAG.fullmatch(tag) or tag in _RESERVED):
        rule = "A merge tag has 1 to 10 capital letters, digits or underscores and is none of Mailchimp's own."
        return MergeFinding("malformed_tag", tag, rule)
    if field is None:
        return MergeFinding("missing", tag, f"The audience has no merge field {tag}.", wanted)
    if source in _ACCEPTED.get(field.type, _ACCEPTED["text"]):
        return None
    message = (
        f"The merge field {tag} is of type {field.type}, which a {source} cannot fill; its type cannot be changed."
    )
    return MergeFinding("wrong_type", tag, message, wanted, field.type)


def _unmapped(fields: Sequence[MergeField], targets: Mapping[str, str]) -> list[MergeFinding]:
    message = "The audience requires the merge field {}, which the mapping does not set; members go without it."
    return [
        MergeFinding("required_unmapped", field.tag, message.format(field.tag), found_type=field.type)
        for field in fields
        if field.required and field.tag not in targets
    ]


def accepted_types() -> Mapping[str, frozenset[str]]:
    """Which source types each type of merge field takes; types that are not listed take what text takes."""
    return _ACCEPTED
