"""openapi.json is what the code says, and a valid document."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from app.openapi import document

_LEDGER_KEYS = ("ChangePublic", "RecordPublic", "DeadLetterPublic")  # there `key` is the record's own
PUBLISHED = Path(__file__).parents[2] / "openapi.json"


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return found


def test_the_published_document_is_current() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == document(), "run: python -m app.openapi"


def test_the_document_is_valid(spec: dict[str, Any]) -> None:
    validate(spec)


def test_every_guarded_operation_names_its_key_and_its_errors(spec: dict[str, Any]) -> None:
    for path, operations in spec["paths"].items():
        if not path.startswith("/v1/") or path == "/v1/version":
            continue
        for method, operation in operations.items():
            assert operation["security"] == [{"HTTPBearer": []}], (method, path)
            assert {"401", "403", "422", "429"} <= operation["responses"].keys(), (method, path)
            for status, answer in operation["responses"].items():
                if status >= "400" and path != "/readyz":
                    assert "application/problem+json" in answer["content"], (method, path, status)


def test_every_post_that_creates_takes_an_idempotency_key(spec: dict[str, Any]) -> None:
    creating = [
        (path, operations["post"])
        for path, operations in spec["paths"].items()
        if "post" in operations and "201" in operations["post"]["responses"]
    ]

    assert len(creating) >= 5
    for path, operation in creating:
        assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]], path


def test_no_answer_offers_a_secret(spec: dict[str, Any]) -> None:
    for name, schema in spec["components"]["schemas"].items():
        if name.endswith("Public") and name not in _LEDGER_KEYS:
            assert (
                not {"credential", "key", "secret", "token", "secret_hash", "data_key"} & schema["properties"].keys()
            ), name
