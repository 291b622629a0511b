"""`fields` and `exclude_fields`: which parts of an answer are wanted, in dot notation."""

from typing import Any

from sandbox.mailchimp.problems import Problem

Tree = dict[str, Any]
"""Nested names; an empty dict is a leaf: everything below it."""


def parse(text: str) -> Tree:
    tree: Tree = {}
    for path in filter(None, (part.strip() for part in text.split(","))):
        branch = tree
        for name in path.split("."):
            branch = branch.setdefault(name, {})
    return tree


def check_names(tree: Tree, schema: dict[str, Any], parameter: str) -> None:
    """Raises Problem 400 when a name is not in the answer's schema."""
    for name, below in tree.items():
        properties = schema.get("properties", {})
        if name == "_links":
            continue
        inner = properties.get(name)
        if inner is None:
            if properties and "additionalProperties" not in schema:
                raise Problem(400, "Bad Request", f"The {parameter} parameter names an unknown field: {name}")
            continue
        check_names(below, inner.get("items", inner), parameter)


def keep(value: Any, tree: Tree) -> Any:
    """Only what the tree names."""
    if not tree:
        return value
    if isinstance(value, list):
        return [keep(item, tree) for item in value]
    if isinstance(value, dict):
        return {name: keep(value[name], below) for name, below in tree.items() if name in value}
    return value


def drop(value: Any, tree: Tree) -> Any:
    """All but what the tree names."""
    if isinstance(value, list):
        return [drop(item, tree) for item in value]
    if isinstance(value, dict):
        return {
            name: item if name not in tree else drop(item, tree[name])
            for name, item in value.items()
            if name not in tree or tree[name]
        }
    return value
