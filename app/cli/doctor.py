"""`ml-connector doctor`: is this set up so that it can work, and if not, what to do."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from app.cli.output import FAILED, console


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Do not try to reach Mailchimp.")] = False,
) -> None:
    """Check settings, database, Redis, egress, clock and keys, and say what to do."""
    from app.cli.examining import all_findings  # it brings the whole database layer along

    findings = asyncio.run(all_findings(offline))
    table = Table("", "check", "finding")
    colours = {"ok": "green", "warning": "yellow", "bad": "red"}
    for finding in findings:
        table.add_row(f"[{colours[finding.verdict]}]{finding.verdict}[/]", finding.name, finding.detail)
    console.print(table)
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(FAILED)
