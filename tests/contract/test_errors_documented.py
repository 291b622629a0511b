"""docs/reference/errors.md names every code that the source can answer with, and no other."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from app.connectors.mailchimp.errors import SENTENCES
from app.domain.ordering import CATEGORIES, STATUSES
from app.sync.order_buyers import CLOSED

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
PROBLEMS = ("Problem", "BadRequest", "Forbidden", "Conflict", "Invalid", "Unavailable", "TooManyRequests")
ANY = "…"
"""Stands for the part of a code that is put together at run time."""


@cache
def documented(section: str) -> frozenset[str]:
    """The codes in the first column of a section's table."""
    body = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return frozenset(re.findall(r"^\| `([^`]+)` \|", body, re.MULTILINE))


@cache
def trees() -> tuple[ast.Module, ...]:
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in sorted((CHECKOUT / "app").rglob("*.py")))


def calls(*names: str) -> Iterator[ast.Call]:
    """Every call of one of these, by its bare name."""
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in names:
                    yield node


def texts(node: ast.expr | None) -> set[str]:
    """The texts an expression may be, `…` for what is computed; none for what merely passes a code on."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr(values=parts):
            return {"".join(str(part.value) if isinstance(part, ast.Constant) else ANY for part in parts)}
        case ast.IfExp(body=body, orelse=other):
            return texts(body) | texts(other)
        case ast.Call(func=ast.Attribute(attr="get"), args=[_, default]):
            return texts(default)
        case ast.Name(id=name):
            return {text for tree in trees() for text in _constants(tree, name)}
        case _:
            return set()


def _constants(tree: ast.Module, name: str) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
            yield from texts(node.value) if isinstance(node.value, ast.Constant) else ()


def positional(place: int, *names: str) -> set[str]:
    return {text for call in calls(*names) if len(call.args) > place for text in texts(call.args[place])}


def named(keyword: str, *names: str) -> set[str]:
    return {
        text for call in calls(*names) for given in call.keywords if given.arg == keyword for text in texts(given.value)
    }


def set_on(attribute: str, *paths: str) -> set[str]:
    """What is assigned to an attribute in these files."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Tuple)
                and isinstance(node.value, ast.Tuple)
            ):
                pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
            elif isinstance(node, ast.Assign):
                pairs = [(node.targets[0], node.value)]
            else:
                continue
            found |= {t for to, value in pairs if getattr(to, "attr", "") == attribute for t in texts(value)}
    return found


def returned(path: str, function: str) -> set[str]:
    """The texts a function may return."""
    tree = ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))
    body = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function)
    return {text for node in ast.walk(body) if isinstance(node, ast.Return) for text in texts(node.value)}


def of_problems() -> set[str]:
    """Codes of the classes themselves, of calls that give another, and of plain HTTP errors."""
    classes, others = set(), {"http_error"}
    tree = ast.parse((CHECKOUT / "app/api/problems.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.Assign):
                    targets, value = statement.targets[0], statement.value
                    names = [n.id for n in ast.walk(targets) if isinstance(n, ast.Name)]
                    values = value.elts if isinstance(value, ast.Tuple) else [value]
                    classes |= {t for name, v in zip(names, values, strict=True) if name == "code" for t in texts(v)}
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_CODES":
            others |= {t for v in getattr(node.value, "values", ()) for t in texts(v)}
    return classes | others | named("code", *PROBLEMS, "at")


def of_dead_letters() -> set[str]:
    return positional(0, "RecordRejected") | set(SENTENCES) | positional(1, "Refusal") | {"bad_email"}


def of_skips() -> set[str]:
    rules = (f"app/domain/{name}.py" for name in ("member_rules", "skip_rules", "order_planning"))
    skips = positional(2, "Skip") | positional(1, "_skip") | named("reason", "Buyer")
    skips |= set_on("reason", *rules, "app/sync/changing.py")
    skips |= returned("app/domain/ordering.py", "why_not") | set(CATEGORIES.values()) | set(STATUSES.values())
    skips |= set(CLOSED.values())
    return skips - {"bad_email"}  # a skip of the mapping that becomes a dead letter


SOURCES = {
    "Answers of the API": of_problems,
    "The tenant must act": lambda: positional(0, "NeedsTenant"),
    "Time may cure it": lambda: positional(0, "Transient"),
    "We must act": lambda: positional(0, "ProtocolMismatch"),
    "Dead letters": of_dead_letters,
    "Skipped": of_skips,
    "Halted": lambda: positional(0, "Halted"),
}


def fits(code: str, pattern: str) -> bool:
    return re.fullmatch(".+".join(map(re.escape, pattern.split(ANY))), code) is not None


@pytest.mark.parametrize("section", SOURCES)
def test_every_code_of_the_source_is_on_the_page(section: str) -> None:
    codes = SOURCES[section]()
    assert codes
    missing = [code for code in codes if not any(fits(known, code) for known in documented(section))]
    assert missing == [], f"add them to {section!r} of docs/reference/errors.md"


@pytest.mark.parametrize("section", SOURCES)
def test_no_code_is_on_the_page_that_the_source_does_not_have(section: str) -> None:
    codes = SOURCES[section]()
    assert [known for known in documented(section) if not any(fits(known, code) for code in codes)] == []
