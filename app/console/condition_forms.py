"""Conditions on source fields, as a row of a form and as the API has them. Nested ones stay JSON."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

OPERATORS = (
    ("in", "is one of"),
    ("not_in", "is none of"),
    ("is_blank", "is blank"),
    ("is_filled", "is not blank"),
)


class Row(NamedTuple):
    """`values` are separated by commas; `nested` is the JSON of a condition that is no single row."""

    field: str = ""
    operator: str = "in"
    values: str = ""
    nested: str = ""


class BadCondition(Exception):
    """The JSON of a nested condition cannot be read."""


def shown(condition: Mapping[str, Any] | None) -> Row:
    """The row for a condition."""
    if not condition:
        return Row()
    if "field" not in condition:
        return Row(nested=json.dumps(condition, ensure_ascii=False))
    (operator,) = condition.keys() - {"field"}
    operand = condition[operator]
    if operator == "is_blank":
        return Row(condition["field"], "is_blank" if operand else "is_filled")
    values = operand if isinstance(operand, list) else [operand]
    texts = [_text(value) for value in values]
    if any("," in text or text != text.strip() for text in texts):
        return Row(nested=json.dumps(condition, ensure_ascii=False))
    return Row(condition["field"], "not_in" if operator.startswith("not_") else "in", ", ".join(texts))


def condition(row: Row, types: Mapping[str, str]) -> dict[str, Any] | None:
    """The condition of a row, None for an empty one; `types` are those of the fields. Raises BadCondition."""
    if row.nested:
        return _nested(row.nested)
    if not row.field:
        return None
    if row.operator in ("is_blank", "is_filled"):
        return {"field": row.field, "is_blank": row.operator == "is_blank"}
    texts = [text.strip() for text in row.values.split(",") if text.strip()]
    return {"field": row.field, row.operator: [_value(text, types.get(row.field, "text")) for text in texts]}


def _nested(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise BadCondition from None
    if not isinstance(found, dict):
        raise BadCondition
    return found


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _value(text: str, type_: str) -> Any:
    if type_ == "boolean":
        return {"yes": True, "true": True, "no": False, "false": False}.get(text.lower(), text)
    return text
