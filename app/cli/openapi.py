"""`ml-connector openapi`: the published description of the API."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import console, fail


def openapi(
    path: Annotated[Path, typer.Argument(help="The file.")] = Path("openapi.json"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing, only say whether the file is current.")
    ] = False,
) -> None:
    """Write openapi.json from the code."""
    from app.openapi import document  # it brings the whole API along

    if not check:
        try:
            path.write_text(document(), encoding="utf-8")
        except OSError as error:
            fail(f"{path} cannot be written: {error.strerror}.")
    elif not path.exists() or path.read_text(encoding="utf-8") != document():
        fail(f"{path} is not what the code says: ml-connector openapi {path}")
    console.print(f"{path} is current.", highlight=False)
