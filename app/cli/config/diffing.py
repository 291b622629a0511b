"""Two values, field by field."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

ABSENT = "(absent)"
_KEYS = ("target", "name")


class Difference(NamedTuple):
    """One field that is not the same; `ABSENT` where there is none."""

    path: str
    before: Any
    after: Any


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Every field of two values that differs. Items of lists are told apart by their `target` or `name`."""
    if before == after and _json(before) == _json(after):  # to Python, 1 and true are the same
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            where = f"{path}.{name}" if path else name
            yield from differences(before.get(name, ABSENT), after.get(name, ABSENT), where)
        return
    was, will = keyed(before), keyed(after)
    if was is None or will is None:
        yield Difference(path, before, after)
        return
    yield from differences(was, will, path)
    both = [name for name in was if name in will], [name for name in will if name in was]
    if both[0] != both[1]:
        yield Difference(f"{path} (order)", ", ".join(both[0]), ", ".join(both[1]))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def keyed(value: Any) -> dict[str, Any] | None:
    """The items of a list by what names them; None when nothing does."""
    if not isinstance(value, list):
        return None
    for key in _KEYS:
        names = [item[key] for item in value if isinstance(item, Mapping) and isinstance(item.get(key), str)]
        if len(names) == len(value) == len(set(names)):
            return dict(zip(names, value, strict=True))
    return None
