"""Entries against the models of the API, with the lines of what does not fit."""

from typing import TypeVar

from pydantic import ValidationError

from app.api.problems import invalid_model
from app.api.schemas.base import Request
from app.cli.config.faults import Document, Fault, Faulty, child

Entry = TypeVar("Entry", bound=Request)


def validated(document: Document, model: type[Entry], pointer: str, name: str, raw: object) -> Entry:
    """An entry, which goes by the name it stands under. Raises Faulty."""
    if not isinstance(raw, dict):
        raise Faulty([document.fault(pointer, "Must hold names and values.")])
    if "name" in raw:
        raise Faulty([document.fault(child(pointer, "name"), "The name is what the entry stands under.")])
    try:
        return model.model_validate({**raw, "name": name})
    except ValidationError as error:
        raise Faulty(model_faults(document, error, pointer)) from None


def model_faults(document: Document, error: ValidationError, pointer: str) -> list[Fault]:
    """What a model found, with lines."""
    return [document.fault(fault["pointer"], fault["detail"]) for fault in invalid_model(error, pointer).errors]
