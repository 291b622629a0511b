"""docs/reference/cli.md names every command with every option, and no other; completion knows them as well."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from app.cli.config.planning import plan
from app.cli.config.present import Present
from app.cli.config.reading import read_yaml
from app.cli.config.wanted import read_wanted
from app.cli.main import app

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
EVERYWHERE = {"--help", "--url", "--key", "--tenant", "--json", "--limit", "--cursor"}
"""Options that the page explains once, above its tables."""


def commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        where = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, where)
        else:
            yield where, command


COMMANDS = dict(commands(typer.main.get_command(app)))
ROWS = {
    match[1]: match[0]
    for match in re.finditer(r"^\| `([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?: [^`]*)?` \|.*$", PAGE, re.MULTILINE)
}


def options(command: Any) -> set[str]:
    return {name for given in command.params for name in given.opts if name.startswith("--")}


def test_every_command_is_on_the_page_and_no_other() -> None:
    assert set(ROWS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_row_of_its_command_and_no_other(name: str) -> None:
    named = set(re.findall(r"--[a-z][a-z0-9-]*", ROWS[name]))
    if COMMANDS[name].context_settings.get("ignore_unknown_options"):
        named &= options(COMMANDS[name])  # what it passes on

    assert named - EVERYWHERE == options(COMMANDS[name]) - EVERYWHERE


def test_the_options_of_many_commands_are_explained() -> None:
    for option in EVERYWHERE - {"--help"}:
        assert f"`{option}" in PAGE


SHOWING = re.compile(r"\b(list|show|explain|changes|diff|doctor|verify|export|create|add-key|start|replay)$")


@pytest.mark.parametrize("name", [name for name in COMMANDS if SHOWING.search(name)])
def test_whatever_lists_or_shows_something_can_do_so_for_programs(name: str) -> None:
    assert "--json" in options(COMMANDS[name])


@pytest.mark.parametrize(("typed", "offered"), [("ml-connector conf", "config"), ("ml-connector runs app", "approve")])
def test_bash_is_told_what_may_come_next(typed: str, offered: str) -> None:
    environment = {
        "_ML_CONNECTOR_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
        "PATH": "/usr/bin:/bin",
    }
    script = "import sys; sys.argv = ['ml-connector']; from app.cli.main import app; app(prog_name='ml-connector')"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=CHECKOUT)

    assert done.stdout.split() == [offered], done.stderr


def test_the_example_of_a_configuration_can_be_used_as_it_stands() -> None:
    how_to = (CHECKOUT / "docs" / "how-to" / "config-as-code.md").read_text(encoding="utf-8")
    example = how_to.partition("```yaml\n")[2].partition("```")[0]

    wanted = read_wanted(read_yaml(example.encode()), Present({}))

    assert [change.name for change in plan(wanted, Present({}))] == [
        "X3 production",
        "Mailchimp",
        "customers",
        "customers to newsletter",
    ]
