"""What is wrong with a file, and where."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Fault(NamedTuple):
    """One sentence about one line; lines count from 1."""

    line: int
    sentence: str


class Faulty(Exception):
    """The file cannot be used; it has at least one fault."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(set(faults))
        super().__init__("\n".join(f"line {fault.line}: {fault.sentence}" for fault in self.faults))


class Document:
    """The content of a file, and on which line each part of it is. Parts are named by JSON pointer (RFC 6901)."""

    def __init__(self, content: Any, lines: Mapping[str, int]) -> None:
        self.content = content
        self._lines = lines

    def line(self, pointer: str) -> int:
        """Where a part is; of one that is not there, the part it would belong to."""
        while pointer and pointer not in self._lines:
            pointer = pointer.rpartition("/")[0]
        return self._lines.get(pointer, 1)

    def fault(self, pointer: str, sentence: str) -> Fault:
        """A fault of that part, which its sentence names."""
        return Fault(self.line(pointer), f"{readable(pointer)}: {sentence}" if pointer else sentence)


def child(pointer: str, key: str | int) -> str:
    """The pointer of a member or item."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def readable(pointer: str) -> str:
    """`/mappings/customers/fields/0` as people write it: `mappings.customers.fields[0]`."""
    text = ""
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        text += f"[{part}]" if part.isdecimal() and text.count(".") >= 2 else f".{part}"
    return text.removeprefix(".")
