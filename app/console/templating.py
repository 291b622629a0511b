"""Templates and assets: both lie in the package, nothing is built or fetched."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from jinja2 import Environment, PackageLoader, StrictUndefined

from app.console import presenting, wording

FOLDER = Path(__file__).parent / "assets"


def _fingerprint(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:12]


ASSETS = f"/console/assets/{_fingerprint(FOLDER)}"
"""Where assets are: another address whenever one of them changes, so that browsers may keep them for ever."""


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("app.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= presenting.FILTERS
    made.filters["query"] = lambda given: urlencode({name: value for name, value in given.items() if value})
    made.globals |= {"wording": wording, "once": lambda: uuid4().hex, "run_seconds": presenting.run_seconds}
    return made


_TEMPLATES = _environment()


def render(template: str, context: Mapping[str, Any]) -> str:
    """The text of a page. What it is given is shown as text, never taken for markup."""
    return _TEMPLATES.get_template(template).render(context)
