"""`ml-connector demo`: boot, tell the story, show the summary, end with a code that can be trusted."""

import asyncio
import io
import logging
import sys
from typing import Annotated

import typer

from app.cli.output import errors
from app.cli.stopping import until_signalled

Keep = Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards, and its data on disk.")]
Customers = Annotated[int, typer.Option(min=50, help="How many customers the example Sage X3 holds.")]
Suppliers = Annotated[int, typer.Option(min=10, help="How many suppliers.")]
Invoices = Annotated[int, typer.Option(min=20, help="How many invoices, of all companies.")]


def demo(keep: Keep = False, customers: Customers = 5000, suppliers: Suppliers = 500, invoices: Invoices = 300) -> None:
    """Show the whole product on this machine, with stand-ins for Sage X3 and Mailchimp and nothing to set up.

    Ends with 0 only if every number it claims was found in the stand-ins' own state.
    """
    from app.cli.demo.broken import StoryBroken
    from app.cli.demo.ending import INTERRUPTED, Ending
    from app.cli.demo.performing import perform
    from app.cli.demo.world import own_folder
    from app.cli.supervising import SystemNotRunning
    from app.embedded import EmbeddedServerError
    from app.telemetry import set_up_logging

    _never_fail_on_a_character()
    ending = Ending()
    try:
        with own_folder(ending, keep=keep) as folder:
            set_up_logging("console", logging.WARNING)
            sizes = {"customers": customers, "suppliers": suppliers, "invoices": invoices}
            work = perform(folder, ending, keep=keep, **sizes)
            asyncio.run(until_signalled(work))
    except (StoryBroken, SystemNotRunning, EmbeddedServerError) as error:
        _say(f"The demo broke off: {error}", "red")
    if ending.failed:
        _say(f"Its logs are in {folder}", "red")
    if ending.code == INTERRUPTED:
        _say("Interrupted before everything was shown; nothing is left running.", "yellow")
    raise typer.Exit(ending.code)


def _say(sentence: str, style: str) -> None:
    errors.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)


def _never_fail_on_a_character() -> None:
    """Example names hold characters that not every terminal can show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
