"""Which rows a page holds: filter, order and cursor answered from the indexes where they can be."""

import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from sandbox.x3.filters import BadFilter, Condition
from sandbox.x3.nodes import Field, Node, Schema
from sandbox.x3.state import iso

Order = list[tuple[str, int]]


class BadCursor(ValueError):
    """The cursor was not made by this server for this order."""


class Found(msgspec.Struct):
    """One page of rows, with their cursors made on demand."""

    rows: list[Any]
    has_next: bool
    has_previous: bool
    cursor: Callable[[Any], str]
    count: Callable[[], int]


class _Bounds(msgspec.Struct):
    """What of the filter an index can answer; `rest` has to be tested row by row."""

    keys: set[str] | None = None
    low: str | None = None
    low_open: bool = False
    high: str | None = None
    high_open: bool = False
    since: int | None = None
    rest: list[Condition] = []


def parse_order(schema: Schema, node: Node, value: Any) -> tuple[Order, list[Callable[[Any], Any]]]:
    """(path, direction) pairs and the getters that read what is compared. Raises BadFilter."""
    order: Order = []
    getters: list[Callable[[Any], Any]] = []

    def walk(type_name: str, part: Any, path: tuple[str, ...], reach: Callable[[Any], Any]) -> None:
        for key, direction in part.items():
            field = schema.types[type_name].fields.get(key)
            if field is None:
                raise BadFilter(f"orderBy: property {key} does not exist on {type_name}")
            get = _reached(reach, field)
            if field.kind == "ref" and isinstance(direction, dict):
                walk(field.type, direction, (*path, key), get)
            elif field.kind == "leaf" and direction in (1, -1):
                order.append((".".join((*path, key)), direction))
                getters.append(get)
            else:
                raise BadFilter(f"orderBy: {key} wants 1 or -1")

    if value is not None:
        if not isinstance(value, dict):
            raise BadFilter("orderBy is an object")
        walk(node.type.name, value, (), lambda row: row)
    return order, getters


def _reached(reach: Callable[[Any], Any], field: Field) -> Callable[[Any], Any]:
    read = field.raw or field.get

    def get(row: Any) -> Any:
        owner = reach(row)
        return None if owner is None else read(owner)

    return get


def find(schema: Schema, node: Node, where: list[Condition], order_by: Any, first: int, after: str | None) -> Found:
    """The page after a cursor, `first` rows long. Raises BadFilter, BadCursor."""
    order, getters = parse_order(schema, node, order_by)
    bounds = _bounds(node, where)
    if not order or order == [("_id", 1)]:
        order, getters = [("_id", 1)], [lambda row: row.id]
    values = _decode(after, order) if after is not None else None

    def cursor(row: Any) -> str:
        return _encode(
            [
                iso(get(row)) if path.endswith("Stamp") else get(row)
                for (path, _), get in zip(order, getters, strict=True)
            ]
        )

    if order == [("_id", 1)]:
        rows: Iterable[Any] = _in_key_order(node, bounds, None if values is None else values[0])
    elif order == [("_updateStamp", 1), ("_id", 1)]:
        rows = _in_stamp_order(node, bounds, None if values is None else (values[0], values[1]))
    else:
        rows = _sorted(node, bounds, order, getters, values)
    page = list(islice(_passing(rows, bounds.rest), first + 1))
    return Found(page[:first], len(page) > first, after is not None, cursor, lambda: _count(node, bounds))


def _bounds(node: Node, where: list[Condition]) -> _Bounds:
    bounds = _Bounds(rest=[])
    for condition in where:
        if not _absorb(node, bounds, condition):
            bounds.rest.append(condition)
    return bounds


def _absorb(node: Node, bounds: _Bounds, condition: Condition) -> bool:
    """Let an index answer the condition; False when it has to be tested."""
    path, operator, value = condition.path, condition.operator, condition.value
    if operator in ("_eq", "_in"):
        wanted = value if operator == "_in" else {value}
        if path in node.key_paths:
            keys = {key for key in wanted if key in node.table.rows}
        elif path in node.group_paths:
            name = node.group_paths[path]
            keys = {row.id for item in wanted for row in node.table.group(name, item)}
        else:
            return False
        bounds.keys = keys if bounds.keys is None else bounds.keys & keys
        return True
    if path in node.key_paths and isinstance(value, str):
        if operator in ("_gt", "_gte") and (bounds.low is None or value >= bounds.low):
            bounds.low, bounds.low_open = value, operator == "_gt" or (value == bounds.low and bounds.low_open)
            return True
        if operator in ("_lt", "_lte") and (bounds.high is None or value <= bounds.high):
            bounds.high, bounds.high_open = value, operator == "_lt" or (value == bounds.high and bounds.high_open)
            return True
    if path == "_updateStamp" and operator in ("_gt", "_gte"):
        whole = int(value)
        start = whole if operator == "_gte" and whole == value else whole + 1
        bounds.since = start if bounds.since is None else max(start, bounds.since)
        return True
    return False


def _passing(rows: Iterable[Any], rest: list[Condition]) -> Iterator[Any]:
    if not rest:
        return iter(rows)
    tests = [condition.test for condition in rest]
    return (row for row in rows if all(test(row) for test in tests))


def _within(bounds: _Bounds, row: Any) -> bool:
    """Does a row keep to the key range and the stamp bound?"""
    if bounds.since is not None and row.stamp < bounds.since:
        return False
    key = row.id
    if bounds.low is not None and (key < bounds.low or (bounds.low_open and key == bounds.low)):
        return False
    return bounds.high is None or key < bounds.high or (not bounds.high_open and key == bounds.high)


def _candidates(node: Node, bounds: _Bounds) -> list[Any]:
    """Rows that satisfy the bounds, in key order unless taken by stamp."""
    rows = node.table.rows
    if bounds.keys is not None:
        return [row for key in sorted(bounds.keys) if _within(bounds, row := rows[key])]
    if bounds.since is not None:
        by_stamp = node.table.by_stamp()
        recent = (rows[key] for _, key in islice(by_stamp, node.table.stamp_start(bounds.since), None))
        return [row for row in recent if _within(bounds, row)]
    start, end = node.table.key_slice(bounds.low, bounds.low_open, bounds.high, bounds.high_open)
    return [rows[key] for key in node.table.keys[start:end]]


def _in_key_order(node: Node, bounds: _Bounds, after: str | None) -> Iterable[Any]:
    if bounds.keys is None and bounds.since is None:
        low, low_open = bounds.low, bounds.low_open
        if after is not None and (low is None or after >= low):
            low, low_open = after, True
        start, end = node.table.key_slice(low, low_open, bounds.high, bounds.high_open)
        rows, keys = node.table.rows, node.table.keys
        return (rows[keys[position]] for position in range(start, end))
    found = sorted(_candidates(node, bounds), key=lambda row: row.id)
    return found if after is None else [row for row in found if row.id > after]


def _in_stamp_order(node: Node, bounds: _Bounds, after: tuple[str, str] | None) -> Iterable[Any]:
    mark = None if after is None else (_stamp(after[0]), after[1])
    if bounds.keys is not None:
        found = sorted(_candidates(node, bounds), key=lambda row: (row.stamp, row.id))
        return found if mark is None else [row for row in found if (row.stamp, row.id) > mark]
    by_stamp, rows = node.table.by_stamp(), node.table.rows
    start = 0 if bounds.since is None else node.table.stamp_start(bounds.since)
    if mark is not None:
        start = max(start, bisect_right(by_stamp, mark))
    plain = (rows[by_stamp[position][1]] for position in range(start, len(by_stamp)))
    return plain if bounds.low is None and bounds.high is None else (row for row in plain if _within(bounds, row))


def _sorted(
    node: Node, bounds: _Bounds, order: Order, getters: list[Callable[[Any], Any]], after: list[Any] | None
) -> list[Any]:
    """Any other order: sort what the filter leaves; empty values come first."""
    found = list(_passing(_candidates(node, bounds), bounds.rest))
    for (_, direction), get in reversed(list(zip(order, getters, strict=True))):
        found.sort(key=lambda row, get=get: ((value := get(row)) is not None, value), reverse=direction < 0)  # type: ignore[misc] # the default binds the loop's getter
    if after is None:
        return found
    wanted = [_stamp(value) if path.endswith("Stamp") else value for (path, _), value in zip(order, after, strict=True)]
    return [row for row in found if _is_after(row, order, getters, wanted)]


def _is_after(row: Any, order: Order, getters: list[Callable[[Any], Any]], wanted: list[Any]) -> bool:
    for (_, direction), get, mark in zip(order, getters, wanted, strict=True):
        got = ((value := get(row)) is not None, value)
        mark = (mark is not None, mark)
        if got != mark:
            return bool((got > mark) == (direction > 0))
    return False


def _count(node: Node, bounds: _Bounds) -> int:
    if bounds.rest or bounds.keys is not None or bounds.since is not None:
        return sum(1 for _ in _passing(_candidates(node, bounds), bounds.rest))
    start, end = node.table.key_slice(bounds.low, bounds.low_open, bounds.high, bounds.high_open)
    return end - start


def _encode(values: list[Any]) -> str:
    text = msgspec.json.encode(values).decode()
    return f"{text}#{zlib.crc32(text.encode()) % 100}"


def _decode(cursor: str, order: Order) -> list[Any]:
    text, mark, check = cursor.rpartition("#")
    if not mark or check != str(zlib.crc32(text.encode()) % 100):
        raise BadCursor(f"Invalid cursor: {cursor}")
    values: list[Any] = msgspec.json.decode(text)
    if len(values) != len(order):
        raise BadCursor(f"Invalid cursor: {cursor}")
    return values


def _stamp(value: Any) -> int:
    return int(datetime.fromisoformat(str(value)).timestamp())
