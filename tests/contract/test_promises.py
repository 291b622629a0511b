"""docs/promises.md names tests that exist, for every promise of the catalogue."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "promises.md").read_text(encoding="utf-8")
PROVEN = PAGE.partition("\n## What no test can prove here\n")[0]
ROWS = [
    line
    for line in PROVEN.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| promise", "| | promise"))
]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PROVEN)))
CATALOGUE = {
    f"{letter}{number}"
    for letter, last in {
        "D": 8,
        "R": 7,
        "W": 13,
        "C": 6,
        "T": 8,
        "S": 8,
        "H": 10,
        "I": 1,
        "A": 2,
        "E": 1,
        "X": 1,
    }.items()
    for number in range(1, last + 1)
}


@cache
def names_in(path: str) -> frozenset[str]:
    file = TESTS / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: str(part).rpartition("/")[2])
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in names_in(path), f"docs/promises.md names tests/{path}::{name}"


def test_every_promise_names_a_test() -> None:
    assert ROWS
    assert [row for row in ROWS if not re.search(r"`[\w/]+\.py::test_\w+`", row)] == []


def test_every_promise_of_the_catalogue_is_there_once() -> None:
    found = re.findall(r"^\| ([DRWCTSHIAEX]\d+) \|", PROVEN, re.MULTILINE)

    assert sorted(found) == sorted(CATALOGUE)


def test_the_security_page_names_files_that_exist() -> None:
    page = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", page))

    assert named
    assert [name for name in named if not list(TESTS.rglob(name))] == []
