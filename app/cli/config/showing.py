"""Changes as people and programs read them."""

import json
from collections.abc import Sequence
from typing import Any

from app.cli.config.applying import described
from app.cli.config.diffing import ABSENT
from app.cli.config.planning import Change
from app.cli.output import console

_SIGNS = {"create": ("+", "green"), "change": ("~", "yellow"), "delete": ("-", "red")}


def show_changes(changes: Sequence[Change], *, prune: bool) -> None:
    """Each object with its differing fields, `before -> after`."""
    for change in changes:
        sign, style = _SIGNS[change.kind]
        kept = " (not in the file; stays without --prune)" if change.kind == "delete" and not prune else ""
        _say(f"{sign} {described(change)}{kept}", style)
        if change.kind == "delete":
            continue
        for path, before, after in change.differences:
            was = "" if change.kind == "create" else f"{_text(before)} -> "
            _say(f"    {path}: {was}{_text(after)}", style)


def as_data(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The same for programs; `before` and `after` are left out where there is nothing."""
    return [
        {
            "change": change.kind,
            "noun": change.noun,
            "name": change.name,
            "differences": [_data(*difference) for difference in change.differences if difference.path],
        }
        for change in changes
    ]


def _data(path: str, before: Any, after: Any) -> dict[str, Any]:
    sides = {"before": before, "after": after}
    return {"path": path, **{side: value for side, value in sides.items() if value != ABSENT}}


def _text(value: Any) -> str:
    return ABSENT if value == ABSENT else json.dumps(value, ensure_ascii=False)


def _say(line: str, style: str) -> None:
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
