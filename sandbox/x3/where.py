"""The `where` language of REST api1: SData comparisons, lists, patterns and a function or two.

Source: reference, 5.3. `UPDDATTIM ge @2026-03-01T08:30:00Z@ and (CRY in ('FR','DE') or left(BPCNAM,4) eq 'Test')`.
"""

import re
from collections.abc import Callable
from typing import Any

Test = Callable[[Callable[[str], Any]], bool]
"""Decides a row, given a function from column to value."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<date>@[^@]*@)|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_$][\w$]*)"""
    r"""|(?P<punct>[(),]))"""
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
    "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b),
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "left": lambda text, count: str(text)[: int(count)],
    "right": lambda text, count: str(text)[-int(count) :],
    "upper": lambda text: str(text).upper(),
    "lower": lambda text: str(text).lower(),
}


class BadWhere(ValueError):
    """The expression cannot be read, or names a property the representation does not have."""


def parse_where(text: str, columns: frozenset[str]) -> Test:
    """A test of rows. Raises BadWhere."""
    parser = _Parser(text, columns)
    test = parser.either()
    if parser.next != len(parser.tokens):
        raise BadWhere(f"unexpected text after the end: {parser.tokens[parser.next][1]}")
    return test


class _Parser:
    def __init__(self, text: str, columns: frozenset[str]) -> None:
        self.columns = columns
        self.tokens: list[tuple[str, str]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise BadWhere(f"unexpected character at {position}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self.next = 0

    def take(self) -> tuple[str, str]:
        if self.next >= len(self.tokens):
            raise BadWhere("unexpected end")
        self.next += 1
        return self.tokens[self.next - 1]

    def accept(self, *words: str) -> str | None:
        """The next token when it is one of these words."""
        if self.next < len(self.tokens) and self.tokens[self.next][1].lower() in words:
            return self.take()[1].lower()
        return None

    def expect(self, word: str) -> None:
        if self.accept(word) is None:
            raise BadWhere(f"{word} expected")

    def either(self) -> Test:
        left = self.both()
        while self.accept("or"):
            left = _or(left, self.both())
        return left

    def both(self) -> Test:
        left = self.negation()
        while self.accept("and"):
            left = _and(left, self.negation())
        return left

    def negation(self) -> Test:
        if self.accept("not"):
            inner = self.negation()
            return lambda read: not inner(read)
        if self.accept("("):
            inner = self.either()
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> Test:
        left = self.operand()
        word = self.accept(*_COMPARISONS, "between", "in", "like")
        match word:
            case None:
                raise BadWhere("a comparison expected")
            case "between":
                low = self.operand()
                self.expect("and")
                high = self.operand()
                return lambda read: bool(low(read) <= left(read) <= high(read))
            case "in":
                self.expect("(")
                items = [self.operand()]
                while self.accept(","):
                    items.append(self.operand())
                self.expect(")")
                return lambda read: left(read) in [item(read) for item in items]
            case "like":
                pattern = str(self.operand()(lambda _: ""))
                regex = re.compile(".*".join(map(re.escape, pattern.split("%"))), re.DOTALL)
                return lambda read: regex.fullmatch(str(left(read))) is not None
        compare, right = _COMPARISONS[word], self.operand()

        def test(read: Callable[[str], Any]) -> bool:
            try:
                return compare(left(read), right(read))
            except TypeError:
                return False

        return test

    def operand(self) -> Callable[[Callable[[str], Any]], Any]:
        kind, text = self.take()
        if kind == "text":
            value: Any = text[1:-1].replace("''", "'")
            return lambda _: value
        if kind == "date":
            instant = text[1:-1]
            return lambda _: instant
        if kind == "number":
            number = float(text) if "." in text else int(text)
            return lambda _: number
        if kind != "word":
            raise BadWhere(f"a value expected, not {text}")
        function = _FUNCTIONS.get(text.lower())
        if function is not None and self.accept("("):
            return self.call(function)
        if text not in self.columns:
            raise BadWhere(f"Property {text} does not exist")
        return lambda read: read(text)

    def call(self, function: Callable[..., Any]) -> Callable[[Callable[[str], Any]], Any]:
        arguments = [self.operand()]
        while self.accept(","):
            arguments.append(self.operand())
        self.expect(")")
        return lambda read: function(*(argument(read) for argument in arguments))


def _or(left: Test, right: Test) -> Test:
    return lambda read: left(read) or right(read)


def _and(left: Test, right: Test) -> Test:
    return lambda read: left(read) and right(read)
