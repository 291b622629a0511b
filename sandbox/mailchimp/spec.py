"""Mailchimp's own specification as the gate: path, method, query and body of every request are held against it."""

from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from typing import Any

import msgspec

from sandbox.mailchimp.problems import Problem, invalid, not_found

Errors = list[tuple[str, str]]
Check = Callable[[Any, str, Errors], None]
UNVALIDATED = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
METHODS = ("get", "post", "put", "patch", "delete")
IGNORED_BODY_FIELDS = {
    "putListsIdMembersId": frozenset({"tags"}), "patchListsIdMembersId": frozenset({"tags"}),
}  # fmt: skip
"""Sent by careless clients, dropped without an error by Mailchimp (reference, 2.4)."""


class Operation(msgspec.Struct):
    """One method of one path: what its query may hold, what its body must be, what its answer holds."""

    id: str
    method: str
    query: dict[str, Check]
    body: Check | None
    answer_schema: dict[str, Any]
    required_query: tuple[str, ...] = ()


class _Branch(msgspec.Struct):
    literals: "dict[str, _Branch]" = {}
    parameter: "_Branch | None" = None
    name: str = ""
    methods: dict[str, Operation] = {}


class Specification:
    """All operations, found by path."""

    def __init__(self) -> None:
        raw = files("sandbox.mailchimp").joinpath("spec/mailchimp-marketing-subset.json").read_bytes()
        self.document: dict[str, Any] = msgspec.json.decode(raw)
        self.operations: dict[str, Operation] = {}
        self._root = _Branch(literals={}, methods={})
        for path, item in self.document["paths"].items():
            branch = self._grow(path)
            for method in METHODS:
                if method in item:
                    operation = _operation(method.upper(), item[method])
                    branch.methods[method.upper()] = operation
                    self.operations[operation.id] = operation

    def _grow(self, path: str) -> _Branch:
        branch = self._root
        for part in path.strip("/").split("/") if path != "/" else ():
            if part.startswith("{"):
                if branch.parameter is None:
                    branch.parameter = _Branch(literals={}, methods={})
                branch = branch.parameter
                branch.name = part[1:-1]
            else:
                branch = branch.literals.setdefault(part, _Branch(literals={}, methods={}))
        return branch

    def find(self, method: str, path: str) -> tuple[Operation, tuple[str, ...]]:
        """The operation and its path parameters in order. Raises Problem 404 or 405."""
        branch = self._root
        arguments: list[str] = []
        stripped = path.strip("/")
        for part in stripped.split("/") if stripped else ():
            following = branch.literals.get(part)
            if following is None:
                following = branch.parameter
                arguments.append(part)
            if following is None:
                raise not_found()
            branch = following
        if not branch.methods:
            raise not_found()
        operation = branch.methods.get(method)
        if operation is None:
            allowed = ", ".join(sorted(branch.methods))
            raise Problem(
                405, "Method Not Allowed", f"The requested method and resource are not compatible. See {allowed}."
            )
        return operation, tuple(arguments)

    def check_query(self, operation: Operation, query: list[tuple[str, str]]) -> dict[str, str]:
        """The query as a dict. Raises Problem 400 for an unknown parameter or a bad value."""
        errors: Errors = []
        found: dict[str, str] = {}
        for name, value in query:
            check = operation.query.get(name)
            if check is None:
                errors.append((name, "This parameter is not known to this endpoint"))
            elif name in found:
                errors.append((name, "This parameter was sent twice"))
            else:
                check(value, name, errors)
                found[name] = value
        errors += [(name, "This parameter is required") for name in operation.required_query if name not in found]
        if "fields" in found and "exclude_fields" in found:
            errors.append(("fields", "fields and exclude_fields may not be sent together"))
        if errors:
            raise Problem(400, "Bad Request", "The query of the request could not be validated.", errors)
        return found

    def check_body(self, operation: Operation, raw: bytes) -> Any:
        """The decoded body, None when the operation takes none. Raises Problem 400."""
        if operation.body is None:
            return None
        try:
            value = msgspec.json.decode(raw) if raw else {}
        except msgspec.DecodeError as wrong:
            detail = "We encountered an unspecified JSON parsing error."
            raise Problem(400, "JSON Parse Exception", f"{detail} ({wrong})") from wrong
        errors: Errors = []
        operation.body(value, "", errors)
        if errors:
            raise invalid(UNVALIDATED, errors)
        return value


def _operation(method: str, item: dict[str, Any]) -> Operation:
    parameters = [p for p in item.get("parameters", ()) if p["in"] == "query"]
    query = {p["name"]: _query_check(p.get("schema", {})) for p in parameters}
    required = tuple(p["name"] for p in parameters if p.get("required"))
    schema = item.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    ignored = IGNORED_BODY_FIELDS.get(item["operationId"], frozenset())
    body = compile_check(schema, ignored) if schema is not None else None
    content = item.get("responses", {}).get("200", {}).get("content", {})
    answer = content.get("application/json", {}).get("schema", {})
    return Operation(item["operationId"], method, query, body, answer, required)


def _query_check(schema: dict[str, Any]) -> Check:
    kind, enum, top = schema.get("type"), schema.get("enum"), schema.get("maximum")

    def check(value: Any, name: str, errors: Errors) -> None:
        if kind == "integer":
            if not value.isdecimal() or len(value) > 9:
                errors.append((name, "Schema describes integer, string found instead"))
            elif top is not None and int(value) > top:
                errors.append((name, f"{value} is greater than the maximum of {top}"))
        elif kind == "boolean" and value not in ("true", "false", "0", "1"):
            errors.append((name, "Schema describes boolean, string found instead"))
        elif enum is not None and value not in enum:
            errors.append((name, f"Value must be one of {', '.join(enum)}"))

    return check


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,),
    "array": (list,),
}  # fmt: skip
_NAMES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
    type(None): "NULL",
}


def compile_check(schema: dict[str, Any], ignored: frozenset[str] = frozenset()) -> Check:
    """A function that appends what is wrong with a value, in Mailchimp's words; built once per schema."""
    kind = schema.get("type")
    types = _TYPES.get(kind) if kind else None
    parts: list[Check] = []
    if schema.get("enum"):
        parts.append(_enum(frozenset(schema["enum"])))
    if kind == "object":
        parts.append(_object(schema, ignored))
    if kind == "array":
        parts.append(_array(schema))
    if kind == "string" and (schema.get("maxLength") or schema.get("format") == "date-time"):
        parts.append(_text(schema))

    def check(value: Any, path: str, errors: Errors) -> None:
        if types is not None and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
            errors.append((path, f"Schema describes {kind}, {_NAMES.get(type(value), 'unknown')} found instead"))
            return
        for part in parts:
            part(value, path, errors)

    return check


def _enum(values: frozenset[Any]) -> Check:
    def check(value: Any, path: str, errors: Errors) -> None:
        if value not in values:
            errors.append((path, f"Value must be one of {', '.join(sorted(map(str, values)))}"))

    return check


def _text(schema: dict[str, Any]) -> Check:
    longest, is_instant = schema.get("maxLength"), schema.get("format") == "date-time"

    def check(value: Any, path: str, errors: Errors) -> None:
        if longest is not None and len(value) > longest:
            errors.append((path, f"Data is longer than {longest} characters"))
        if is_instant and value:
            try:
                datetime.fromisoformat(value)
            except ValueError:
                errors.append((path, "Data is not a valid date-time"))

    return check


def _object(schema: dict[str, Any], ignored: frozenset[str]) -> Check:
    checks = {name: compile_check(item) for name, item in schema.get("properties", {}).items()}
    required = tuple(schema.get("required", ()))
    more = schema.get("additionalProperties")
    open_ended = "additionalProperties" in schema or not checks
    other = compile_check(more) if isinstance(more, dict) else None

    def check(value: Any, path: str, errors: Errors) -> None:
        prefix = f"{path}." if path else ""
        for name, item in value.items():
            one = checks.get(name)
            if one is not None:
                one(item, prefix + name, errors)
            elif not open_ended and name not in ignored:
                errors.append((prefix + name, "Schema does not know this property"))
            elif other is not None and name not in ignored:
                other(item, prefix + name, errors)
        for name in required:
            if name not in value:
                errors.append((prefix + name, "This value should not be blank."))

    return check


def _array(schema: dict[str, Any]) -> Check:
    item_check = compile_check(schema.get("items", {}))
    most = schema.get("maxItems")

    def check(value: Any, path: str, errors: Errors) -> None:
        if most is not None and len(value) > most:
            errors.append((path, f"Data has more than {most} items"))
            return
        for position, item in enumerate(value):
            item_check(item, f"{path}.{position}" if path else str(position), errors)

    return check
