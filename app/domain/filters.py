"""Conditions on source fields: which parties a sync carries, when a tag is on."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from app.domain.errors import InvalidDefinition
from app.domain.fields import Field
from app.domain.party import Value
from app.domain.shape import Node, printable
from app.domain.streams import STREAMS, find_field
from app.domain.values import Unusable, as_number, as_text

DEPTH, CONDITIONS, VALUES = 8, 100, 1000
"""Most levels of all/any/not, conditions in one filter, values in one list."""

Predicate = Callable[[tuple[Value, ...]], bool]
Operator = Literal["in", "is_blank"]


class Condition(msgspec.Struct, frozen=True):
    """`field` is one of `values`, or blank; `negated` turns it round. A blank field equals nothing."""

    field: str
    operator: Operator
    type: str
    values: frozenset[str | Decimal] = frozenset()
    negated: bool = False


class Group(msgspec.Struct, frozen=True):
    kind: Literal["all", "any", "not"]
    members: tuple["Condition | Group", ...]


class Filter(msgspec.Struct, frozen=True):
    """A condition checked against a stream; `fields` are the source fields it looks at, `document` its JSON."""

    root: Condition | Group
    fields: tuple[str, ...]
    document: dict[str, Any]


def parse_filter(raw: object, stream: str, *, pointer: str = "/filter", contacts: bool = False) -> Filter | None:
    """`{"field", "in" | "not_in" | "equals" | "not_equals" | "is_blank"}`, or `all`, `any`, `not` of such.

    None stays None. Fields of a contact may be named only with `contacts`.

    Raises:
        InvalidDefinition: unknown stream, field or operator, values that do not suit the field, too deep or too long.
    """
    if raw is None:
        return None
    if stream not in STREAMS:
        raise InvalidDefinition("/stream", f"Must be one of {', '.join(STREAMS)}.")
    parser = _Parser(stream, contacts)
    root = parser.parse(Node(raw, pointer), 1)
    assert isinstance(raw, dict)  # noqa: S101 - the parser took it
    return Filter(root, tuple(parser.fields), raw)


class _Parser:
    def __init__(self, stream: str, contacts: bool) -> None:
        self.stream = stream
        self.contacts = contacts
        self.fields: dict[str, None] = {}
        self.conditions = 0

    def parse(self, node: Node, depth: int) -> Condition | Group:
        if depth > DEPTH:
            raise node.fail(f"Conditions may be nested {DEPTH} levels deep.")
        given = node.object(("field", "in", "not_in", "equals", "not_equals", "is_blank", "all", "any", "not"))
        if "field" in given:
            return self.condition(node)
        if len(given) != 1:
            raise node.fail("Must have either a field with one operator, or one of all, any and not.")
        (kind,) = given
        inner = node.get(kind)
        if kind == "not":
            return Group("not", (self.parse(inner, depth + 1),))
        if kind not in ("all", "any"):
            raise InvalidDefinition(node.child("field"), "Is required.")
        members = tuple(self.parse(item, depth + 1) for item in inner.items(CONDITIONS, least=1))
        return Group("all" if kind == "all" else "any", members)

    def condition(self, node: Node) -> Condition:
        self.conditions += 1
        if self.conditions > CONDITIONS:
            raise node.fail(f"At most {CONDITIONS} conditions.")
        given = node.object(("field", "in", "not_in", "equals", "not_equals", "is_blank"))
        field = self.field(node.get("field"))
        if len(given) != 2:
            raise node.fail("Must have exactly one of in, not_in, equals, not_equals and is_blank.")
        (operator,) = given.keys() - {"field"}
        operand = node.get(operator)
        if operator == "is_blank":
            return Condition(field.name, "is_blank", field.type, negated=not operand.boolean())
        values = operand.items(VALUES, least=1) if operator.endswith("in") else iter((operand,))
        operands = frozenset(_operand(value, field) for value in values)
        return Condition(field.name, "in", field.type, operands, operator.startswith("not_"))

    def field(self, node: Node) -> Field:
        field = find_field(self.stream, node.text(120))
        if field is None:
            raise node.fail(f"Unknown field {printable(str(node.value))}.")
        if field.scope == "contact" and not self.contacts:
            raise node.fail("Fields of a contact are known only to a mapping in per_contact mode.")
        if field.type in ("emails", "address"):
            raise node.fail(f"A field of type {field.type} cannot be compared.")
        self.fields[field.name] = None
        return field


def _operand(node: Node, field: Field) -> str | Decimal:
    value = node.scalar(500)
    if field.type == "boolean" and not isinstance(value, bool):
        raise node.fail(f"{field.name} is true or false.")
    try:
        comparable = as_number(value) if field.type == "number" else as_text(value)
    except Unusable as error:
        raise node.fail(f"{field.name} is a number: {error}.") from None
    if comparable is None:
        raise node.fail("Must not be blank; use is_blank.")
    return comparable


def compile_filter(filter_: Filter, places: Mapping[str, int]) -> Predicate:
    """A function of a party's values; `places` says where each field stands in them. It never raises: a value
    that cannot be compared equals nothing."""
    return _compiled(filter_.root, places)


def _compiled(node: Condition | Group, places: Mapping[str, int]) -> Predicate:
    if isinstance(node, Condition):
        return _blank(node, places[node.field]) if node.operator == "is_blank" else _among(node, places[node.field])
    members = tuple(_compiled(member, places) for member in node.members)
    if node.kind == "not":
        (member,) = members
        return lambda values: not member(values)
    if node.kind == "all":
        return lambda values: all(member(values) for member in members)
    return lambda values: any(member(values) for member in members)


def _blank(condition: Condition, place: int) -> Predicate:
    negated = condition.negated

    def blank(values: tuple[Value, ...]) -> bool:
        value = values[place]
        return (value is None or (value.__class__ is str and not value.strip())) is not negated

    return blank


def _among(condition: Condition, place: int) -> Predicate:
    wanted, negated = condition.values, condition.negated
    if condition.type == "text":
        return _text_among(condition, place)
    comparable = as_number if condition.type == "number" else as_text

    def among(values: tuple[Value, ...]) -> bool:
        try:
            return (comparable(values[place]) in wanted) is not negated
        except Unusable:
            return negated

    return among


def _text_among(condition: Condition, place: int) -> Predicate:
    wanted, negated = condition.values, condition.negated

    def among(values: tuple[Value, ...]) -> bool:
        value = values[place]
        if value.__class__ is not str:
            try:
                value = as_text(value)
            except Unusable:
                return negated
        return (value in wanted) is not negated

    return among
