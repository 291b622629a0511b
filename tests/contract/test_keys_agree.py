"""The keys of a sync's and a connection's documents that the engine reads are those that the API accepts.

The engine reads documents (jsonb) by literal keys, or converts them into a msgspec struct. Both are found here: the
first by looking at every `X.get("key")` and `X["key"]` of the source whose X is named after the document, the second
by the struct's fields. Forms of the console and the API's own presentation do not count as reading.
"""

import ast
import json
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest
from pydantic import BaseModel

from app.api.schemas.connections import MailchimpSettings, SageX3Settings, StreamRest
from app.api.schemas.syncs import Brake, Reconcile, TargetModel
from app.connectors.sage_x3.rest.settings import RestRows
from app.connectors.sage_x3.settings import X3Settings
from app.domain.errors import InvalidDefinition
from app.domain.inactive import parse_inactive
from app.domain.schedule import parse_schedule
from app.openapi import document

ROOT = Path(__file__).parents[2]
ENGINE = [ROOT / "workers", *(ROOT / "app" / room for room in ("sync", "connections", "connectors", "db", "webhooks"))]
PARSERS: dict[str, Callable[[object], object]] = {"inactive": parse_inactive, "schedule": parse_schedule}
DOCUMENTS = ("target", "settings", "inactive", "schedule", "brake", "reconcile")


def tail(node: ast.expr) -> str:
    """What an expression is called: `sync.target`, `sync["target"]`, `(run.sync.get("brake") or {})`, `brake`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(name)), *_]):
            return name
        case ast.BoolOp(values=[first, *_]):
            return tail(first)
    return ""


def literal_reads(tree: ast.AST) -> list[tuple[str, str]]:
    """(document, key) of every literal key that is read."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=of, attr="get"), args=[ast.Constant(value=str(key)), *_]):
                found.append((tail(of), key))
            case ast.Subscript(value=of, slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                found.append((tail(of), key))
    return [(of, key) for of, key in found if of in DOCUMENTS]


@cache
def engine_reads() -> dict[str, set[str]]:
    """Keys by document, over the whole engine, those in SQL (`s.reconcile ->> 'every_days'`) included."""
    reads: defaultdict[str, set[str]] = defaultdict(set)
    for folder in ENGINE:
        for path in sorted(folder.rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            for of, key in literal_reads(ast.parse(text)):
                reads[of].add(key)
            for of in DOCUMENTS:
                for part in text.split(f".{of} ->> '")[1:]:
                    reads[of].add(part.partition("'")[0])
    return dict(reads)


def fields_of(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def accepted(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def published(schema: str, name: str) -> set[str]:
    """Properties of a document that the domain parses itself, as openapi.json shows them."""
    return set(json.loads(document())["components"]["schemas"][schema]["properties"][name]["properties"])


def parsed(name: str) -> set[str]:
    """The keys that the one parser of a document takes, as its refusal of another one lists them."""
    with pytest.raises(InvalidDefinition) as refused:
        PARSERS[name]({"no such key": 1})
    return set(refused.value.message.partition("known are ")[2].rstrip(".").split(", "))


@pytest.mark.parametrize(
    ("name", "takes"),
    [
        ("target", accepted(TargetModel)),
        ("brake", accepted(Brake)),
        ("reconcile", accepted(Reconcile)),
        ("settings", accepted(SageX3Settings) | accepted(MailchimpSettings)),
    ],
)
def test_engine_and_api_know_the_same_keys(name: str, takes: set[str]) -> None:
    reads = engine_reads()[name] | (fields_of(X3Settings) if name == "settings" else set())

    assert reads == takes


def test_the_structs_of_rest_and_api_agree() -> None:
    assert fields_of(RestRows) == accepted(StreamRest)


@pytest.mark.parametrize("name", ["inactive", "schedule"])
def test_what_the_domain_parses_is_what_is_published(name: str) -> None:
    """Each is parsed by one function, for the API and for the engine."""
    takes = parsed(name)

    assert published("SyncCreate", name) == published("SyncUpdate", name) == takes
    assert engine_reads().get(name, set()) <= takes


def test_a_key_that_only_the_engine_knows_would_be_seen() -> None:
    source = 'loaded.sync.target.get("secret_key", True), (row["brake"] or {}).get("other"), inactive["third"]'

    assert sorted(literal_reads(ast.parse(source))) == [
        ("brake", "other"),
        ("inactive", "third"),
        ("target", "secret_key"),
    ]
