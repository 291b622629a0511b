"""openapi.json: FastAPI's own document, with the errors every operation can answer."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem document. `code` is stable; `errors` come with 422.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:ml-connector:problem:not_found"]},
        "title": {"type": "string", "examples": ["Not found"]},
        "status": {"type": "integer", "examples": [404]},
        "detail": {"type": "string", "examples": ["There is no such object."]},
        "code": {"type": "string", "examples": ["not_found"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_DESCRIPTIONS = {
    "400": "The body is no JSON that can be stored",
    "401": "No valid key",
    "403": "The role of the key is too low",
    "404": "No such object in this tenant",
    "409": "The object is in a state that does not allow this",
    "412": "If-Match names another version",
    "413": "The body is too large",
    "415": "The body is not sent as JSON",
    "422": "Something in the request is not valid; see errors",
    "429": "Too many requests with this key; see Retry-After",
    "503": "Not available now; see Retry-After",
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the version this change was made from; 412 when it is no longer the newest.",
    "schema": {"type": "string"},
}
_VERSIONED = (
    "/connections/{id}",
    "/connections/{id}/credential",
    "/mappings/{id}",
    "/syncs/{id}",
    "/alert-channels/{id}",
)
_DESCRIPTION = """Tenants connect Sage X3 and Mailchimp; syncs carry every change between them.

Authenticate with `Authorization: Bearer <key>`. Another tenant's object is answered like one that does not exist: 404.
"""


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=_DESCRIPTION,
            routes=app.routes,
        )
        document["components"].setdefault("schemas", {})["Problem"] = _PROBLEM
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _complete(path, method, operation)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    operation["responses"].pop("422", None)
    for status in _errors(path, method, operation):
        operation["responses"].setdefault(status, _answer(status))
    if method in ("put", "patch", "delete") and path.endswith(_VERSIONED):
        operation.setdefault("parameters", []).append(_IF_MATCH)
    if method == "post" and any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ())):
        for status in ("201", "202"):
            if status in operation["responses"]:
                operation["responses"][status].setdefault("headers", {})["Idempotency-Replayed"] = {
                    "description": "`true` when this is the first answer again.",
                    "schema": {"type": "string"},
                }


def _errors(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    if not path.startswith("/v1") or path == "/v1/version":
        return []
    errors = ["401", "403", "422", "429", "503"]
    if "{tenant_id}" in path:
        errors.append("404")
    if method != "get":
        errors += ["409", "413"]
    if "requestBody" in operation:
        errors += ["400", "415"]
    if method in ("put", "patch", "delete") and path.endswith(_VERSIONED):
        errors.append("412")
    return sorted(errors)


def _answer(status: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": _DESCRIPTIONS[status], "content": content}
