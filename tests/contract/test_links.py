"""Links of the repository's pages lead somewhere, and the API's page knows every kind of operation."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGES = [
    *(CHECKOUT / name for name in ("README.md", "CHANGELOG.md", "sandbox/README.md", "helm/ml-connector/README.md")),
    *sorted((CHECKOUT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a page's headings are called in a link: small letters, blanks become hyphens, the rest goes."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles)
    return frozenset(re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    lost = []
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            lost.append(target)

    assert lost == []


def test_the_page_of_the_api_knows_every_tag() -> None:
    page = (CHECKOUT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    document = json.loads((CHECKOUT / "openapi.json").read_text(encoding="utf-8"))
    tags = {tag for operations in document["paths"].values() for given in operations.values() for tag in given["tags"]}

    assert set(re.findall(r"^\| ([a-z -]+) \| [^|]+ \|$", page.partition("## What there is")[2], re.MULTILINE)) == {
        "---",
        "tag",
        *tags,
    }
