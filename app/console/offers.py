"""What a mapping may choose from: X3's fields by kind, an audience's merge fields by type, and which fit each other."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.connectors.mailchimp.merge_checks import accepted_types
from app.console.calling import Refused
from app.console.desk import Desk

_GROUPS = (
    ("default_address", "Default address"),
    ("default_contact.", "Default contact"),
    ("contact.", "Each contact"),
    ("custom.", "Fields of this site"),
)


class Offer(NamedTuple):
    """`sources` by group and `merge_fields` by type; `accepts` says which source types a merge type takes."""

    stream: Mapping[str, Any]
    sources: Mapping[str, Sequence[Mapping[str, Any]]]
    emails: Sequence[Mapping[str, Any]]
    merge_fields: Mapping[str, Sequence[Mapping[str, Any]]]
    transforms: Sequence[Mapping[str, Any]]
    accepts: Mapping[str, Sequence[str]]
    trouble: str  # why the merge fields are not known

    @property
    def types(self) -> dict[str, str]:
        """The type of each source field."""
        return {field["name"]: field["type"] for group in self.sources.values() for field in group}

    @property
    def tags(self) -> dict[str, Mapping[str, Any]]:
        """The audience's merge fields by tag."""
        return {field["tag"]: field for group in self.merge_fields.values() for field in group}

    def merge_type(self, tag: str) -> str:
        """The type of a merge field; what the audience lacks is created as text unless its source says otherwise."""
        return str(self.tags[tag]["type"]) if tag in self.tags else ""


async def offer(desk: Desk, stream: str, *, source: str = "", target: str = "", audience: str = "") -> Offer:
    """With the fields of one X3 (`source`) and of one audience, as far as they are said and can be reached.

    Raises Refused: there is no such stream.
    """
    catalogue, custom, (merge_fields, trouble) = await asyncio.gather(
        desk.api.get("/v1/streams"), _custom(desk, source, stream), _merge_fields(desk, target, audience)
    )
    found = next((item for item in catalogue["items"] if item["name"] == stream), None)
    if found is None:
        raise Refused(404, {"detail": "There is no such stream.", "code": "not_found"})
    sources: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for field in [*found["fields"], *custom]:
        if field["type"] != "emails":
            sources[_group(field["name"])].append(field)
    by_type: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for field in merge_fields:
        by_type[field["type"]].append(field)
    emails = [field for field in found["fields"] if field["type"] == "emails"]
    accepts = {name: sorted(types) for name, types in accepted_types().items()}
    return Offer(found, sources, emails, by_type, catalogue["transforms"], accepts, trouble)


def _group(name: str) -> str:
    return next((words for prefix, words in _GROUPS if name.startswith(prefix)), "Company")


async def _custom(desk: Desk, source: str, stream: str) -> list[Mapping[str, Any]]:
    """Fields that the connection's settings add."""
    if not source:
        return []
    connection = await desk.api.get(f"{desk.at}/connections/{source}")
    names = connection["settings"].get("fields", {}).get(stream, {})
    return [
        {"name": name, "type": "text", "description": "A field of this site", "scope": "party"}
        for name in names
        if name.startswith("custom.")
    ]


async def _merge_fields(desk: Desk, target: str, audience: str) -> tuple[Sequence[Mapping[str, Any]], str]:
    if not target or not audience:
        return [], ""
    try:
        fields = await desk.api.all(f"{desk.at}/connections/{target}/audiences/{audience}/merge-fields")
    except Refused as problem:
        return [], problem.detail
    return fields, ""
