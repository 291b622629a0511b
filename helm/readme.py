"""Writes ml-connector/README.md from values.yaml: each value, its default, what the `# --` comment above it says.

`python helm/readme.py` writes; `--check` only compares. Needs PyYAML.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "ml-connector"
MARK = "<!-- From here on made of values.yaml: python helm/readme.py -->"
_KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9_]*):")


def described(text: str) -> Iterator[tuple[str, str]]:
    """(path, description) of each value with a `# --` comment above it, in the order of the file."""
    path: list[tuple[int, str]] = []
    said: str | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# --"):
            said = stripped.removeprefix("# --").strip()
        elif (found := _KEY.match(line)) is not None:
            depth = len(found[1])
            path = [(place, name) for place, name in path if place < depth] + [(depth, found[2])]
            if said is not None:
                yield ".".join(name for _, name in path), said
            said = None


def value_at(values: dict[str, Any], path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        found = found[name]
    return found


def table(text: str) -> str:
    values = yaml.safe_load(text)
    rows = [
        f"| `{path}` | `{json.dumps(value_at(values, path), ensure_ascii=False)}` | {said} |"
        for path, said in described(text)
    ]
    return "\n".join(["| value | default | meaning |", "| --- | --- | --- |", *rows])


def made() -> str:
    """The page as it should be: what stands above the mark, then the table."""
    readme = CHART / "README.md"
    above = readme.read_text("utf-8").partition(MARK)[0]
    return f"{above}{MARK}\n\n{table((CHART / 'values.yaml').read_text('utf-8'))}\n"


def main() -> int:
    readme, page = CHART / "README.md", made()
    if "--check" in sys.argv[1:]:
        return int(readme.read_text("utf-8") != page)
    readme.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
