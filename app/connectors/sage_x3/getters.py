"""Many values of a row in one go: the fewest Python calls a row can be read with.

One attrgetter per object a path goes through reads all its scalars at once; numbered slots of one collection are read
in one pass. A null reference costs one comparison, a deeper one falls back to reading each path by itself.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from app.connectors.sage_x3.paths import Path
from app.connectors.sage_x3.structs import Getter, Shape, guarded, slot_number

Values = Callable[[Any], Sequence[Any]]


class _Parts:
    """Readers and, for each value they bring in turn, the place where it is wanted."""

    def __init__(self) -> None:
        self.readers: list[Values] = []
        self.places: list[int] = []

    def add(self, reader: Values, places: Sequence[int]) -> None:
        self.readers.append(reader)
        self.places += places


def values_of(shape: Shape, paths: Sequence[Path | None]) -> Values:
    """A reader of the values at `paths`, in that order, as they came; None where there is none.

    Raises:
        ValueError: a path ends in an object.
    """
    direct: dict[str, list[tuple[int, str]]] = {}
    slots: dict[tuple[str, str], list[tuple[int, int]]] = {}
    parts = _Parts()
    for place, path in enumerate(paths):
        if path is None:
            parts.add(lambda _: (None,), (place,))
            continue
        shape.check(path)
        crossing = [step for step in path if step.many]
        if not crossing:
            head, _, rest = shape.dotted(path).rpartition(".") if len(path) == 1 else shape.dotted(path).partition(".")
            direct.setdefault(head, []).append((place, rest))
        elif len(crossing) == 1 and crossing[0].index is not None and path[-1] is not crossing[0]:
            at = path.index(crossing[0])
            inner = shape.deeper(path[: at + 1])
            slots.setdefault((shape.dotted(path[: at + 1]), inner.dotted(path[at + 1 :])), []).append(
                (place, crossing[0].index)
            )
        else:
            parts.add(_single(shape.one(path)), (place,))
    lone: list[tuple[int, str]] = []
    for head, found in direct.items():
        if not head:
            lone += found
        elif len(found) == 1 and not shape.name_of(head).startswith("default"):
            lone += [(place, f"{head}.{name}") for place, name in found]
        else:  # many parties have no default contact: worth a look before reaching through it
            parts.add(_together(head, [name for _, name in found]), [place for place, _ in found])
    if lone:
        parts.add(_hopeful([name for _, name in lone]), [place for place, _ in lone])
    for (collection, leaf), wanted in slots.items():
        parts.add(_slots(collection, leaf, [number for _, number in wanted]), [place for place, _ in wanted])
    return _joined(parts)


def _joined(parts: _Parts) -> Values:
    readers = parts.readers
    order = sorted(range(len(parts.places)), key=parts.places.__getitem__)
    if len(order) < 2:
        return readers[0] if readers else lambda _: ()
    arrange = itemgetter(*order)

    def read(row: Any) -> Sequence[Any]:
        flat: list[Any] = []
        for reader in readers:
            flat += reader(row)
        arranged: Sequence[Any] = arrange(flat)
        return arranged

    return read


def _single(get: Getter) -> Values:
    return lambda row: (get(row),)


def _hopeful(names: Sequence[str]) -> Values:
    """The row's own scalars and single ones behind references, which are seldom null."""
    get = _tuple_of(names)
    each = [guarded(name) for name in names]

    def read(row: Any) -> Sequence[Any]:
        try:
            return get(row)
        except AttributeError:
            return [one(row) for one in each]

    return read


def _tuple_of(names: Sequence[str]) -> Values:
    get: Values = attrgetter(*names) if len(names) > 1 else _single(attrgetter(names[0]))
    return get


def _together(head: str, names: Sequence[str]) -> Values:
    """Several values of one object; `head` is the attribute that holds it."""
    get = _tuple_of(names)
    holder = attrgetter(head)
    each = [guarded(name) for name in names]
    nothing = (None,) * len(names)

    def read(row: Any) -> Sequence[Any]:
        held = holder(row)
        if held is None:
            return nothing
        try:
            return get(held)
        except AttributeError:
            return [one(held) for one in each]

    return read


def _slots(collection: str, leaf: str, numbers: Sequence[int]) -> Values:
    """Rows of a collection by their denormalizedIndex."""
    edges_of, inner = guarded(f"{collection}.query.edges"), guarded(leaf)
    places = {number: place for place, number in enumerate(numbers)}
    repeated = [(place, places[number]) for place, number in enumerate(numbers) if places[number] != place]
    width = len(numbers)

    def read(row: Any) -> Sequence[Any]:
        found: list[Any] = [None] * width
        for edge in edges_of(row) or ():
            node = None if edge is None else edge.node
            if node is not None:
                number = node.number
                place = places.get(number if type(number) is int else slot_number(node))
                if place is not None:
                    found[place] = inner(node)
        for place, source in repeated:
            found[place] = found[source]
        return found

    return read


def slot_texts(shape: Shape, path: Path) -> Callable[[Any], tuple[str, ...]] | None:
    """All texts of one collection's rows in slot order, blanks left out; None when the path is not of that form."""
    crossing = [step for step in path if step.many]
    if len(crossing) != 1 or crossing[0].index is not None or path[-1] is crossing[0]:
        return None
    shape.check(path)
    at = path.index(crossing[0])
    inner = shape.deeper(path[: at + 1])
    edges_of, leaf = guarded(shape.dotted(path[: at + 1]) + ".query.edges"), guarded(inner.dotted(path[at + 1 :]))
    numbered = inner.tree.numbered

    def read(row: Any) -> tuple[str, ...]:
        edges = edges_of(row)
        if not edges:
            return ()
        nodes = [edge.node for edge in edges if edge is not None and edge.node is not None]
        if numbered and len(nodes) > 1:
            nodes.sort(key=slot_number)
        return tuple([text for node in nodes if (value := leaf(node)) is not None and (text := str(value).strip())])

    return read
