"""What the site adds to the pages of docs/: pages that lie beside it, an order, the list of operations.

On the repository's own pages a link may lead to any file. Here it leads to a page of the site, or is plain text.
"""

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
BESIDE = ("sandbox/README.md", "helm/ml-connector/README.md", "CHANGELOG.md")
DECISIONS = "decisions/README.md"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
NAV: dict[str, tuple[str, ...]] = {
    "Start": ("README.md", "tutorial.md", "demo.md"),
    "How to": ("how-to/",),
    "Explanation": ("architecture.md", "explanation/", ""),
    "Reference": ("reference/", "settings.md", "glossary.md", "vendors/", *BESIDE),
    "Trust": ("security.md", "promises.md"),
    "Runbook": ("runbook/README.md", "runbook/"),
    "Decisions": (DECISIONS, "decisions/"),
}
"""Pages and folders in order; the empty folder is whatever else lies directly in docs/."""


def on_files(files: Any, config: Any) -> Any:
    """Take in what lies beside docs/, list the decisions, and put every page into its section."""
    for path in BESIDE:
        files.append(File.generated(config, path, content=(ROOT / path).read_text(encoding="utf-8")))
    found = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    titles = [(path.name, path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")) for path in found]
    listed = "\n".join(f"* [{title}]({name})" for name, title in titles)
    files.append(File.generated(config, DECISIONS, content=f"# Decisions\n\nWhy things are as they are.\n\n{listed}\n"))
    config.nav = _nav([file.src_uri for file in files.documentation_pages()])
    return files


def _nav(pages: list[str]) -> list[dict[str, list[str]]]:
    named = {place for places in NAV.values() for place in places}
    sections = []
    for title, places in NAV.items():
        chosen: list[str] = []
        for place in places:
            if place in pages:
                chosen.append(place)
            else:
                chosen += sorted(
                    page for page in pages if posixpath.dirname(page) == place.rstrip("/") and page not in named
                )
        sections.append({title: list(dict.fromkeys(chosen))})
    return sections


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links, and where the page asks for it the operations of openapi.json."""
    markdown = markdown.replace("<!-- operations -->", _operations())
    source = page.file.src_uri
    where = posixpath.dirname(source if source in BESIDE else f"docs/{source}")
    parts = FENCE.split(markdown)
    return "".join(
        part if part.startswith("```") else LINK.sub(lambda m: _link(m, source, where, files), part) for part in parts
    )


def _link(found: re.Match[str], source: str, where: str, files: Any) -> str:
    bang, text, target = found.groups()
    path, hash_, anchor = target.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return found[0]
    meant = posixpath.normpath(posixpath.join(where, path))
    page = "README.md" if meant == "README.md" else meant.removeprefix("docs/")
    for candidate in (page, f"{page}/README.md"):
        if files.get_file_from_path(candidate):
            return f"{bang}[{text}]({posixpath.relpath(candidate, posixpath.dirname(source) or '.')}{hash_}{anchor})"
    if (ROOT / meant).exists():
        return text  # a file of the repository that is no page here
    return found[0]  # and the strict build says that it leads nowhere


def _operations() -> str:
    document = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    rows = ["| | path | |", "| --- | --- | --- |"]
    for path, operations in document["paths"].items():
        rows += [
            f"| {method.upper()} | `{path}` | {given.get('summary', '')} |" for method, given in operations.items()
        ]
    return "\n".join(rows)
