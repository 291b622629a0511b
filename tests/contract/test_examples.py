"""JSON that the how-to pages show is JSON that the API takes."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import TypeAdapter

from app.api.schemas.connections import ConnectionCreate, SageX3Settings
from app.api.schemas.syncs import SyncCreate
from app.domain.filters import parse_filter
from app.domain.inactive import parse_inactive
from app.domain.parsing import parse_mapping
from app.domain.schedule import parse_schedule

PAGES = sorted((Path(__file__).parents[2] / "docs" / "how-to").glob("*.md"))
CONNECTION: TypeAdapter[Any] = TypeAdapter(ConnectionCreate)


def examples() -> list[Any]:
    """(page, object) of each block that is a whole object; parts of one, and answers, are left out."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for number, block in enumerate(re.findall(r"^ *```json\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)):
            if block.lstrip().startswith("{"):
                found.append(pytest.param(json.loads(block, strict=False), id=f"{page.stem}-{number}"))
    return found


def with_ids(body: dict[str, Any]) -> dict[str, Any]:
    """Ids and names in place of the dots that stand for them."""
    body = {name: str(uuid4()) if name.endswith("_id") else value for name, value in body.items()}
    return {**body, "target": {name: "a6b5da1054" if value == "…" else value for name, value in body["target"].items()}}


@pytest.mark.parametrize("shown", examples())
def test_what_is_shown_is_taken(shown: dict[str, Any]) -> None:
    if "system" in shown:
        CONNECTION.validate_json(json.dumps(shown))
    elif "new_member_status" in shown:
        sync = SyncCreate.model_validate(with_ids(shown))
        parse_schedule(sync.schedule)
        parse_inactive(sync.inactive)
        parse_filter(sync.filter, sync.stream)
    elif "stream" in shown:
        parse_mapping(shown)
    elif set(shown) == {"settings"}:
        SageX3Settings.model_validate(shown["settings"])
    else:
        pytest.skip("no object of ours: an answer, or another system's")
