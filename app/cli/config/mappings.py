"""Mappings in a file: as the API takes them, without id and version."""

from collections.abc import Mapping as Object
from typing import Any

import msgspec

from app.api.schemas.mappings import MappingCreate
from app.cli.config.checking import validated
from app.cli.config.faults import Document, Faulty
from app.domain.errors import InvalidDefinition
from app.domain.mapping import parse_mapping

_NAMES = ("stream", "email", "fields", "tags", "language")


class Mapping(msgspec.Struct, frozen=True):
    """`shape` is the whole definition, with what the file left out."""

    name: str
    pointer: str
    shape: dict[str, Any]

    @property
    def fixed(self) -> dict[str, Any]:
        """What a mapping keeps for good."""
        return {"stream": self.shape["stream"]}

    def body(self) -> dict[str, Any]:
        """What makes it, or its next version."""
        return {"name": self.name, **self.shape}


def read_mapping(document: Document, pointer: str, name: str, raw: object) -> Mapping:
    """One entry of `mappings`. Raises Faulty."""
    given = validated(document, MappingCreate, pointer, name, raw)
    try:
        return Mapping(given.name, pointer, parse_mapping(given.definition()).document())
    except InvalidDefinition as error:
        raise Faulty([document.fault(pointer + error.pointer, error.message)]) from None


def mapping_shape(body: Object[str, Any]) -> dict[str, Any]:
    """What is compared of a mapping of the API."""
    return {name: body[name] for name in _NAMES}


exported_mapping = mapping_shape
