"""The sandbox's own ledger of consent: who changed whose status, from what to what, and whether that was upward."""

from typing import Literal

import msgspec

Cause = Literal["api", "admin", "user"]
RANK = {
    "subscribed": 3,
    "pending": 2,
    "transactional": 1,
    "unsubscribed": 0,
    "cleaned": 0,
    "archived": 0,
    "forgotten": 0,
}


class ConsentMove(msgspec.Struct, gc=False, frozen=True):
    """One status change of one person; `before` is None when the address had never been known."""

    sequence: int
    at: int
    person: int  # stays the same when the address changes
    email: str
    before: str | None
    after: str
    cause: Cause
    upward: bool
    note: str = ""


class ConsentLedger:
    """All moves of one audience, in order."""

    def __init__(self) -> None:
        self.moves: list[ConsentMove] = []

    def record(
        self, *, at: int, person: int, email: str, before: str | None, after: str, cause: Cause,
        before_archive: str | None = None, note: str = "",
    ) -> None:  # fmt: skip
        """Write one move down.

        Upward means a higher rank than before. `before_archive` is the status a member had when the API archived it:
        bringing it back to no more than that is not upward.
        """
        upward = False
        if before is not None and before != after:
            upward = RANK[after] > max(RANK[before], RANK[before_archive] if before_archive else 0)
        self.moves.append(ConsentMove(len(self.moves) + 1, at, person, email, before, after, cause, upward, note))

    def upward(self, cause: Cause | None = "api") -> list[ConsentMove]:
        """Upward moves by one cause, or by any."""
        return [move for move in self.moves if move.upward and (cause is None or move.cause == cause)]
