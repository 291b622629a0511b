"""What workers do for connections between runs: finish sign-ins that wait, keep tokens warm, watch their ends."""

from time import monotonic

from app.connections.answering import look_again
from app.connections.opening import Opener
from app.connections.warming import keep_warm, look_for_ends

WARM_SECONDS = 3600.0


class Tending:
    """One worker's rounds; the sign-ins each time, the tokens once an hour."""

    def __init__(self, opener: Opener, *, idle_days: float) -> None:
        self._opener = opener
        self._idle_days = idle_days
        self._warm_at = 0.0

    async def round(self) -> None:
        await look_again(self._opener)
        if monotonic() >= self._warm_at:
            self._warm_at = monotonic() + WARM_SECONDS
            await keep_warm(self._opener, idle_days=self._idle_days)
            await look_for_ends(self._opener)
