"""Reads JSON that somebody else wrote, one node at a time, and says by JSON pointer what is wrong with it."""

import math
import re
from collections.abc import Collection, Iterator
from typing import Any

from app.domain.errors import InvalidDefinition

# NUL cannot be stored in Postgres JSON, lone surrogates cannot be sent at all; other controls are never meant.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Node:
    """A JSON value with the place it came from. Every reader raises InvalidDefinition when the value does not fit."""

    __slots__ = ("pointer", "value")

    def __init__(self, value: object, pointer: str = "") -> None:
        self.value = value
        self.pointer = pointer

    def fail(self, message: str) -> InvalidDefinition:
        return InvalidDefinition(self.pointer, message)

    def child(self, key: str | int) -> str:
        """The pointer of a member or item, escaped as RFC 6901 asks."""
        return f"{self.pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"

    def object(self, known: Collection[str], required: Collection[str] = ()) -> dict[str, Any]:
        """The members of an object; unknown ones are refused, so that a typing error never passes for a setting."""
        if not isinstance(self.value, dict):
            raise self.fail("Must be an object.")
        for key in self.value:
            if key not in known:
                raise InvalidDefinition(
                    self.child(printable(str(key))), f"Unknown property; known are {', '.join(sorted(known))}."
                )
        for key in required:
            if key not in self.value:
                raise InvalidDefinition(self.child(key), "Is required.")
        return self.value

    def get(self, key: str) -> "Node":
        """A member of an object already checked; an absent one has the value None."""
        assert isinstance(self.value, dict)  # noqa: S101 - object() came first
        return Node(self.value.get(key), self.child(key))

    def items(self, most: int, least: int = 0) -> "Iterator[Node]":
        if not isinstance(self.value, list):
            raise self.fail("Must be a list.")
        if not least <= len(self.value) <= most:
            raise self.fail(f"Must hold {least} to {most} items.")
        return (Node(item, self.child(place)) for place, item in enumerate(self.value))

    def text(self, most: int, least: int = 1) -> str:
        """A string of `least` to `most` characters without control characters and lone surrogates."""
        if not isinstance(self.value, str):
            raise self.fail("Must be a string.")
        if not least <= len(self.value) <= most:
            raise self.fail(f"Must have {least} to {most} characters.")
        if UNPRINTABLE.search(self.value):
            raise self.fail("Must not hold control characters or broken Unicode.")
        return self.value

    def choice(self, choices: Collection[str]) -> str:
        if not isinstance(self.value, str) or self.value not in choices:
            raise self.fail(f"Must be one of {', '.join(choices)}.")
        return self.value

    def integer(self, least: int, most: int) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            raise self.fail(f"Must be a whole number from {least} to {most}.")
        return self.value

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.fail("Must be true or false.")
        return self.value

    def scalar(self, most: int) -> str | int | float | bool:
        """A string, a finite number of ordinary size, or a boolean."""
        value = self.value
        if isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            if not math.isfinite(value) if isinstance(value, float) else abs(value) > 10**15:
                raise self.fail("Must be an ordinary number.")
            return value
        if isinstance(value, str):
            return self.text(most, least=0)
        raise self.fail("Must be a string, a number or a boolean.")


def printable(text: str) -> str:
    """`text` as it may appear in a pointer or a message: short and without anything that breaks JSON or a log."""
    return UNPRINTABLE.sub("?", text)[:100]
