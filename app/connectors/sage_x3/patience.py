"""How long a call is repeated: a run waits minutes for an X3 that is busy, a person at a screen does not."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from app.connectors import retrying
from app.connectors.sage_x3.failures import QueryFailed, final

T = TypeVar("T")


class Patience(msgspec.Struct, frozen=True):
    """Bounds of one call with its repetitions."""

    budget_seconds: float = 120.0
    attempts: int = 6

    async def retried(self, call: Callable[[], Awaitable[T]]) -> T:
        """`call` repeated while it is transient."""
        return await retrying.retried(call, budget_seconds=self.budget_seconds, attempts=self.attempts)

    async def answered(self, call: Callable[[], Awaitable[T]]) -> T:
        """The same, and failed queries leave as domain errors."""

        async def attempt() -> T:
            try:
                return await call()
            except QueryFailed as error:
                raise final(error) from None

        return await self.retried(attempt)


FOR_A_RUN = Patience()
FOR_A_PERSON = Patience(budget_seconds=15.0, attempts=2)
