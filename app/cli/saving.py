"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.cli.output import USAGE, fail


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A new file for this user alone, which gets its name when all of it is written; nothing is left of a failure."""
    part = path.with_name(f".{path.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        fail(f"{part} cannot be written: {error.strerror}.", code=USAGE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
