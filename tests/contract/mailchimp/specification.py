"""The official Marketing API specification as a judge of requests and answers."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft4Validator  # type: ignore[import-untyped]  # it ships no types

_SPEC = Path(__file__).parents[3] / "sandbox/mailchimp/spec/mailchimp-marketing-subset.json"


@cache
def specification() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(_SPEC.read_text())
    return made


def api_path(request: httpx.Request) -> str:
    """The path as it went over the wire, below the API root."""
    return request.url.raw_path.decode().partition("?")[0].removeprefix("/3.0")


def operation(method: str, path: str) -> tuple[str, dict[str, Any]]:
    """The operation a request means; the template with the fewest placeholders wins."""
    fitting = [
        template for template in specification()["paths"] if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
    ]
    assert fitting, f"no such path: {path}"
    template = min(fitting, key=lambda found: found.count("{"))
    found = specification()["paths"][template].get(method.lower())
    assert found, f"no {method} for {template}"
    return template, found


def faults_of_request(request: httpx.Request) -> list[str]:
    """Everything the specification objects to in path, method, query and body."""
    _, asked = operation(request.method, api_path(request))
    return [*_faults_of_query(request, asked), *_faults_of_body(request, asked)]


def faults_of_answer(request: httpx.Request, answer: httpx.Response) -> list[str]:
    _, asked = operation(request.method, api_path(request))
    described = asked["responses"].get(str(answer.status_code))
    if described is None:
        return [f"no answer {answer.status_code}"]
    content = described.get("content")
    if not content:
        return ["a body where none is described"] if answer.content else []
    return _judge(next(iter(content.values()))["schema"], answer.json())


def _faults_of_query(request: httpx.Request, asked: dict[str, Any]) -> list[str]:
    known = {item["name"]: item["schema"] for item in asked.get("parameters", []) if item["in"] == "query"}
    faults = []
    for name, value in request.url.params.multi_items():
        if name not in known:
            faults.append(f"unknown query parameter {name}")
        elif not _fits(known[name], value):
            faults.append(f"query parameter {name} cannot be {value!r}")
    return faults


def _fits(schema: dict[str, Any], value: str) -> bool:
    kind = schema.get("type")
    if kind == "boolean":
        return value in ("true", "false")
    if kind == "integer":
        return value.isdigit() and int(value) <= schema.get("maximum", 1000)
    return value in schema["enum"] if "enum" in schema else bool(value)


def _faults_of_body(request: httpx.Request, asked: dict[str, Any]) -> list[str]:
    described = asked.get("requestBody")
    if described is None:
        return ["a body where none is described"] if request.content else []
    if not request.content:
        return ["the body is missing"] if described.get("required") else []
    if request.headers.get("Content-Type") != "application/json":
        return ["the body is not announced as JSON"]
    schema, body = next(iter(described["content"].values()))["schema"], json.loads(request.content)
    return [*_judge(schema, body), *_unknown(schema, body, "$")]


def _judge(schema: dict[str, Any], value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft4Validator(schema).iter_errors(value)]


def _unknown(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    """Properties the specification does not name, at any depth; what it leaves open stays open."""
    if isinstance(value, list):
        items = schema.get("items", {})
        return [fault for item in value for fault in _unknown(items, item, f"{where}[]")]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    faults = [f"unknown property {where}.{key}" for key in value if key not in schema["properties"]]
    for key, inner in value.items():
        faults += _unknown(schema["properties"].get(key, {}), inner, f"{where}.{key}")
    return faults
