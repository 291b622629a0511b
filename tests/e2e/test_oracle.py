"""The oracle itself: it knows the rules, and it sees every way in which an audience can be wrong."""

import ast
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from sandbox.data import generate
from sandbox.x3.export import export
from sandbox.x3.state import Folder
from tests.e2e.oracle import Judgement, Rules, Terms, candidates, differences, judge

MAPPING: dict[str, Any] = {
    "email": {"sources": ["default_address.emails", "default_contact.email"], "mode": "per_party"},
    "fields": [
        {"target": "COMPANY", "source": "name", "transforms": ["trim"], "when_blank": "keep"},
        {"target": "X3CODE", "source": "code", "when_blank": "keep"},
    ],
    "tags": [{"name": "x3-customer"}],
    "language": "language",
}
POLICY = {"action": "tag", "tag": "x3-inactive"}


@pytest.fixture
def loaded() -> Judgement:
    """What a first load of 80 customers must make."""
    rows = list(export(Folder(generate(customers=80, seed=3)), "customers"))
    return judge({}, candidates(rows, Rules(MAPPING, POLICY)), {}, Terms("subscribed", POLICY))


def test_it_imports_nothing_of_the_product() -> None:
    for path in (Path(__file__).parent / "oracle").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in ("app", "workers", "sandbox")], path


def test_a_right_audience_differs_in_nothing(loaded: Judgement) -> None:
    assert len(loaded.members) > 60
    assert differences(deepcopy(loaded.members), loaded) == []


Spoil = Callable[[dict[str, Any], str], None]
SPOILT: dict[str, Spoil] = {
    "a member is missing": lambda members, email: members.pop(email) and None,
    "a stranger": lambda members, email: members.update({"stranger@acme.test": members[email]}),
    "another status": lambda members, email: members[email].update(status="transactional"),
    "another value": lambda members, email: members[email]["merge_fields"].update(COMPANY="?"),
    "a value too many": lambda members, email: members[email]["merge_fields"].update(CITY="PARIS"),
    "a value is missing": lambda members, email: members[email]["merge_fields"].pop("X3CODE") and None,
    "a tag too many": lambda members, email: members[email].update(tags=[*members[email]["tags"], "vip"]),
    "a tag is missing": lambda members, email: members[email].update(tags=[]),
    "another language": lambda members, email: members[email].update(language="xx"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_whatever_is_wrong_with_a_member_is_seen(loaded: Judgement, what: str) -> None:
    members = deepcopy(loaded.members)
    SPOILT[what](members, sorted(members)[7])

    assert len(differences(members, loaded)) == 1


def test_a_second_run_has_nothing_to_do_but_say_the_same(loaded: Judgement) -> None:
    rows = list(export(Folder(generate(customers=80, seed=3)), "customers"))
    found = candidates(rows, Rules(MAPPING, POLICY))

    again = judge(loaded.members, found, loaded.memories, Terms("subscribed", POLICY))

    assert again.members == loaded.members
    assert {verdict.outcome for verdict in again.verdicts.values()} == {"unchanged", "skipped"}
