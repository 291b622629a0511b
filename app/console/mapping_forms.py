"""A mapping as the rows of a form, and back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from app.console import condition_forms as conditions
from app.console import transform_text
from app.console.calling import Fault, Refused

Given = Callable[[str], str]
CONSTANT = "="
"""What the source of a fixed value says."""
NEW = "+"
"""What the target of a merge field says that the audience does not have yet."""
SPARE_ROWS = 2
MOST_ROWS = 80
_MOST_SOURCES = 4


class FieldRow(NamedTuple):
    """One merge field. `second` is joined to `source` by a blank."""

    target: str = ""
    source: str = ""
    second: str = ""
    constant: str = ""
    transforms: str = ""
    when_blank: str = "keep"


class TagRow(NamedTuple):
    name: str = ""
    when: conditions.Row = conditions.Row()


class Form(NamedTuple):
    """What the page shows and sends back."""

    name: str
    fields: Sequence[FieldRow]
    tags: Sequence[TagRow]
    emails: Sequence[str]
    mode: str
    language: str


def shown(mapping: Mapping[str, Any]) -> Form:
    """The form for a stored mapping."""
    fields = [_field_row(rule) for rule in mapping["fields"]]
    tags = [TagRow(tag["name"], conditions.shown(tag.get("when"))) for tag in mapping["tags"]]
    emails = [*mapping["email"]["sources"], *[""] * _MOST_SOURCES][
        : max(_MOST_SOURCES, len(mapping["email"]["sources"]))
    ]
    return Form(
        mapping["name"],
        [*fields, *[FieldRow()] * SPARE_ROWS],
        [*tags, TagRow()],
        emails,
        mapping["email"]["mode"],
        mapping["language"] or "",
    )


def _field_row(rule: Mapping[str, Any]) -> FieldRow:
    if "constant" in rule:
        return FieldRow(rule["target"], CONSTANT, "", str(rule["constant"]), "", rule["when_blank"])
    sources = rule["source"] if isinstance(rule["source"], list) else [rule["source"]]
    line = transform_text.written(rule["transforms"])
    return FieldRow(rule["target"], sources[0], " ".join(sources[1:]), "", line, rule["when_blank"])


def typed(given: Given, more_rows: bool = False) -> Form:
    """The form as it was sent, with rows to spare."""
    fields = [row for row in (_typed_field(given, n) for n in _numbers(given, "field")) if row.target or row.source]
    tags = [_typed_tag(given, n) for n in _numbers(given, "tag") if given(f"tag.{n}.name")]
    spare = 5 if more_rows else SPARE_ROWS
    return Form(
        given("name"),
        [*fields, *[FieldRow()] * spare][:MOST_ROWS],
        [*tags, *[TagRow()] * (3 if more_rows else 1)],
        [given(f"email.{n}") for n in range(_MOST_SOURCES)],
        given("mode") or "per_party",
        given("language"),
    )


def _numbers(given: Given, kind: str) -> Iterable[int]:
    count = given(f"{kind}.count")
    return range(min(int(count), MOST_ROWS) if count.isdecimal() and len(count) < 4 else 0)


def _typed_field(given: Given, number: int) -> FieldRow:
    at = f"field.{number}."
    if given(at + "drop"):
        return FieldRow()
    target = given(at + "target")
    return FieldRow(
        given(at + "new").upper() if target == NEW else target,
        given(at + "source"),
        given(at + "second"),
        given(at + "constant"),
        given(at + "transforms"),
        given(at + "when_blank") or "keep",
    )


def _typed_tag(given: Given, number: int) -> TagRow:
    at = f"tag.{number}."
    row = conditions.Row(
        given(at + "field"), given(at + "operator") or "in", given(at + "values"), given(at + "nested")
    )
    return TagRow(given(at + "name"), row)


def definition(form: Form, types: Mapping[str, str]) -> dict[str, Any]:
    """Email, fields, tags and language as the API takes them. Raises Refused with the faults of every row."""
    faults: list[Fault] = []
    rows = [row for row in form.fields if row.target or row.source]
    fields = [_rule(row, number, faults) for number, row in enumerate(rows)]
    tags = [_tag(row, number, types, faults) for number, row in enumerate(tag for tag in form.tags if tag.name)]
    if faults:
        refused = Refused(422, {"detail": "Something in the mapping cannot be read.", "code": "invalid"})
        refused.faults = faults
        raise refused
    return {
        "email": {"sources": list(dict.fromkeys(filter(None, form.emails))), "mode": form.mode},
        "fields": fields,
        "tags": tags,
        "language": form.language or None,
    }


def _rule(row: FieldRow, number: int, faults: list[Fault]) -> dict[str, Any]:
    rule: dict[str, Any] = {"target": row.target, "when_blank": row.when_blank}
    if row.source == CONSTANT:
        return {**rule, "constant": row.constant}
    sources = [row.source, *row.second.split()]
    try:
        rule["transforms"] = transform_text.read(row.transforms)
    except transform_text.BadTransforms as error:
        faults.append(Fault(f"/fields/{number}/transforms", str(error)))
    return {**rule, "source": sources[0] if len(sources) == 1 else sources}


def _tag(row: TagRow, number: int, types: Mapping[str, str], faults: list[Fault]) -> dict[str, Any]:
    try:
        when = conditions.condition(row.when, types)
    except conditions.BadCondition:
        faults.append(Fault(f"/tags/{number}/when", "The condition must be a JSON object."))
        when = None
    return {"name": row.name} if when is None else {"name": row.name, "when": when}
