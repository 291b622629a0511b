"""Selections of a GraphQL document as closures: compiled once per request, then called per row."""

from collections.abc import Callable
from typing import Any

import msgspec
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionSetNode,
    Undefined,
    value_from_ast_untyped,
)

from sandbox.x3.nodes import Schema

Read = Callable[[Any], Any]
DEFAULT_PAGE = 20


class Quirks(msgspec.Struct):
    """What goes wrong on purpose in this request."""

    refused_codes: frozenset[str] = frozenset()
    denied_field: str = ""
    kind: str = ""


class Selections:
    """Compiles selections of one request; `errors` collects what the user has no right to."""

    def __init__(
        self, schema: Schema, fragments: dict[str, FragmentDefinitionNode], variables: dict[str, Any], quirks: Quirks
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.variables = variables
        self.quirks = quirks
        self.errors: list[dict[str, Any]] = []

    def selection(self, type_name: str, selections: SelectionSetNode | None) -> Read:
        """A closure that makes the JSON object of one row."""
        type_ = self.schema.types[type_name]
        names: list[str] = []
        reads: list[Read] = []
        for part in self.fields(selections):
            name = part.name.value
            names.append(part.alias.value if part.alias else name)
            if name == "__typename":
                reads.append(lambda _: type_name)
            elif name == "_access":
                reads.append(lambda _: [])
            elif name == self.quirks.denied_field:
                reads.append(self.denied(type_name, name))
            else:
                reads.append(self.value(type_.fields[name], part))
        if len(names) == 1:
            key, read = names[0], reads[0]
            return lambda row: {key: read(row)}
        pairs = tuple(zip(names, reads, strict=True))
        return lambda row: {key: read(row) for key, read in pairs}

    def value(self, field: Any, part: FieldNode) -> Read:
        get: Read = field.get
        if field.kind == "leaf":
            return get
        if field.kind == "ref":
            inner = self.selection(field.type, part.selection_set)
            return lambda row: None if (target := get(row)) is None else inner(target)
        calls = [
            (call.alias.value if call.alias else call.name.value, self.collection(field.type, call))
            for call in self.fields(part.selection_set)
            if call.name.value == "query"
        ]
        if len(calls) == 1:
            key, read = calls[0]
            return lambda row: {key: read(get(row))}
        return lambda row: {key: read(get(row)) for key, read in calls}

    def collection(self, type_name: str, call: FieldNode) -> Read:
        """A closure that makes a page of a nested collection: the first 20, unless told."""
        arguments = self.arguments(call)
        first = arguments.get("first")
        limit = DEFAULT_PAGE if first is None else first
        after = arguments.get("after")
        start = int(after.partition("#")[0].strip('[]" ')) if after else 0
        parts: list[tuple[str, Read]] = []
        for part in self.fields(call.selection_set):
            key = part.alias.value if part.alias else part.name.value
            if part.name.value == "edges":
                parts.append((key, self.nested_edges(type_name, part, start, limit)))
            elif part.name.value == "totalCount":
                parts.append((key, len))
            elif part.name.value == "pageInfo":
                parts.append((key, self.nested_page_info(part, start, limit)))
        if len(parts) == 1:
            only, read = parts[0]
            return lambda items: {only: read(items)}
        return lambda items: {key: read(items) for key, read in parts}

    def nested_edges(self, type_name: str, part: FieldNode, start: int, limit: int) -> Read:
        reads: list[tuple[str, Read]] = []
        for field in self.fields(part.selection_set):
            if field.name.value == "node":
                key = field.alias.value if field.alias else "node"
                reads.append((key, self.selection(type_name, field.selection_set)))
        if len(reads) == 1 and len(self.fields(part.selection_set)) == 1:
            name, read = reads[0]
            return lambda items: [{name: read(item)} for item in items[start : start + limit]]
        cursors = [
            field.alias.value if field.alias else "cursor"
            for field in self.fields(part.selection_set)
            if field.name.value == "cursor"
        ]
        return lambda items: [
            {key: read(item) for key, read in reads} | dict.fromkeys(cursors, f"[{start + position}]#0")
            for position, item in enumerate(items[start : start + limit], 1)
        ]

    def nested_page_info(self, part: FieldNode, start: int, limit: int) -> Read:
        names = [(f.alias.value if f.alias else f.name.value, f.name.value) for f in self.fields(part.selection_set)]

        def info(items: Any) -> dict[str, Any]:
            end = min(len(items), start + limit)
            values = {
                "startCursor": f"[{start + 1}]#0" if items else None, "endCursor": f"[{end}]#0" if items else None,
                "hasNextPage": end < len(items), "hasPreviousPage": start > 0,
            }  # fmt: skip
            return {alias: values[name] for alias, name in names}

        return info

    def denied(self, type_name: str, name: str) -> Read:
        """A property the user has no right to: null, and one error for the whole answer."""
        message = f"Unauthorized: you do not have access to {type_name}.{name}"
        self.errors.append({"message": message, "path": [name], "extensions": {"code": "unauthorized"}})
        return lambda _: None

    def arguments(self, call: FieldNode) -> dict[str, Any]:
        values = ((part.name.value, value_from_ast_untyped(part.value, self.variables)) for part in call.arguments)
        return {name: value for name, value in values if value is not Undefined}

    def fields(self, selections: SelectionSetNode | None) -> list[FieldNode]:
        """The fields of a selection, fragments opened, @skip and @include obeyed."""
        found: list[FieldNode] = []
        for part in selections.selections if selections is not None else ():
            if not all(self.included(directive) for directive in part.directives):
                continue
            if isinstance(part, FieldNode):
                found.append(part)
            elif isinstance(part, InlineFragmentNode):
                found += self.fields(part.selection_set)
            elif isinstance(part, FragmentSpreadNode):
                found += self.fields(self.fragments[part.name.value].selection_set)
        return found

    def included(self, directive: Any) -> bool:
        value = next((value_from_ast_untyped(argument.value, self.variables) for argument in directive.arguments), True)
        return bool(value) is (directive.name.value != "skip")
