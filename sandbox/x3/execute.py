"""Runs a GraphQL document: checked once per text, its selections compiled to closures, its rows read by index."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    execute_sync,
    parse,
    validate,
    value_from_ast_untyped,
)
from graphql.execution.values import get_variable_values

from sandbox.x3.filters import BadFilter, conditions
from sandbox.x3.finding import BadCursor, Found, find
from sandbox.x3.literals import BadLiteral, parse_literal
from sandbox.x3.nodes import Node, Schema, owner_code
from sandbox.x3.schema import graphql_schema
from sandbox.x3.state import Settings

Read = Callable[[Any], Any]
DEFAULT_PAGE = 20
KEPT_DOCUMENTS = 500
LIGHT = frozenset({"_id", "_createStamp", "_updateStamp", "_etag", "code", "isActive", "isCustomer", "isSupplier"})


class Rejected(Exception):
    """The document may not run at all: HTTP 400 with these messages."""

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


class FieldError(Exception):
    """One `query` or `read` failed: it becomes null, and the answer carries the message."""

    def __init__(self, message: str, code: str = "system-error") -> None:
        super().__init__(message)
        self.message, self.code = message, code


class Quirks(msgspec.Struct):
    """What goes wrong on purpose in this request."""

    refused_codes: frozenset[str] = frozenset()
    denied_field: str = ""
    kind: str = ""


class Result(msgspec.Struct):
    """Answer of one operation: `rows` is how many nodes were given at the upper level."""

    data: dict[str, Any]
    errors: list[dict[str, Any]]
    rows: int = 0


class Document(msgspec.Struct):
    """A parsed and checked document."""

    operations: dict[str, OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]
    whole: DocumentNode


class Executor:
    """Runs documents against one schema generation."""

    def __init__(self, schema: Schema, settings: Settings) -> None:
        self.schema = schema
        self.settings = settings
        self.graphql: GraphQLSchema = graphql_schema(schema)
        self.nodes: dict[tuple[str, str], Node] = {(node.package, node.name): node for node in schema.nodes}
        self._documents: OrderedDict[str, Document] = OrderedDict()

    def document(self, text: str) -> Document:
        """Parse and check a text; remembered, for clients repeat theirs. Raises Rejected."""
        known = self._documents.get(text)
        if known is not None:
            self._documents.move_to_end(text)
            return known
        try:
            parsed = parse(text, max_tokens=20_000)
        except (GraphQLError, RecursionError) as wrong:
            raise Rejected(str(getattr(wrong, "message", wrong))) from wrong
        wrongs = validate(self.graphql, parsed)
        if wrongs:
            raise Rejected(*(wrong.message for wrong in wrongs))
        document = Document({}, {}, parsed)
        for definition in parsed.definitions:
            if isinstance(definition, OperationDefinitionNode):
                document.operations[definition.name.value if definition.name else ""] = definition
            elif isinstance(definition, FragmentDefinitionNode):
                document.fragments[definition.name.value] = definition
        self._documents[text] = document
        if len(self._documents) > KEPT_DOCUMENTS:
            self._documents.popitem(last=False)
        return document

    def run(self, text: str, variables: dict[str, Any], operation_name: str | None, quirks: Quirks) -> Result:
        """Run one operation. Raises Rejected."""
        document = self.document(text)
        if operation_name:
            operation = document.operations.get(operation_name)
        else:
            operation = next(iter(document.operations.values())) if len(document.operations) == 1 else None
        if operation is None or operation.operation != OperationType.QUERY:
            raise Rejected("Unknown operation, or not a query")
        coerced = get_variable_values(self.graphql, operation.variable_definitions, variables)
        if isinstance(coerced, list):
            raise Rejected(*(wrong.message for wrong in coerced))
        return _Run(self, document, operation, coerced, quirks).run()

    def introspect(self, document: DocumentNode, variables: dict[str, Any]) -> dict[str, Any]:
        """The `__schema` and `__type` parts of a document, answered by graphql-core."""
        if not self.settings.introspection:
            raise Rejected("GraphQL introspection is not allowed")
        return execute_sync(self.graphql, document, variable_values=variables).data or {}


class _Run:
    def __init__(
        self, executor: Executor, document: Document, operation: OperationDefinitionNode, variables: dict[str, Any],
        quirks: Quirks,
    ) -> None:  # fmt: skip
        self.executor = executor
        self.schema = executor.schema
        self.document = document
        self.operation = operation
        self.variables = variables
        self.quirks = quirks
        self.errors: list[dict[str, Any]] = []
        self.rows = 0

    def run(self) -> Result:
        data: dict[str, Any] = {}
        fields = self.fields(self.operation.selection_set)
        if any(field.name.value in ("__schema", "__type") for field in fields):
            found = self.executor.introspect(self.document.whole, self.variables)
            data |= {key: value for key, value in found.items() if value is not None or len(found) == 1}
        for package in fields:
            key = package.alias.value if package.alias else package.name.value
            if package.name.value == "__typename":
                data[key] = "RootQuery"
            elif not package.name.value.startswith("__"):
                data[key] = self.package(package, key)
        return Result(data, self.errors, self.rows)

    def package(self, package: FieldNode, key: str) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for field in self.fields(package.selection_set):
            alias = field.alias.value if field.alias else field.name.value
            node = self.executor.nodes.get((package.name.value, field.name.value))
            if node is not None:
                data[alias] = self.node(node, field, [key, alias])
        return data

    def node(self, node: Node, field: FieldNode, path: list[str]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for call in self.fields(field.selection_set):
            alias = call.alias.value if call.alias else call.name.value
            try:
                if call.name.value == "query":
                    data[alias] = self.query(node, call)
                elif call.name.value == "read":
                    data[alias] = self.read(node, call)
            except FieldError as failed:
                data[alias] = None
                diagnosis = {"severity": 4, "path": [], "message": failed.message}
                extensions = {"code": failed.code, "diagnoses": [diagnosis]}
                self.errors.append({"message": failed.message, "path": [*path, alias], "extensions": extensions})
        return data

    def read(self, node: Node, call: FieldNode) -> Any:
        row = node.table.get(str(self.arguments(call).get("_id")))
        if row is None:
            return None
        self.refuse(node, [row], heavy=True)
        return self.selection(node.type.name, call.selection_set)(row)

    def query(self, node: Node, call: FieldNode) -> dict[str, Any]:
        arguments = self.arguments(call)
        found = self.found(node, arguments)
        data: dict[str, Any] = {}
        edges: list[Any] = found.rows
        for field in self.fields(call.selection_set):
            alias = field.alias.value if field.alias else field.name.value
            match field.name.value:
                case "edges":
                    self.rows += len(edges)
                    data[alias] = self.edges(node, field, found)
                case "totalCount":
                    data[alias] = found.count()
                case "pageInfo":
                    data[alias] = self.page_info(field, found, arguments.get("after"))
        return data

    def found(self, node: Node, arguments: dict[str, Any]) -> Found:
        dialect = self.executor.settings.filter_dialect
        try:
            text, order = arguments.get("filter"), arguments.get("orderBy")
            where = conditions(self.schema, node.type, parse_literal(text, dialect)) if text else []
            order_by = parse_literal(order, dialect) if order else None
            if node.name in self.executor.settings.unsortable_by_stamp and "_updateStamp" in (order_by or {}):
                raise FieldError("System error: cannot sort by _updateStamp")
            first = arguments.get("first")
            if first is None:
                first = arguments["last"] if arguments.get("last") is not None else DEFAULT_PAGE
            if first < 0:
                raise FieldError("first must not be negative", "business-rule-error")
            first = min(first, self.executor.settings.page_maximum)
            found = find(self.schema, node, where, order_by, first, arguments.get("after"))
        except (BadFilter, BadLiteral) as wrong:
            raise FieldError(f"Invalid filter: {wrong}", "validation-error") from wrong
        except (BadCursor, TypeError) as wrong:
            raise FieldError(str(wrong), "validation-error") from wrong
        if self.quirks.kind == "empty_page":
            found.rows, found.has_next = [], True
        return found

    def edges(self, node: Node, field: FieldNode, found: Found) -> list[Any]:
        heavy = node.owner is not None and ("Address" in node.name or "Contact" in node.name)
        parts: list[tuple[str, Read]] = []
        for part in self.fields(field.selection_set):
            alias = part.alias.value if part.alias else part.name.value
            if part.name.value == "cursor":
                parts.append((alias, found.cursor))
            elif part.name.value == "node" and part.selection_set is not None:
                heavy = heavy or any(f.name.value not in LIGHT for f in self.fields(part.selection_set))
                parts.append((alias, self.selection(node.type.name, part.selection_set)))
        self.refuse(node, found.rows, heavy=heavy)
        if len(parts) == 1:
            name, get = parts[0]
            return [{name: get(row)} for row in found.rows]
        return [{name: get(row) for name, get in parts} for row in found.rows]

    def refuse(self, node: Node, rows: list[Any], *, heavy: bool) -> None:
        """Fail when a row may not be read; bare keys and stamps always may."""
        refused = self.quirks.refused_codes
        if not refused or not heavy or node.owner is None:
            return
        for row in rows:
            code = owner_code(row)
            if code in refused:
                side = "supplier" if "upplier" in node.name else "customer"
                raise FieldError(
                    f"Unauthorized: entityType: businessPartner, {side}: {code}, code: MAIN", "unauthorized"
                )

    def page_info(self, field: FieldNode, found: Found, after: str | None) -> dict[str, Any]:
        first = found.cursor(found.rows[0]) if found.rows else None
        last = found.cursor(found.rows[-1]) if found.rows else None
        if self.quirks.kind == "repeated_cursor":
            last = after if after is not None else first
        values = {
            "startCursor": first,
            "endCursor": last,
            "hasNextPage": found.has_next,
            "hasPreviousPage": found.has_previous,
        }
        return {
            part.alias.value if part.alias else part.name.value: values.get(part.name.value)
            for part in self.fields(field.selection_set)
        }

    # Selections of objects: compiled once per request, then called per row.

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
                found += self.fields(self.document.fragments[part.name.value].selection_set)
        return found

    def included(self, directive: Any) -> bool:
        value = next((value_from_ast_untyped(argument.value, self.variables) for argument in directive.arguments), True)
        return bool(value) is (directive.name.value != "skip")
