"""The `where` language of api1 (SData): literals and the few conditions we use.

Source: reference/sage-x3.md 5.3; sage.github.io/SData-2.0, query language.
"""

from collections.abc import Sequence
from datetime import UTC, datetime


def text(value: str) -> str:
    """A string literal; an inner quote is doubled."""
    return "'" + value.replace("'", "''") + "'"


def at_most(column: str, value: str) -> str:
    return f"{column} le {text(value)}"


def one_of(column: str, values: Sequence[str]) -> str:
    return f"{column} in ({','.join(text(value) for value in values)})"


def any_of(column: str, values: Sequence[str]) -> str:
    """The same for providers without lists, which SData leaves optional."""
    return " or ".join(f"{column} eq {text(value)}" for value in values)


def since(template: str, instant: datetime) -> str:
    """`{since}` and `{date}` filled in, cut to the second: early, never late."""
    moment = instant.astimezone(UTC)
    return template.replace("{since}", f"{moment:%Y-%m-%dT%H:%M:%SZ}").replace("{date}", f"{moment:%Y-%m-%d}")


def both(*conditions: str) -> str:
    """All of these; each keeps its own `or`s to itself."""
    given = [condition for condition in conditions if condition]
    return given[0] if len(given) == 1 else " and ".join(f"({condition})" for condition in given)
