"""Transforms of a field as one line of text: `trim | truncate 80 | replace & => and | map FR=France; *=elsewhere`.

What such a line cannot hold is written as the JSON list that the API has.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Step = str | dict[str, Any]
_ONE = {"truncate": "length", "date": "format", "default": "value", "prefix": "text", "suffix": "text"}
"""Transforms with a single argument, and its name."""


class BadTransforms(Exception):
    """The line cannot be read; the message says why."""


def written(steps: Sequence[Step]) -> str:
    """The line for the steps."""
    line = " | ".join(_written(step) for step in steps)
    try:
        if read(line) == list(steps):
            return line
    except BadTransforms:
        pass
    return json.dumps(list(steps), ensure_ascii=False)


def _written(step: Step) -> str:
    if isinstance(step, str):
        return step
    name = step.get("name", "")
    if name in _ONE:
        return f"{name} {step.get(_ONE[name], '')}"
    if name == "replace":
        return f"replace {step.get('from', '')} => {step.get('to', '')}"
    if name == "map":
        pairs = [f"{key}={value}" for key, value in step.get("values", {}).items()]
        return "map " + "; ".join([*pairs, *([f"*={step['default']}"] if "default" in step else [])])
    return str(name)


def read(line: str) -> list[Step]:
    """The steps of a line, as the API takes them. Raises BadTransforms."""
    if line.startswith("["):
        try:
            found: list[Step] = json.loads(line)
        except ValueError:
            raise BadTransforms("This is no JSON list.") from None
        return found
    return [_read(part.strip()) for part in line.split(" | ")] if line.strip() else []


def _read(text: str) -> Step:
    name, _, rest = text.partition(" ")
    rest = rest.strip()
    if name in _ONE:
        return {"name": name, _ONE[name]: int(rest) if name == "truncate" and rest.isdecimal() else rest}
    if name == "replace":
        before, arrow, after = rest.partition("=>")
        if not arrow:
            raise BadTransforms("Write: replace old => new")
        return {"name": name, "from": before.strip(), "to": after.strip()}
    if name == "map":
        return _map(rest)
    if rest:
        raise BadTransforms(f"{name} takes nothing after its name.")
    return name


def _map(text: str) -> dict[str, Any]:
    values: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        key, equals, value = pair.partition("=")
        if not equals:
            raise BadTransforms("Write: map A=Apple; B=Banana; *=other")
        values[key.strip()] = value.strip()
    default = values.pop("*", None)
    return {"name": "map", "values": values, **({} if default is None else {"default": default})}


def explained(transform: Mapping[str, Any]) -> str:
    """How one is written, for the list of them."""
    name = str(transform["name"])
    examples = {"replace": "replace old => new", "map": "map FR=France; DE=Germany; *=elsewhere"}
    if name in examples:
        return examples[name]
    arguments = transform["arguments"]
    return f"{name} {arguments[0]['name'].upper()}" if arguments else name
