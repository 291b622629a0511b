"""Syncs in a file: what they refer to is named, not numbered."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from app.api.schemas.base import Name, Request
from app.api.schemas.mappings import StreamName
from app.api.schemas.syncs import Brake, Reconcile, TargetModel
from app.cli.config.checking import validated
from app.cli.config.faults import Document, Fault, Faulty, child
from app.cli.config.present import Noun, Present
from app.domain.errors import InvalidDefinition
from app.domain.filters import parse_filter
from app.domain.inactive import parse_inactive
from app.domain.schedule import parse_schedule

REFERENCES: dict[str, Noun] = {
    "source_connection": "connections",
    "target_connection": "connections",
    "mapping": "mappings",
}
_SAME = ("stream", "target", "filter", "new_member_status", "inactive", "schedule", "brake", "reconcile", "enabled")


class SyncFile(Request):
    """A sync as it is written down."""

    name: Name
    stream: StreamName
    source_connection: Name
    target_connection: Name
    mapping: Name
    target: TargetModel
    filter: Any = None
    new_member_status: Literal["transactional", "pending", "subscribed", "unsubscribed"]
    inactive: Any = None
    schedule: Any = None
    brake: Brake = Brake()
    reconcile: Reconcile = Reconcile()
    enabled: bool = True


class Sync(msgspec.Struct, frozen=True):
    """`shape` is the whole sync with its defaults, and with names for what it refers to."""

    name: str
    pointer: str
    shape: dict[str, Any]

    @property
    def fixed(self) -> dict[str, Any]:
        """What a sync keeps for good."""
        return {"stream": self.shape["stream"]}

    def body(self, names: list[str], ids: Callable[[Noun, str], str]) -> dict[str, Any]:
        """These parts of it as the API takes them."""
        return {
            f"{name}_id" if name in REFERENCES else name: ids(REFERENCES[name], self.shape[name])
            if name in REFERENCES
            else self.shape[name]
            for name in names
        }


def read_sync(document: Document, pointer: str, name: str, raw: object, modes: Mapping[str, str]) -> Sync:
    """One entry of `syncs`; `modes` says of every mapping whom it makes members of. Raises Faulty."""
    given = validated(document, SyncFile, pointer, name, raw)
    per_contact = modes.get(given.mapping) == "per_contact"
    readers: dict[str, Callable[[], Any]] = {
        "filter": lambda: _filter(given, child(pointer, "filter"), per_contact),
        "inactive": lambda: parse_inactive(given.inactive, child(pointer, "inactive"), stream=given.stream).document(),
        "schedule": lambda: parse_schedule(given.schedule, child(pointer, "schedule")).document,
    }
    shape, faults = given.model_dump(mode="json", exclude={"name"}), list[Fault]()
    for part, read in readers.items():
        try:
            shape[part] = read()
        except InvalidDefinition as error:
            faults.append(document.fault(error.pointer, error.message))
    if faults:
        raise Faulty(faults)
    return Sync(given.name, pointer, shape)


def _filter(given: SyncFile, pointer: str, per_contact: bool) -> Any:
    parsed = parse_filter(given.filter, given.stream, pointer=pointer, contacts=per_contact)
    return None if parsed is None else parsed.document


def sync_shape(body: Mapping[str, Any], present: Present) -> dict[str, Any]:
    """What is compared of a sync of the API."""
    names = {name: present.name(noun, body[f"{name}_id"]) for name, noun in REFERENCES.items()}
    return {
        "stream": body["stream"],
        **names,
        **{name: body[name] for name in _SAME[1:]},
        "brake": Brake.model_validate(body["brake"]).model_dump(),
        "reconcile": Reconcile.model_validate(body["reconcile"]).model_dump(),
    }


def exported_sync(body: Mapping[str, Any], present: Present) -> dict[str, Any]:
    """As it is written down; what has no value is left out."""
    return {name: _without_none(name, value) for name, value in sync_shape(body, present).items() if value is not None}


def _without_none(name: str, value: Any) -> Any:
    return {key: inner for key, inner in value.items() if inner is not None} if name == "target" else value
