"""How commands speak: tables for people, JSON for programs, one sentence for a failure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

FAILED = 1
USAGE = 2

console = Console()
errors = Console(stderr=True)


def fail(sentence: str, *, code: int = FAILED) -> NoReturn:
    """Say what is wrong and end the command."""
    errors.print(sentence, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def show(answer: Any, *, as_json: bool, columns: Sequence[str]) -> None:
    """A list (or a page of the API) as a table with these columns, an object as its fields; or either as JSON."""
    if as_json:
        show_json(answer)
        return
    items = answer["items"] if isinstance(answer, Mapping) and "items" in answer else answer
    if isinstance(items, Mapping):
        _show_fields(items)
        return
    table = Table()
    for column in columns:  # ids stay whole, so that they can be copied; the rest takes more lines where it must
        table.add_column(column, no_wrap=column == "id", overflow="fold")
    for item in items:
        table.add_row(*(escape(cell(item.get(column))) for column in columns))
    console.print(table)
    if isinstance(answer, Mapping) and answer.get("next_cursor"):
        console.print(f"more: --cursor {answer['next_cursor']}", markup=False, highlight=False)


def show_json(answer: Any) -> None:
    """Data for a program, alone on standard output."""
    print(json.dumps(answer, indent=2, ensure_ascii=False))  # noqa: T201  # data for a pipe, not a message


def cell(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {cell(inner)}" for name, inner in value.items() if inner not in (None, 0, {}))
    if isinstance(value, list):
        return ", ".join(cell(inner) for inner in value)
    return str(value)


def field_changes(fields: Mapping[str, Any] | None) -> list[str]:
    """Written fields as `NAME: before → after`; without the arrow when nothing was known before."""
    return [
        f"{name}: {cell(change['after'])}"
        if change["before"] is None
        else f"{name}: {cell(change['before'])} → {cell(change['after'])}"
        for name, change in (fields or {}).items()
    ]


def _show_fields(item: Mapping[str, Any]) -> None:
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in item.items():
        table.add_row(name, escape(cell(value)))
    console.print(table)
