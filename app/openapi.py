"""Writes openapi.json: `python -m app.openapi [path]`, the same bytes for the same code."""

import json
import sys
from pathlib import Path

from app.api.application import assemble


def document() -> str:
    """The published API, sorted."""
    return json.dumps(assemble().openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("openapi.json")
    path.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
