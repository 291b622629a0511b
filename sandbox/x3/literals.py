"""X3's filter and orderBy strings: strict JSON, or Sage's relaxed writing with bare keys and single quotes."""

import re
from typing import Any

import msgspec


class BadLiteral(ValueError):
    """The text is neither JSON nor the relaxed dialect."""


_TOKEN = re.compile(
    r"""\s*(?:(?P<punct>[{}\[\]:,])|(?P<single>'(?:[^'\\]|\\.)*')|(?P<double>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<number>[+-]?\d+(?:\.\d+)?(?![\w.]))|(?P<word>[A-Za-z_$][\w$]*))""",
    re.DOTALL,
)
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
MAX_DEPTH = 20


def parse_literal(text: str, dialect: str = "both") -> Any:
    """The value of a filter or orderBy string. Raises BadLiteral."""
    if dialect != "relaxed":
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError) as wrong:
            if dialect == "json":
                raise BadLiteral(str(wrong)) from wrong
    return _Relaxed(text).whole()


class _Relaxed:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise BadLiteral(f"unexpected character at {position}: {text[position : position + 10]!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self.next = 0

    def whole(self) -> Any:
        value = self.value(0)
        if self.next != len(self.tokens):
            raise BadLiteral("text after the end of the value")
        return value

    def take(self) -> tuple[str, str]:
        if self.next >= len(self.tokens):
            raise BadLiteral("unexpected end")
        self.next += 1
        return self.tokens[self.next - 1]

    def expect(self, punct: str) -> None:
        if self.take() != ("punct", punct):
            raise BadLiteral(f"{punct} expected")

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.next] if self.next < len(self.tokens) else ("end", "")

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise BadLiteral("nested too deep")
        kind, text = self.take()
        if (kind, text) == ("punct", "{"):
            return self.members(depth)
        if (kind, text) == ("punct", "["):
            return self.items(depth)
        if kind in ("single", "double"):
            return _ESCAPE.sub(r"\1", text[1:-1])
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "word" and text in _WORDS:
            return _WORDS[text]
        raise BadLiteral(f"a value expected, not {text!r}")

    def members(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek() != ("punct", "}"):
            if found:
                self.expect(",")
            kind, text = self.take()
            if kind not in ("word", "single", "double"):
                raise BadLiteral(f"a key expected, not {text!r}")
            self.expect(":")
            found[text if kind == "word" else _ESCAPE.sub(r"\1", text[1:-1])] = self.value(depth + 1)
        self.expect("}")
        return found

    def items(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while self.peek() != ("punct", "]"):
            if found:
                self.expect(",")
            found.append(self.value(depth + 1))
        self.expect("]")
        return found
