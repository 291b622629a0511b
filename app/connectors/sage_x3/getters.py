"""Many values of a row in one go: the fewest Python calls a row can be read with.

One attrgetter reads every value that lies behind references, with one comparison for those that are often null;
numbered slots of one collection are read in one pass. Behind any other null each path is read by itself.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from app.connectors.sage_x3.paths import Path
from app.connectors.sage_x3.structs import Shape, guarded, slot_number

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
    direct: list[tuple[int, str]] = []
    slots: dict[tuple[str, str], list[tuple[int, int]]] = {}
    parts = _Parts()
    for place, path in enumerate(paths):
        if path is None:
            parts.add(lambda _: (None,), (place,))
            continue
        shape.check(path)
        crossing = [step for step in path if step.many]
        if not crossing:
            direct.append((place, shape.dotted(path)))
        elif len(crossing) == 1 and crossing[0].index is not None and path[-1] is not crossing[0]:
            at = path.index(crossing[0])
            inner = shape.deeper(path[: at + 1])
            slots.setdefault((shape.dotted(path[: at + 1]), inner.dotted(path[at + 1 :])), []).append(
                (place, crossing[0].index)
            )
        else:
            parts.add(_single(shape.one(path)), (place,))
    if direct:
        parts.add(_together(shape, [name for _, name in direct]), [place for place, _ in direct])
    for (collection, leaf), wanted in slots.items():
        parts.add(_slots(collection, leaf, [number for _, number in wanted]), [place for place, _ in wanted])
    return _joined(parts)


def _joined(parts: _Parts) -> Values:
    readers = parts.readers
    order = sorted(range(len(parts.places)), key=parts.places.__getitem__)
    if len(readers) < 2 and order == parts.places:
        return readers[0] if readers else lambda _: ()
    arrange = itemgetter(*order)

    def read(row: Any) -> Sequence[Any]:
        flat: list[Any] = []
        for reader in readers:
            flat += reader(row)
        arranged: Sequence[Any] = arrange(flat)
        return arranged

    return read


def _single(get: Callable[[Any], Any]) -> Values:
    return lambda row: (get(row),)


def _tuple_of(names: Sequence[str]) -> Values:
    get: Values = attrgetter(*names) if len(names) > 1 else _single(attrgetter(names[0]))
    return get


def _together(shape: Shape, names: Sequence[str]) -> Values:
    """The row's own scalars and those behind references. Many parties have no default contact or address: for each
    combination of those there is a getter that stops at the null, which is the value then."""
    get, each = _tuple_of(names), [guarded(name) for name in names]
    heads = tuple(dict.fromkeys(name.partition(".")[0] for name in names if "." in name))
    doubtful = tuple(head for head in heads if shape.name_of(head).lower().endswith(("contact", "address", "default")))
    if not doubtful:
        return _hopeful(get, each)
    held = _tuple_of(doubtful)
    getters: dict[tuple[bool, ...], Values] = {}

    def without(missing: tuple[bool, ...]) -> Values:
        gone = {head for head, is_missing in zip(doubtful, missing, strict=True) if is_missing}
        return _tuple_of([head if (head := name.partition(".")[0]) in gone else name for name in names])

    def read(row: Any) -> Sequence[Any]:
        holders = held(row)
        chosen = get
        if None in holders:
            missing = tuple([holder is None for holder in holders])
            chosen = getters.get(missing) or getters.setdefault(missing, without(missing))
        try:
            return chosen(row)
        except AttributeError:
            return [one(row) for one in each]

    return read


def _hopeful(get: Values, each: Sequence[Callable[[Any], Any]]) -> Values:
    def read(row: Any) -> Sequence[Any]:
        try:
            return get(row)
        except AttributeError:
            return [one(row) for one in each]

    return read


def _slots(collection: str, leaf: str, numbers: Sequence[int]) -> Values:
    """Rows of a collection by their denormalizedIndex."""
    edges_of, inner = attrgetter(f"{collection}.query.edges"), guarded(leaf)
    places = {number: place for place, number in enumerate(numbers)}
    repeated = [(place, places[number]) for place, number in enumerate(numbers) if places[number] != place]
    nothing = (None,) * len(numbers)

    def read(row: Any) -> Sequence[Any]:
        try:
            edges = edges_of(row)
        except AttributeError:
            return nothing
        if not edges:
            return nothing
        found: list[Any] = [*nothing]
        for edge in edges:
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
    edges_of, leaf = attrgetter(shape.dotted(path[: at + 1]) + ".query.edges"), guarded(inner.dotted(path[at + 1 :]))
    numbered = inner.tree.numbered

    def read(row: Any) -> tuple[str, ...]:
        try:
            edges = edges_of(row)
        except AttributeError:
            return ()
        if not edges:
            return ()
        if len(edges) == 1:
            return one(edges[0])
        nodes = [edge.node for edge in edges if edge is not None and edge.node is not None]
        if numbered and len(nodes) > 1:
            nodes.sort(key=slot_number)
        return tuple([text for node in nodes if (value := leaf(node)) is not None and (text := str(value).strip())])

    def one(edge: Any) -> tuple[str, ...]:
        node = None if edge is None else edge.node
        value = None if node is None else leaf(node)
        text = value.strip() if type(value) is str else "" if value is None else str(value).strip()
        return (text,) if text else ()

    return read
