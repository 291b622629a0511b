"""Rows of one node, found by key, by owner and by stamp without looking at all of them."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from sandbox.rows import Row

R = TypeVar("R", bound=Row)


class Table(Generic[R]):
    """All rows of one node. `groups` name the attributes by which rows are looked up, such as `owner`.

    Row order is that of the keys. The list by stamp is made when first asked for and kept from then on.
    """

    def __init__(self, rows: Iterable[R], groups: Sequence[str] = ()) -> None:
        self.rows: dict[str, R] = {row.id: row for row in rows}
        self.keys: list[str] = sorted(self.rows)
        self._by_stamp: list[tuple[int, str]] | None = None
        self.groups: dict[str, dict[str, list[str]]] = {name: {} for name in groups}
        for name, members in self.groups.items():
            for row in self.rows.values():
                members.setdefault(getattr(row, name), []).append(row.id)

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, key: str | None) -> R | None:
        return self.rows.get(key) if key is not None else None

    def group(self, name: str, value: str) -> list[R]:
        """Rows whose attribute `name` is `value`, in the order they were made."""
        return [self.rows[key] for key in self.groups[name].get(value, ())]

    def by_stamp(self) -> list[tuple[int, str]]:
        """(stamp, key) of every row, ascending."""
        if self._by_stamp is None:
            self._by_stamp = sorted((row.stamp, row.id) for row in self.rows.values())
        return self._by_stamp

    def key_slice(self, low: str | None, low_open: bool, high: str | None, high_open: bool) -> tuple[int, int]:
        """Positions in `keys` of a range; None is open ended."""
        start = 0 if low is None else (bisect_right if low_open else bisect_left)(self.keys, low)
        end = len(self.keys) if high is None else (bisect_left if high_open else bisect_right)(self.keys, high)
        return start, max(start, end)

    def stamp_start(self, stamp: int) -> int:
        """Position in `by_stamp()` of the first row touched at or after `stamp`."""
        return bisect_left(self.by_stamp(), (stamp, ""))

    def put(self, row: R) -> None:
        """Add a row, or replace the one with its key."""
        if row.id in self.rows:
            self.remove(row.id)
        self.rows[row.id] = row
        insort(self.keys, row.id)
        if self._by_stamp is not None:
            insort(self._by_stamp, (row.stamp, row.id))
        for name, members in self.groups.items():
            members.setdefault(getattr(row, name), []).append(row.id)

    def touch(self, row: R, stamp: int) -> None:
        """Give a row a new stamp."""
        if self._by_stamp is not None:
            del self._by_stamp[bisect_left(self._by_stamp, (row.stamp, row.id))]
            insort(self._by_stamp, (stamp, row.id))
        row.stamp = stamp

    def remove(self, key: str) -> None:
        """Delete a row for good, without a trace."""
        row = self.rows.pop(key)
        del self.keys[bisect_left(self.keys, key)]
        if self._by_stamp is not None:
            del self._by_stamp[bisect_left(self._by_stamp, (row.stamp, key))]
        for name, members in self.groups.items():
            members[getattr(row, name)].remove(key)


class Joined(Table[R]):
    """Rows of several tables as one, such as the addresses of customers and suppliers, which X3 keeps together.
    Of two rows with one key the one touched last stands."""

    def __init__(self, parts: Sequence[Table[R]]) -> None:
        self.parts = parts

    @property
    def rows(self) -> dict[str, R]:  # type: ignore[override]  # read only
        joined: dict[str, R] = {}
        for part in self.parts:
            for key, row in part.rows.items():
                if key not in joined or joined[key].stamp < row.stamp:
                    joined[key] = row
        return joined

    @property
    def keys(self) -> list[str]:  # type: ignore[override]  # read only
        return sorted(self.rows)


Getter = Callable[[Row], object]
