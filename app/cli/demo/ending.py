"""How the demo ends."""

from dataclasses import dataclass

from app.cli.output import FAILED

INTERRUPTED = 130


@dataclass
class Ending:
    """The exit code. Whoever interrupts the story has not seen it proven."""

    code: int = INTERRUPTED

    @property
    def failed(self) -> bool:
        return self.code == FAILED
