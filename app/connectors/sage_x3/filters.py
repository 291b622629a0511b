"""Filters and orders as X3 wants them: one string with a JSON-like object. Values are encoded, never pasted.

Source: reference/sage-x3.md 3.3 and 3.4.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from app.connectors.sage_x3.paths import Path

Dialect = Literal["json", "relaxed"]
Condition = Mapping[str, object]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = str.maketrans({"\\": "\\\\", "'": "\\'"})  # the only two escapes Sage documents


def nested(path: Path, condition: object) -> dict[str, object]:
    """`condition` at the end of a path of references: {"code": {"code": {...}}}."""
    for step in reversed(path):
        condition = {step.name: condition}
    if not isinstance(condition, dict):
        raise ValueError("a condition needs a path")
    return condition


def both(*conditions: Condition | None) -> object:
    """All of them together: an array of objects is AND."""
    given = [condition for condition in conditions if condition]
    return given[0] if len(given) == 1 else given


def encoded(value: object, dialect: Dialect) -> str:
    """The string X3 reads: strict JSON, or Sage's relaxed spelling with bare keys and single quotes."""
    if dialect == "json":
        return msgspec.json.encode(value).decode()
    return _relaxed(value)


def _relaxed(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.translate(_QUOTED) + "'"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(str(key))}:{_relaxed(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(_relaxed(inner) for inner in value) + "]"
    return msgspec.json.encode(value).decode()


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else _relaxed(name)


def ordered(*paths: Path, descending: bool = False) -> str:
    """An orderBy string; X3 reads the keys in the order given."""
    direction = -1 if descending else 1
    merged: dict[str, object] = {}
    for path in paths:
        merged.update(nested(path, direction))
    return msgspec.json.encode(merged).decode()
