"""`audit verify FILE`: reads the files, says the verdict."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.cli.output import USAGE, console, fail, show_json

if TYPE_CHECKING:
    from app.connections.attesting import PublicKey


def verify_file(
    file: Path, public_key: Path | None, against: Path | None, ask: Callable[[], str], *, as_json: bool
) -> None:
    """Check an export with the key of a file, else with the one that `ask` gives. A bad one ends the command with 1."""
    from app.cli.trail_files import Broken, check_trail, last_line, read_digest  # loads what only this needs

    with _opened(file) as lines:
        key = _key(public_key, ask)
        older, named = None, file
        try:
            if against is not None:
                named = against
                with _opened(against) as old:
                    older = read_digest(last_line(old), key)
            named = file
            digest = check_trail(lines, key, older)
        except Broken as broken:
            fail(f"{named}: {broken}")
    if as_json:
        show_json(digest.claims)
        return
    first, events = digest.claims["first_seq"], digest.claims["events"]
    said = f"The {events} events from {first} to {digest.seq} are whole, and signed by the key {key.kid}."
    console.print(said, highlight=False, soft_wrap=True)
    if first > 1 and digest.claims["previous"] is None:
        console.print("Older events were not kept any more when it was made.", highlight=False)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}.", code=USAGE)


def _key(path: Path | None, ask: Callable[[], str]) -> "PublicKey":
    from app.connections.attesting import PublicKey

    if path is None:
        return PublicKey.from_pem(ask().encode())
    try:
        with _opened(path) as file:
            return PublicKey.from_pem(file.read())
    except ValueError:
        fail(f"{path} is no Ed25519 public key in PEM, as `audit key` shows it.", code=USAGE)
