"""A whole file: its format, its sections, and whether what they refer to is there."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from app.cli.config.connections import Connection, read_connection
from app.cli.config.faults import Document, Fault, Faulty, child
from app.cli.config.mappings import Mapping as MappingEntry
from app.cli.config.mappings import read_mapping
from app.cli.config.present import NOUNS, Noun, Present
from app.cli.config.syncs import REFERENCES, Sync, read_sync

FORMAT = "ml-connector/v1"
Entry = Connection | MappingEntry | Sync


class Wanted(msgspec.Struct, frozen=True):
    """What a file asks for. A noun that the file does not mention has no section, and is left alone."""

    document: Document
    sections: dict[Noun, dict[str, Entry]]


def read_wanted(document: Document, present: Present) -> Wanted:
    """Every entry, checked as far as can be without the vendors. Raises Faulty with all faults at once."""
    _check_head(document)
    modes = {name: thing.body["email"]["mode"] for name, thing in present.of["mappings"].items()}
    readers: dict[Noun, Callable[[str, str, Any], Entry]] = {
        "connections": lambda pointer, name, raw: read_connection(document, pointer, name, raw),
        "mappings": lambda pointer, name, raw: read_mapping(document, pointer, name, raw),
        "syncs": lambda pointer, name, raw: read_sync(document, pointer, name, raw, modes),
    }
    sections: dict[Noun, dict[str, Entry]] = {}
    faults: list[Fault] = []
    for noun in NOUNS:
        if noun not in document.content:
            continue
        sections[noun] = _entries(document, noun, readers[noun], faults)
        if noun == "mappings":
            modes |= {name: entry.shape["email"]["mode"] for name, entry in sections[noun].items()}
    faults += _misfits(document, sections, present)
    if faults:
        raise Faulty(faults)
    return Wanted(document, sections)


def _check_head(document: Document) -> None:
    content = document.content
    if not isinstance(content, dict) or "format" not in content:
        raise Faulty([Fault(1, f"Is no configuration: it must begin with `format: {FORMAT}`.")])
    if content["format"] != FORMAT:
        raise Faulty([document.fault("/format", f"This release reads {FORMAT} only.")])
    known = ("format", *NOUNS)
    strangers = [document.fault(child("", name), f"Unknown; known are {', '.join(known)}.") for name in content]
    if faults := [fault for name, fault in zip(content, strangers, strict=True) if name not in known]:
        raise Faulty(faults)


def _entries(
    document: Document, noun: Noun, read: Callable[[str, str, Any], Entry], faults: list[Fault]
) -> dict[str, Entry]:
    section, entries = document.content[noun], dict[str, Entry]()
    if not isinstance(section, dict):
        faults.append(document.fault(f"/{noun}", f"Must hold {noun} by name; {{}} if there shall be none."))
        return entries
    for name, raw in section.items():
        pointer = child(f"/{noun}", name)
        try:
            entry = read(pointer, name, raw)
        except Faulty as error:
            faults += error.faults
            continue
        if entry.name != name:
            faults.append(document.fault(pointer, "A name has no blanks around it."))
        entries[name] = entry
    return entries


def _misfits(document: Document, sections: Mapping[Noun, Mapping[str, Entry]], present: Present) -> list[Fault]:
    """References to what is nowhere, and changes of what an object keeps for good."""
    faults = []
    for noun, entries in sections.items():
        for entry in entries.values():
            faults += (
                _kept(document, entry, present.of[noun][entry.name].body) if entry.name in present.of[noun] else []
            )
            if isinstance(entry, Sync):
                faults += _references(document, entry, present)
    return faults


def _kept(document: Document, entry: Entry, now: Mapping[str, Any]) -> list[Fault]:
    return [
        document.fault(child(entry.pointer, name), f"It is {now[name]} and stays so; use another name for a new one.")
        for name, value in entry.fixed.items()
        if now[name] != value
    ]


def _references(document: Document, entry: Sync, present: Present) -> list[Fault]:
    faults = []
    for name, noun in REFERENCES.items():
        to = entry.shape[name]
        listed = document.content.get(noun)
        if not (isinstance(listed, dict) and to in listed) and to not in present.of[noun]:
            sentence = f"Neither this file nor the tenant has {noun[:-1]} {to!r}."
            faults.append(document.fault(child(entry.pointer, name), sentence))
    return faults
