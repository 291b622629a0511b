"""From a row of X3 to a Party, compiled once per selection: the hot path of every read."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from app.connectors.sage_x3.getters import slot_texts, values_of
from app.connectors.sage_x3.paths import KEY, Path, Step
from app.connectors.sage_x3.queries import Tree, tree_of
from app.connectors.sage_x3.structs import Shape
from app.connectors.sage_x3.values import flag, scalar, text
from app.domain.party import Contact, Party, Selection, Value

_ID: Path = (Step("_id"),)
_CONTACTS: Path = (Step("contacts", many=True),)
_DATES = frozenset({"created_at", "updated_at"})
_FLAGS = frozenset({"is_active", "is_mailing_prohibited", "is_customer", "is_supplier"})

Translate = Callable[[Any], Party]


class Translation(msgspec.Struct, frozen=True):
    """What to ask for, how it is shaped, and how a row becomes a Party. `missing` fields are always None."""

    tree: Tree
    shape: Shape
    party: Translate
    key: Callable[[Any], str | None]  # the row's _id, after which a scan resumes
    code: Callable[[Any], str | None]
    cut_short: Callable[[Any], bool] | None
    missing: tuple[str, ...]


def compile_translation(selection: Selection, paths: Mapping[str, Path]) -> Translation:
    """Raises:
    ValueError: two configured paths contradict each other.
    """
    always = ["is_active", "is_mailing_prohibited"]
    strict = is_strict(selection)
    if strict:
        always.append("default_contact.is_mailing_prohibited")
    person = ["contact.code", "contact.email", "contact.relationship_email", "contact.is_mailing_prohibited"]
    wanted = [*always, *selection.fields, *selection.email_sources]
    if selection.contacts:
        wanted += [*person, *selection.contact_fields]
    missing = tuple(dict.fromkeys(name for name in wanted if name not in paths))
    tree = tree_of([_ID, KEY, *(paths[name] for name in wanted if name in paths)])
    shape = Shape(tree)
    code = _code(shape)
    return Translation(
        tree, shape, _party(selection, paths, shape, code, strict=strict), _key(shape), code, shape.cut_short(), missing
    )


def is_strict(selection: Selection) -> bool:
    """Whether the default contact's prohibition is the party's: in per_party mode. Where the selection does not tell
    the modes apart the stricter reading is taken."""
    if not selection.contacts:
        return True
    return not selection.contact_fields and any(name.startswith("contacts.") for name in selection.email_sources)


def _key(shape: Shape) -> Callable[[Any], str | None]:
    read = shape.one(_ID)
    return lambda row: None if (value := read(row)) is None else str(value)


def _code(shape: Shape) -> Callable[[Any], str | None]:
    """The party's code; a row without one has its _id instead, which for customers is the same."""
    read, other = shape.one(KEY), shape.one(_ID)
    return lambda row: text(read(row)) or text(other(row))


def _party(
    selection: Selection, paths: Mapping[str, Path], shape: Shape, code: Callable[[Any], str | None], *, strict: bool
) -> Translate:
    fields = [paths.get(name) for name in selection.fields]
    flags = [paths.get("is_active"), paths.get("is_mailing_prohibited")]
    flags.append(paths.get("default_contact.is_mailing_prohibited") if strict else None)
    sources = [paths.get(name) for name in selection.email_sources]
    single = [path for path in sources if path is not None and _is_single(path)]
    width, behind = len(fields), len(fields) + len(flags) + 1
    read, cleaned = values_of(shape, [*fields, *flags, KEY, *single]), cleaner(selection.fields)
    places = iter(range(behind, behind + len(single)))
    emails = [
        (next(places), _nothing) if path is not None and _is_single(path) else (-1, _emails(shape, path))
        for path in sources
    ]
    contacts = _contacts(selection, paths, shape) if selection.contacts else _nothing

    def translate(row: Any) -> Party:
        found = read(row)
        is_active, prohibited, contact_prohibited, key = found[width:behind]
        return Party(
            (key.strip() if type(key) is str else None) or code(row) or "",
            is_active is True or flag(is_active) is not False,
            (prohibited is not False and flag(prohibited) is True)
            or (contact_prohibited is not False and flag(contact_prohibited) is True),
            tuple([several(row) if place < 0 else _one_text(found[place]) for place, several in emails]),
            cleaned(found[:width]),
            contacts(row),
        )

    return translate


def _is_single(path: Path) -> bool:
    return not any(step.many and step.index is None for step in path)


def _nothing(_: Any) -> tuple[Any, ...]:
    return ()


def _one_text(value: Any) -> tuple[str, ...]:
    if type(value) is str:
        stripped = value.strip()
        return (stripped,) if stripped else ()
    return () if (found := text(value)) is None else (found,)


def _contacts(selection: Selection, paths: Mapping[str, Path], shape: Shape) -> Callable[[Any], tuple[Contact, ...]]:
    inside = {name: path[1:] for name, path in paths.items() if name.startswith("contact.") and path[:1] == _CONTACTS}
    if not inside or "contacts" not in shape.inner:
        return lambda _: ()
    rows, person = shape.rows(_CONTACTS)
    always = ("contact.email", "contact.relationship_email", "contact.is_mailing_prohibited", "contact.code")
    width = len(selection.contact_fields)
    read = values_of(person, [inside.get(name) for name in (*selection.contact_fields, *always)])
    cleaned = cleaner(selection.contact_fields)

    def one(child: Any) -> Contact:
        found = read(child)
        email, own_email, prohibited, code = found[width:]
        emails = tuple([given for raw in (email, own_email) if (given := text(raw)) is not None])
        return Contact(text(code) or "", emails, flag(prohibited) is True, cleaned(found[:width]))

    if selection.only_prohibited:
        return _prohibited(shape, person, inside.get("contact.is_mailing_prohibited"), one)
    return lambda row: tuple([one(child) for child in rows(row)])


def _prohibited(
    shape: Shape, person: Shape, path: Path | None, one: Callable[[Any], Contact]
) -> Callable[[Any], tuple[Contact, ...]]:
    """Contacts who must not get mailings: few, so a glance at the flag is all that most cost."""
    if path is None:
        return lambda _: ()
    person.check(path)
    edges_of, flag_of = attrgetter(f"{shape.dotted(_CONTACTS)}.query.edges"), person.one(path)

    def read(row: Any) -> tuple[Contact, ...]:
        found: tuple[Contact, ...] = ()
        try:
            edges = edges_of(row)
        except AttributeError:
            return found
        for edge in edges or ():
            node = None if edge is None else edge.node
            if node is not None and flag_of(node) is not False and (contact := one(node)).is_prohibited:
                found += (contact,)
        return found

    return read


def cleaner(names: Sequence[str]) -> Callable[[Sequence[Any]], tuple[Value, ...]]:
    """Raw values become ours: texts stripped, blanks None; flags and dates by their own rules."""
    special = [(place, clean) for place, name in enumerate(names) if (clean := _special(name)) is not None]

    def cleaned(found: Sequence[Any]) -> tuple[Value, ...]:
        values: list[Any] = [(value.strip() or None) if type(value) is str else value for value in found]
        for place, clean in special:
            values[place] = clean(values[place])
        return tuple(values)

    return cleaned


def _special(name: str) -> Callable[[Any], Value] | None:
    if name.rpartition(".")[2] in _FLAGS:
        return flag
    return scalar if name in _DATES or name.startswith("custom.") else None


def _emails(shape: Shape, path: Path | None) -> Callable[[Any], tuple[str, ...]]:
    """Raw slots of a path through a collection, in order, blanks left out."""
    if path is None:
        return _nothing
    slots = slot_texts(shape, path)
    if slots is not None:
        return slots
    every = shape.all(path)
    return lambda row: tuple([found for value in every(row) if (found := text(value)) is not None])
