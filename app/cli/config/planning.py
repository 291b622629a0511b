"""What has to change so that a tenant is as a file says."""

from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from app.cli.config.connections import connection_shape
from app.cli.config.diffing import ABSENT, Difference, differences
from app.cli.config.mappings import mapping_shape
from app.cli.config.present import NOUNS, Noun, Present, Thing
from app.cli.config.syncs import sync_shape
from app.cli.config.wanted import Entry, Wanted

Kind = Literal["create", "change", "delete"]


class Change(NamedTuple):
    """One object that is not as the file says. `entry` is None for one the file does not have, `now` for a new one."""

    kind: Kind
    noun: Noun
    name: str
    entry: Entry | None
    now: Thing | None
    differences: tuple[Difference, ...]


def plan(wanted: Wanted, present: Present) -> list[Change]:
    """In the order in which it can be done: what is referred to comes first, deletions last and the other way round."""
    changes = [change for noun in NOUNS for change in _entries(wanted, present, noun)]
    return [*changes, *(change for noun in reversed(NOUNS) for change in _strangers(wanted, present, noun))]


def _entries(wanted: Wanted, present: Present, noun: Noun) -> list[Change]:
    changes = []
    for name, entry in wanted.sections.get(noun, {}).items():
        now = present.of[noun].get(name)
        found = tuple(differences(_shape(noun, now, present) if now else {}, entry.shape))
        if now is None:
            changes.append(Change("create", noun, name, entry, None, found))
        elif found:
            changes.append(Change("change", noun, name, entry, now, found))
    return changes


def _strangers(wanted: Wanted, present: Present, noun: Noun) -> list[Change]:
    section = wanted.sections.get(noun)
    if section is None:
        return []
    return [
        Change("delete", noun, name, None, now, (Difference("", name, ABSENT),))
        for name, now in present.of[noun].items()
        if name not in section
    ]


def _shape(noun: Noun, now: Thing, present: Present) -> dict[str, Any]:
    if noun == "mappings":
        return mapping_shape(now.body)
    if noun == "syncs":
        return sync_shape(now.body, present)
    try:
        return connection_shape(now.body)
    except ValidationError:  # stored by another release: compared as it is
        return {name: now.body[name] for name in ("system", "kind", "url", "settings")}
