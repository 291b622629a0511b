"""Settings for commands, with sentences instead of tracebacks when something is missing."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.cli.kept import Given, revealed
from app.cli.output import USAGE, fail
from app.settings import Settings


def read_settings() -> Settings:
    """All settings; ends the command when one is missing or malformed."""
    try:
        return Settings()
    except ValidationError as error:
        fail("\n".join(sentences(error.errors(include_input=False))), code=USAGE)


def sentences(problems: Sequence[Any]) -> list[str]:
    """What is wrong with the settings, one line for each variable, without any value."""
    lines = []
    for problem in problems:
        name = "MLC_" + "_".join(str(part) for part in problem["loc"]).upper()
        said = "is not set" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {said}")
    return lines


def database_url() -> str:
    """The database alone, for commands that need no other setting."""
    url = revealed(Given().database_url)
    if not url:
        fail("MLC_DATABASE_URL: is not set", code=USAGE)
    return url.replace("+asyncpg", "", 1)
