"""Files only their owner can read, never seen half-written."""

import os
import secrets
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write `text` with mode 0600, durably and all at once."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def kept_secret(path: Path, make: str | None = None) -> str:
    """The secret in a private file; made at first use, `make` or 32 random bytes."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        secret = make or secrets.token_urlsafe(32)
        write_private(path, secret + "\n")
        return secret
