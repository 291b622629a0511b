"""Where a value is in a record of api1, in a notation of our own, and the function that fetches it.

`WEB1` a column; `WEB1,WEB2` several, in order; `ADRTAB[].WEB[]` every entry of arrays; `BPAADDLIG[2]` the second;
`ADRTAB[BPAADDFLG=2].CTY` only rows whose column says so; `INVTYP{1=invoice,2=creditMemo}` names for an enum's numbers.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from app.connectors.sage_x3.values import text
from app.domain.errors import NeedsTenant

Record = Mapping[str, Any]
"""One record as it came: columns, `$`-members, embedded arrays."""

_STEP = re.compile(r"([A-Za-z$_][A-Za-z0-9_$]*)(?:\[(?:(\d{1,3})|([A-Za-z_][A-Za-z0-9_]*)=([^\]]{0,80})|)\])?")
_MENU = re.compile(r"(.*)\{([^{}]*)\}")


class Step(msgspec.Struct, frozen=True):
    """One column on the way; `is_each` goes through every entry of an array, `index` (from 1) takes one, `where` takes
    the entries whose column has that value."""

    name: str
    is_each: bool = False
    index: int | None = None
    where: tuple[str, str] | None = None


class Path(msgspec.Struct, frozen=True):
    """Several ways to one value, in order of preference, and the names of its numbers."""

    branches: tuple[tuple[Step, ...], ...]
    menu: Mapping[str, str] = {}

    @property
    def columns(self) -> frozenset[str]:
        """Columns of the record itself that it begins with."""
        return frozenset(branch[0].name for branch in self.branches)


def parse_path(written: str) -> Path:
    """Raises:
    NeedsTenant: not in our notation; it comes from the connection's settings.
    """
    found = _MENU.fullmatch(written.strip())
    menu = _menu(found[2], written) if found is not None else {}
    plain = found[1] if found is not None else written
    return Path(tuple(_branch(part.strip(), written) for part in plain.split(",")), menu)


def _menu(text_: str, written: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text_.split(",")]
    if not all(mark and number.strip() and name.strip() for number, mark, name in pairs):
        raise _not_ours(written)
    return {number.strip(): name.strip() for number, _, name in pairs}


def _branch(part: str, written: str) -> tuple[Step, ...]:
    steps = []
    for piece in part.split("."):
        found = _STEP.fullmatch(piece)
        if found is None:
            raise _not_ours(written)
        name, index, column, value = found.groups()
        if index == "0":
            raise _not_ours(written)
        steps.append(Step(name, "[" in piece, int(index) if index else None, (column, value) if column else None))
    return tuple(steps)


def _not_ours(written: str) -> NeedsTenant:
    return NeedsTenant(
        "x3_settings", f"{written[:100]!r} in settings.rest is not a path such as WEB1,WEB2 or CNTTAB[].WEB."
    )


def every(path: Path) -> Callable[[Record], list[Any]]:
    """All values at a path in order, as they came; none where there is nothing."""
    name_of = _namer(path.menu)
    if not path.menu and all(len(branch) == 1 and not branch[0].is_each for branch in path.branches):
        return _every_column([branch[0].name for branch in path.branches])

    def read(record: Record) -> list[Any]:
        return [name_of(value) for branch in path.branches for value in _walk(record, branch, 0)]

    return read


def _every_column(names: Sequence[str]) -> Callable[[Record], list[Any]]:
    """The hot path: slots of an address, which are plain columns."""

    def read(record: Record) -> list[Any]:
        found: list[Any] = []
        for name in names:
            value = record.get(name)
            if type(value) is str:
                found.append(value)
            elif value is not None:
                found += _walk(value, (), 0)
        return found

    return read


def first(path: Path) -> Callable[[Record], Any]:
    """The first value at a path that is not blank, else None."""
    if len(path.branches) == 1 and len(path.branches[0]) == 1 and not path.menu and not path.branches[0][0].is_each:
        name = path.branches[0][0].name
        return lambda record: _plain(record.get(name))
    read = every(path)
    return lambda record: next((value for value in read(record) if text(value) is not None), None)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return next((one for one in value if not isinstance(one, dict | list) and text(one) is not None), None)
    return None if isinstance(value, dict) else value


def _walk(value: Any, steps: Sequence[Step], at: int) -> Iterator[Any]:
    """Leaves below `value`; an array that a path does not expect is gone through as well."""
    if at == len(steps):
        if isinstance(value, list):
            for one in value:
                yield from _walk(one, steps, at)
        elif value is not None and not isinstance(value, dict):
            yield value
        return
    if isinstance(value, dict):
        for one in _entries(value.get(steps[at].name), steps[at]):
            yield from _walk(one, steps, at + 1)


def _entries(found: Any, step: Step) -> Sequence[Any]:
    entries = found if isinstance(found, list) else [] if found is None else [found]
    if step.index is not None:
        return entries[step.index - 1 : step.index]
    if step.where is not None:
        column, wanted = step.where
        return [one for one in entries if isinstance(one, dict) and text(one.get(column)) == wanted.strip()]
    return entries


def _namer(menu: Mapping[str, str]) -> Callable[[Any], Any]:
    """Numbers of an enum by name; what has no name stays as it is."""
    if not menu:
        return lambda value: value
    return lambda value: menu.get(str(value).strip(), value)


def array_of(paths: Mapping[str, Path], names: Sequence[str]) -> Step | None:
    """The embedded array in which the first known of these values is."""
    for name in names:
        if name in paths and len(paths[name].branches[0]) > 1:
            return paths[name].branches[0][0]
    return None


def within(path: Path, array: Step) -> Path | None:
    """A path of the record as one of the array's entries; None when it leads elsewhere."""
    branches = tuple(branch[1:] for branch in path.branches if branch[0] == array and len(branch) > 1)
    return Path(branches, path.menu) if branches else None


def rows_of(step: Step) -> Callable[[Record], list[Record]]:
    """The objects of an embedded array."""
    return lambda record: [one for one in _entries(record.get(step.name), step) if isinstance(one, dict)]
