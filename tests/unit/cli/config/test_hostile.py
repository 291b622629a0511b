"""A configuration file with each value wrong is a list of faults or a configuration, never an error of ours."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.cli.config.faults import Fault, Faulty
from app.cli.config.planning import plan
from app.cli.config.present import Present
from app.cli.config.reading import read_yaml
from app.cli.config.wanted import read_wanted

FILE: dict[str, Any] = {
    "format": "ml-connector/v1",
    "connections": {
        "X3": {
            "system": "sage_x3",
            "kind": "graphql_jwt",
            "url": "https://x3.acme.test/xtrem/api",
            "settings": {"page_size": 200, "fields": {"customers": {"custom.x": "a.b"}}, "headers": {"x-a": "b"}},
            "credential": {"client_id": "app", "subject": "adc", "from_env": {"client_secret": "X3_SECRET"}},
        },
        "Mailchimp": {"system": "mailchimp", "kind": "api_key", "settings": {"batch_operations_from": 1000}},
    },
    "mappings": {
        "customers": {
            "stream": "customers",
            "email": {"sources": ["default_address.emails"], "mode": "per_party"},
            "fields": [{"target": "FNAME", "source": "name", "transforms": ["trim"], "when_blank": "keep"}],
            "tags": [{"name": "b", "when": {"field": "country", "not_in": ["FR"]}}],
            "language": "language",
        }
    },
    "syncs": {
        "letters": {
            "stream": "customers",
            "source_connection": "X3",
            "target_connection": "Mailchimp",
            "mapping": "customers",
            "target": {"audience_id": "a6b5da1054", "store_id": "s1", "create_merge_fields": False},
            "filter": {"field": "category", "in": ["EXP"]},
            "new_member_status": "transactional",
            "inactive": {"action": "tag", "tag": "gone"},
            "schedule": {
                "kind": "weekly",
                "days": ["mon"],
                "at": "02:30",
                "quiet_hours": [{"from": "08:00", "to": "09:00"}],
            },
            "brake": {"max_new": 5, "max_inactive_percent": 20},
            "reconcile": {"every_days": 7, "repair": ["x3_deleted"]},
            "enabled": True,
        }
    },
}
WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**18, "", " ", "x", "x" * 70_000, "a\nb", "💥" * 300, "null", "{{7*7}}", "$(id)"),
    *([], ["x"], [None], {}, {"x": 1}, {"": ""}, [[[]]], {"from_env": {"x": "Y"}}, "2026-13-45"),
)
RAW = (
    *(
        b"",
        b"\x00",
        b"\xff\xfe",
        b"- 1",
        b"format",
        b"format: [",
        b"a: &x [1]\nb: *x",
        b"a: !!python/object:os.system x",
    ),
    *(b"--- 1\n--- 2", b"? [1]\n: 2", b"1: 2", b"a: 1\na: 2", b"[" * 5000, b"{" * 5000, b"a: " + b"9" * 6000, b"\t"),
    *(
        b"format: ml-connector/v1\nsyncs: 5",
        b"format: ml-connector/v1\nconnections: {1: {}}",
        b"a: |\n" + b" x\n" * 9999,
    ),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*at, name))


def spoilt(at: tuple[Any, ...], wrong: Any) -> bytes:
    """As JSON, which YAML is."""
    changed = copy.deepcopy(FILE)
    inner: Any = changed
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = wrong
    return json.dumps(changed, ensure_ascii=False).encode()


def faults(content: bytes) -> list[Fault]:
    """What is wrong with a file; nothing when it can be applied."""
    try:
        plan(read_wanted(read_yaml(content), Present({})), Present({}))
    except Faulty as error:
        return error.faults or [Fault(0, "refused without a reason")]
    return []


@pytest.mark.parametrize("at", list(places(FILE)), ids=lambda at: ".".join(map(str, at)))
def test_whatever_a_value_is_it_is_taken_or_refused(at: tuple[Any, ...]) -> None:
    found = [faults(spoilt(at, wrong)) for wrong in WRONG]

    assert any(found)
    assert all(fault.line >= 1 for each in found for fault in each)


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: raw[:12].hex() or "empty")
def test_what_is_no_configuration_is_refused(raw: bytes) -> None:
    assert faults(raw)


def test_the_file_itself_is_taken() -> None:
    assert faults(json.dumps(FILE).encode()) == []
