"""How the story looks: bars and colours in a terminal, plain lines in a file or pipe."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli.demo.claims import Claim, shown

Update = Callable[[int, int | None], None]
"""Tells a bar how many are done, and of how many if that is known."""

QUIET_SECONDS = 2.0  # between two plain lines about one piece of work


class Stage:
    """Where the story is shown. Remembers how long each act took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._acts: list[tuple[str, float]] = []
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the curtain rose."""
        return time.monotonic() - self._began

    @contextmanager
    def act(self, title: str, what: str) -> Iterator[None]:
        """One act: its title and one line on what is being shown."""
        began = time.monotonic()
        number = len(self._acts) + 1
        self._console.print(f"\n[bold]{number}. {title}[/bold]\n   [dim]{what}[/dim]", highlight=False, soft_wrap=True)
        yield
        self._acts.append((title, time.monotonic() - began))

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Something without countable steps."""
        with self._console.status(what) if self._console.is_terminal else nullcontext():
            yield

    def say(self, sentence: str) -> None:
        """One line, as it is."""
        self._console.print(f"   {sentence}", markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def bar(self, name: str) -> Iterator[Update]:
        """A progress bar for one piece of work; its end is drawn full only when the block ends well."""
        if self._console.is_terminal:
            yield from self._drawn(name)
        else:
            yield from self._told(name)

    def _drawn(self, name: str) -> Iterator[Update]:
        columns = (
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
        )
        with Progress(TextColumn(" "), *columns, TimeElapsedColumn(), console=self._console) as bars:
            task = bars.add_task(f"{name:<34}", total=None)
            done = 0

            def update(now: int, total: int | None) -> None:
                nonlocal done
                done = now
                bars.update(task, completed=now, total=total)

            yield update
            bars.update(task, completed=done, total=done)

    def _told(self, name: str) -> Iterator[Update]:
        began = spoke = time.monotonic()
        done = 0

        def update(now: int, total: int | None) -> None:
            nonlocal done, spoke
            done = now
            if time.monotonic() - spoke > QUIET_SECONDS:
                spoke = time.monotonic()
                self.say(f"{name}: {now:,}{f' of {total:,}' if total else ''}")

        yield update
        self.say(f"{name}: {done:,} in {time.monotonic() - began:.1f} s")

    def summary(self, claims: Sequence[Claim]) -> None:
        """Every claim with both its numbers, then the time each act took."""
        table = Table(title="What was claimed, and what was counted", title_justify="left", caption_justify="left")
        table.caption = "expected: from Sage X3's own export; found: in Mailchimp's own state"
        table.add_column("claim", overflow="fold")
        table.add_column("expected", justify="right", no_wrap=True)
        table.add_column("found", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        yes, no = ("✓", "✗") if self._console.encoding.lower().startswith("utf") else ("ok", "NO")
        act = ""
        for claim in claims:
            if claim.act != act:
                table.add_section()
                table.add_row(f"[bold]{claim.act}[/bold]")
            act = claim.act
            mark = f"[green]{yes}[/green]" if claim.holds else f"[bold red]{no}[/bold red]"
            table.add_row(claim.text, shown(claim.expected), shown(claim.found), mark)
        self._console.print()
        self._console.print(table, highlight=False)
        times = ", ".join(f"{title.lower()} {seconds:.1f}" for title, seconds in self._acts)
        self.say(f"{self.seconds:.0f} seconds: {times}.")

    def conclude(self, sentence: str, *, good: bool) -> None:
        """The last word."""
        style = "bold green" if good else "bold red"
        self._console.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)
