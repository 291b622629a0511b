"""YAML as a configuration may use it: plain data, every part with its line.

Refused with the line it is on: anchors and aliases (a small file could unfold into a huge one), tags, a name given
twice, names that are no text, several documents, depth and size without bound. Only `true`, `false`, `null` and
numbers stand for themselves (YAML 1.2): an unquoted NO is the text, not false, and 12:30 is no number.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from app.cli.config.faults import Document, Fault, Faulty, child

MOST_BYTES = 1024 * 1024
MOST_DEPTH = 40
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,40}(?:[eE][-+][0-9]{1,2})?")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "Null": None, "~": None, "": None}


def read_yaml(content: bytes) -> Document:
    """The one document of a file. Raises Faulty."""
    if len(content) > MOST_BYTES:
        raise Faulty([Fault(1, f"The file is larger than {MOST_BYTES} bytes, which no configuration is.")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Faulty([Fault(line, "The file is not UTF-8.")]) from None
    try:
        return _Reader(text).document()
    except yaml.MarkedYAMLError as error:
        raise Faulty([Fault(_line(error.problem_mark or error.context_mark), _problem(error))]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Faulty([Fault(line, "There is a character that YAML does not allow.")]) from None


def _problem(error: yaml.MarkedYAMLError) -> str:
    return f"This is not YAML: {error.problem or error.context}."


def _line(mark: Any) -> int:
    return 1 if mark is None else int(mark.line) + 1


class _Reader:
    """Builds values from the parser's events: nothing is unfolded, nothing is constructed but plain data."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        self._lines: dict[str, int] = {}

    def document(self) -> Document:
        next(self._events)  # the stream's start
        first = next(self._events)
        if isinstance(first, yaml.StreamEndEvent):
            return Document(None, {})
        content = self._value(next(self._events), "", 0)
        next(self._events)  # the document's end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _at(after, "A second document begins here; a configuration is one.")
        return Document(content, self._lines)

    def _value(self, event: Any, pointer: str, depth: int) -> Any:
        self._lines.setdefault(pointer, _line(event.start_mark))
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _at(event, "Anchors and aliases (& and *) are not allowed; write the value out.")
        if event.tag is not None:
            raise _at(event, "Tags (!) are not allowed.")
        if depth > MOST_DEPTH:
            raise _at(event, f"This is nested more than {MOST_DEPTH} deep.")
        if isinstance(event, yaml.ScalarEvent):
            return event.value if event.style else _plain(event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(pointer, depth)
        return self._members(pointer, depth)

    def _items(self, pointer: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, child(pointer, len(items)), depth + 1))
        return items

    def _members(self, pointer: str, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name = self._name(event)
            where = child(pointer, name)
            if name in members:
                raise _at(event, f"{name!r} is given twice; the first time in line {self._lines[where]}.")
            self._lines[where] = _line(event.start_mark)
            members[name] = self._value(next(self._events), where, depth + 1)
        return members

    def _name(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
            raise _at(event, "A name has to be a text.")
        if event.value == "<<" and not event.style:
            raise _at(event, "Merging (<<) is not allowed; write the values out.")
        return str(event.value)


def _at(event: Any, sentence: str) -> Faulty:
    return Faulty([Fault(_line(event.start_mark), sentence)])


def _plain(text: str) -> Any:
    """An unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
