"""Filters on a node: from the filter string to conditions, and from conditions to a test of one row."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from sandbox.x3.nodes import Field, Schema, Type

Test = Callable[[Any], bool]
OPERATORS = ("_eq", "_ne", "_gt", "_gte", "_lt", "_lte", "_in", "_nin", "_regex")
QUANTIFIERS = ("_every", "_none", "_atLeast", "_atMost")


class BadFilter(ValueError):
    """The filter names an unknown property or operator, or a value of the wrong kind."""


class Condition(msgspec.Struct, frozen=True):
    """`path operator value`, with the test that decides it for a row of the node."""

    path: str
    operator: str
    value: Any
    test: Test


def conditions(schema: Schema, type_: Type, value: Any) -> list[Condition]:
    """All conditions of a parsed filter; every one must hold. Raises BadFilter."""
    found: list[Condition] = []
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, dict):
            raise BadFilter("a filter is an object or an array of objects")
        _collect(schema, type_, part, (), lambda row: row, found)
    return found


def _collect(
    schema: Schema, type_: Type, part: dict[str, Any], path: tuple[str, ...], reach: Callable[[Any], Any],
    found: list[Condition],
) -> None:  # fmt: skip
    for key, value in part.items():
        field = type_.fields.get(key)
        if field is None:
            raise BadFilter(f"Property {key} does not exist on {type_.name}")
        here = (*path, key)
        if field.kind == "leaf":
            _leaf(here, field, value, reach, found)
        elif not isinstance(value, dict):
            raise BadFilter(f"{'.'.join(here)}: a condition cannot be put directly on a reference")
        elif field.kind == "ref":
            _collect(schema, schema.types[field.type], value, here, _step(reach, field.get), found)
        else:
            found.append(_collection(schema, here, field, value, reach))


def _step(reach: Callable[[Any], Any], get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def stepped(row: Any) -> Any:
        owner = reach(row)
        return None if owner is None else get(owner)

    return stepped


def _leaf(path: tuple[str, ...], field: Field, value: Any, reach: Callable[[Any], Any], found: list[Condition]) -> None:
    read = _step(reach, field.raw or field.get)
    if field.type == "Decimal":
        read = _step(read, Decimal)
    operations = value if isinstance(value, dict) else {"_eq": value}
    for operator, operand in operations.items():
        if operator not in OPERATORS:
            raise BadFilter(f"{'.'.join(path)}: unknown operator {operator}")
        wanted = _operand(path, field, operator, operand)
        found.append(Condition(".".join(path), operator, wanted, _test(operator, wanted, read)))


def _operand(path: tuple[str, ...], field: Field, operator: str, operand: Any) -> Any:
    if operator in ("_in", "_nin"):
        if not isinstance(operand, list):
            raise BadFilter(f"{'.'.join(path)}: {operator} wants a list")
        return frozenset(_coerce(path, field, item) for item in operand)
    if operator == "_regex":
        try:
            return re.compile(str(operand))
        except re.error as wrong:
            raise BadFilter(f"{'.'.join(path)}: bad regular expression") from wrong
    return _coerce(path, field, operand)


def _coerce(path: tuple[str, ...], field: Field, operand: Any) -> Any:
    """The operand in the form the row's value has."""
    name = ".".join(path)
    if operand is None:
        return None
    match field.type:
        case "Boolean":
            if not isinstance(operand, bool):
                raise BadFilter(f"{name}: true or false expected")
            return operand
        case "Int":
            if isinstance(operand, bool) or not isinstance(operand, int):
                raise BadFilter(f"{name}: a whole number expected")
            return operand
        case "Decimal":
            try:
                return Decimal(str(operand))
            except InvalidOperation as wrong:
                raise BadFilter(f"{name}: a number expected") from wrong
        case "Datetime":
            return _seconds(name, operand)
    if not isinstance(operand, str):
        raise BadFilter(f"{name}: a string expected")
    return operand


def _seconds(name: str, operand: Any) -> float:
    try:
        read = datetime.fromisoformat(str(operand))
    except ValueError as wrong:
        raise BadFilter(f"{name}: not an ISO 8601 instant: {operand!r}") from wrong
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _test(operator: str, wanted: Any, read: Callable[[Any], Any]) -> Test:
    match operator:
        case "_eq":
            return lambda row: bool(read(row) == wanted)
        case "_ne":
            return lambda row: bool(read(row) != wanted)
        case "_in":
            return lambda row: read(row) in wanted
        case "_nin":
            return lambda row: read(row) not in wanted
        case "_regex":
            return lambda row: (text := read(row)) is not None and wanted.search(str(text)) is not None
        case "_gt":
            return lambda row: (got := read(row)) is not None and got > wanted
        case "_gte":
            return lambda row: (got := read(row)) is not None and got >= wanted
        case "_lt":
            return lambda row: (got := read(row)) is not None and got < wanted
    return lambda row: (got := read(row)) is not None and got <= wanted


def _collection(
    schema: Schema, path: tuple[str, ...], field: Field, value: dict[str, Any], reach: Callable[[Any], Any]
) -> Condition:
    """`{lines: {_every: true, …}}`, `_none: true`, `_atLeast: n`, `_atMost: n`."""
    name = ".".join(path)
    quantifiers = {key: value[key] for key in QUANTIFIERS if key in value}
    if len(quantifiers) != 1:
        raise BadFilter(f"{name}: a condition on a collection wants one of {', '.join(QUANTIFIERS)}")
    inner: list[Condition] = []
    rest = {key: item for key, item in value.items() if key not in QUANTIFIERS}
    _collect(schema, schema.types[field.type], rest, (), lambda row: row, inner)
    (quantifier, bound), items = next(iter(quantifiers.items())), _step(reach, field.get)

    def test(row: Any) -> bool:
        members = items(row) or ()
        holds = sum(all(condition.test(member) for condition in inner) for member in members)
        match quantifier:
            case "_every":
                return (holds == len(members)) is bool(bound)
            case "_none":
                return (holds == 0) is bool(bound)
            case "_atLeast":
                return bool(holds >= bound)
        return bool(holds <= bound)

    return Condition(name, quantifier, bound, test)
