"""From a row of X3 to a Party, compiled once per selection: the hot path of every read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from app.connectors.sage_x3.paths import KEY, Path, Step
from app.connectors.sage_x3.queries import Tree, tree_of
from app.connectors.sage_x3.structs import Getter, Shape
from app.connectors.sage_x3.values import flag, scalar, text
from app.domain.party import Contact, Party, Selection, Value

_ID: Path = (Step("_id"),)
_CONTACTS: Path = (Step("contacts", many=True),)
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
    strict = _is_strict(selection)
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


def _is_strict(selection: Selection) -> bool:
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
    values = _values(shape, selection.fields, paths)
    emails = [_emails(shape, paths.get(name)) for name in selection.email_sources]
    is_active = _flag(shape, paths.get("is_active"))
    prohibited = _flag(shape, paths.get("is_mailing_prohibited"))
    contact_prohibited = _flag(shape, paths.get("default_contact.is_mailing_prohibited") if strict else None)
    contacts = _contacts(selection, paths, shape) if selection.contacts else None

    def translate(row: Any) -> Party:
        return Party(
            code(row) or "",
            is_active(row) is not False,
            prohibited(row) is True or contact_prohibited(row) is True,
            tuple([read(row) for read in emails]),
            values(row),
            () if contacts is None else contacts(row),
        )

    return translate


def _contacts(selection: Selection, paths: Mapping[str, Path], shape: Shape) -> Callable[[Any], tuple[Contact, ...]]:
    inside = {name: path[1:] for name, path in paths.items() if name.startswith("contact.") and path[:1] == _CONTACTS}
    if not inside or "contacts" not in shape.inner:
        return lambda _: ()
    rows, person = shape.rows(_CONTACTS)
    code = _one(person, inside.get("contact.code"))
    emails = [_emails(person, inside.get(f"contact.{name}")) for name in ("email", "relationship_email")]
    prohibited = _flag(person, inside.get("contact.is_mailing_prohibited"))
    values = _values(person, selection.contact_fields, inside)

    def translate(row: Any) -> tuple[Contact, ...]:
        return tuple(
            [
                Contact(
                    text(code(child)) or "",
                    tuple([email for read in emails for email in read(child)]),
                    prohibited(child) is True,
                    values(child),
                )
                for child in rows(row)
            ]
        )

    return translate


def _values(shape: Shape, names: Sequence[str], paths: Mapping[str, Path]) -> Callable[[Any], tuple[Value, ...]]:
    """All values of a row in the order of `names`; a boolean field is read as one whatever X3 makes of it."""
    reads = [(_one(shape, paths.get(name)), flag if name.rpartition(".")[2] in _FLAGS else scalar) for name in names]
    return lambda row: tuple([clean(read(row)) for read, clean in reads])


def _one(shape: Shape, path: Path | None) -> Getter:
    return _nothing if path is None else shape.one(path)


def _nothing(_: Any) -> None:
    return None


def _flag(shape: Shape, path: Path | None) -> Callable[[Any], bool | None]:
    if path is None:
        return _nothing
    read = shape.one(path)
    return lambda row: flag(read(row))


def _emails(shape: Shape, path: Path | None) -> Callable[[Any], tuple[str, ...]]:
    """Raw slots in order, blanks left out."""
    if path is None:
        return lambda _: ()
    if not any(step.many for step in path):
        read = shape.one(path)
        return lambda row: () if (found := text(read(row))) is None else (found,)
    every = shape.all(path)
    return lambda row: tuple([found for value in every(row) if (found := text(value)) is not None])
