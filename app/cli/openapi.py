"""`ml-connector openapi`: the published description of the API."""

import subprocess
import sys
from typing import Annotated

import typer


def openapi(
    check: Annotated[bool, typer.Option("--check", help="Only say whether the file here is current.")] = False,
) -> None:
    """Write openapi.json into this folder, from the code."""
    argv = [sys.executable, "-P", "-m", "app.openapi", *(["--check"] if check else [])]
    raise typer.Exit(subprocess.run(argv, check=False).returncode)  # noqa: S603  # our own interpreter and module
