"""Runs a GraphQL document: checked once per text, its selections compiled to closures, its rows read by index."""

from collections import OrderedDict
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from sandbox.x3.filters import BadFilter, conditions
from sandbox.x3.finding import BadCursor, Found, find
from sandbox.x3.literals import BadLiteral, parse_literal
from sandbox.x3.nodes import Node, Schema, owner_code
from sandbox.x3.schema import graphql_schema
from sandbox.x3.selections import DEFAULT_PAGE, Quirks, Read, Selections
from sandbox.x3.state import Settings

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


class _Run(Selections):
    def __init__(
        self, executor: Executor, document: Document, operation: OperationDefinitionNode, variables: dict[str, Any],
        quirks: Quirks,
    ) -> None:  # fmt: skip
        super().__init__(executor.schema, document.fragments, variables, quirks)
        self.executor = executor
        self.document = document
        self.operation = operation
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
