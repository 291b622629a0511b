"""From a record of api1 to a Party, compiled once per selection; the same rules as over GraphQL."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.connectors.sage_x3.rest.paths import Path, Record, array_of, every, first, rows_of, within
from app.connectors.sage_x3.translate import cleaner, is_strict
from app.connectors.sage_x3.values import flag, text
from app.domain.party import Contact, Party, Selection, Value

_INSTANTS = frozenset({"created_at", "updated_at"})
_PERSON = ("contact.code", "contact.email", "contact.relationship_email", "contact.is_mailing_prohibited")


class Translation(msgspec.Struct, frozen=True):
    """`columns` are those of the record that are looked at; `missing` fields are always None."""

    party: Callable[[Record], Party]
    columns: frozenset[str]
    missing: tuple[str, ...]


def compile_translation(selection: Selection, key: str, paths: Mapping[str, Path]) -> Translation:
    """`key` is the column of the record's own key."""
    flags = ["is_active", "is_mailing_prohibited"]
    if is_strict(selection):
        flags.append("default_contact.is_mailing_prohibited")
    wanted = [*flags, *selection.fields, *selection.email_sources]
    if selection.contacts:
        wanted += [*_PERSON, *selection.contact_fields]
    return Translation(
        _party(selection, key, paths, flags[1:]),
        frozenset().union(*(paths[name].columns for name in wanted if name in paths)),
        tuple(dict.fromkeys(name for name in wanted if name not in paths)),
    )


def _party(
    selection: Selection, key: str, paths: Mapping[str, Path], prohibiting: Sequence[str]
) -> Callable[[Record], Party]:
    code, is_active = paths.get("code"), _one(paths.get("is_active"))
    code_of = first(code) if code is not None else _none
    prohibited = [_one(paths.get(name)) for name in prohibiting]
    values = _values(selection.fields, paths)
    emails = [_emails(paths.get(name)) for name in selection.email_sources]
    contacts = _contacts(selection, paths) if selection.contacts else None

    def translate(record: Record) -> Party:
        return Party(
            text(record.get(key)) or text(code_of(record)) or "",
            flag(is_active(record)) is not False,
            any(flag(read(record)) is True for read in prohibited),
            tuple([read(record) for read in emails]),
            values(record),
            () if contacts is None else contacts(record),
        )

    return translate


def _none(_: Record) -> None:
    return None


def _one(path: Path | None) -> Callable[[Record], Any]:
    return _none if path is None else first(path)


def _values(names: Sequence[str], paths: Mapping[str, Path]) -> Callable[[Record], tuple[Value, ...]]:
    readers = [as_instant(_one(paths.get(name))) if name in _INSTANTS else _one(paths.get(name)) for name in names]
    cleaned = cleaner(names)
    return lambda record: cleaned([read(record) for read in readers])


def as_instant(read: Callable[[Record], Any]) -> Callable[[Record], Any]:
    """As GraphQL writes it: UTC, milliseconds, so that a sync may change from one way in to the other."""

    def rewritten(record: Record) -> Any:
        told = text(read(record))
        if told is None:
            return None
        try:
            instant = datetime.fromisoformat(told)
        except ValueError:
            return told
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z"

    return rewritten


def _emails(path: Path | None) -> Callable[[Record], tuple[str, ...]]:
    """Raw slots in order, blanks left out."""
    if path is None:
        return lambda _: ()
    read = every(path)
    return lambda record: tuple([found for value in read(record) if (found := text(value)) is not None])


def _contacts(selection: Selection, paths: Mapping[str, Path]) -> Callable[[Record], tuple[Contact, ...]]:
    array = array_of(paths, _PERSON)
    if array is None:
        return lambda _: ()
    rows = rows_of(array)
    inside = {name: inner for name, path in paths.items() if (inner := within(path, array)) is not None}
    code, email, own_email, prohibited = (_one(inside.get(name)) for name in _PERSON)
    values = _values(selection.contact_fields, inside)

    def one(row: Record) -> Contact:
        emails = tuple([found for read in (email, own_email) if (found := text(read(row))) is not None])
        return Contact(text(code(row)) or "", emails, flag(prohibited(row)) is True, values(row))

    if selection.only_prohibited:
        return lambda record: tuple([contact for row in rows(record) if (contact := one(row)).is_prohibited])
    return lambda record: tuple([one(row) for row in rows(record)])
