"""`ml-connector doctor`: is this set up so that it can work, and if not, what to do."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from app.cli.output import FAILED, console, show_json

if TYPE_CHECKING:
    from app.cli.examining import Finding


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Do not try to reach Mailchimp.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The findings for programs.")] = False,
) -> None:
    """Check settings, database, Redis, egress, clock and keys, and say what to do."""
    from app.cli.examining import all_findings  # it brings the whole database layer along

    findings = asyncio.run(all_findings(offline))
    if as_json:
        show_json([{"check": one.name, "verdict": one.verdict, "detail": one.detail} for one in findings])
    else:
        _show(findings)
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(FAILED)


def _show(findings: "Sequence[Finding]") -> None:
    table = Table("", "check", "finding")
    colours = {"ok": "green", "warning": "yellow", "bad": "red"}
    for finding in findings:
        table.add_row(f"[{colours[finding.verdict]}]{finding.verdict}[/]", finding.name, finding.detail)
    console.print(table)
