"""The one retry policy: full jitter, the vendor's own wait obeyed, bounded in attempts and in seconds."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic
from typing import TypeVar

from app.domain.errors import Transient

T = TypeVar("T")

_patience: ContextVar[tuple[float, int]] = ContextVar("patience", default=(inf, 1_000_000))
_base_seconds: ContextVar[float] = ContextVar("base_seconds", default=2.0)
_sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def retried(
    call: Callable[[], Awaitable[T]],
    *,
    budget_seconds: float = 120.0,
    attempts: int = 6,
    base_seconds: float | None = None,
    cap_seconds: float = 60.0,
    repeat_unknown: bool = True,
) -> T:
    """Run `call` until it answers; only Transient is repeated.

    The n-th wait is drawn from 0..min(cap, base * 2^n) seconds and is never shorter than the error's `retry_after`.
    The last Transient leaves when `attempts` calls were made or the next wait would end after `budget_seconds`.
    With `repeat_unknown=False` an error whose outcome is unknown leaves at once: repeating it might do harm.
    Inside `briefly()` and `within()` the bounds are no larger than those allow; `base_seconds` is that of `within()`.
    """
    base_seconds = _base_seconds.get() if base_seconds is None else base_seconds
    most_seconds, most_attempts = _patience.get()
    budget_seconds, attempts = min(budget_seconds, most_seconds), min(attempts, most_attempts)
    started = monotonic()
    for attempt in range(attempts):
        try:
            return await call()
        except Transient as error:
            if error.outcome_unknown and not repeat_unknown:
                raise
            wait = _wait(attempt, error.retry_after, base_seconds, cap_seconds)
            if attempt + 1 == attempts or monotonic() - started + wait > budget_seconds:
                raise
        await _sleep(wait)
    raise ValueError("attempts must be at least 1")


def _wait(attempt: int, retry_after: float | None, base: float, cap: float) -> float:
    drawn = random.uniform(0.0, min(cap, base * 2.0**attempt))  # noqa: S311 - spreads load, guards no secret
    return max(drawn, retry_after or 0.0)


@contextmanager
def briefly(budget_seconds: float = 10.0, attempts: int = 2) -> Iterator[None]:
    """While a person waits for the answer: everything retried inside the block, in this task and those it starts, is
    given up that soon."""
    most_seconds, most_attempts = _patience.get()
    token = _patience.set((min(budget_seconds, most_seconds), min(attempts, most_attempts)))
    try:
        yield
    finally:
        _patience.reset(token)


@contextmanager
def within(budget_seconds: float, base_seconds: float) -> Iterator[None]:
    """What the operator allows: bounds everything retried inside the block, in this task and those it starts."""
    patience, base = _patience.set((budget_seconds, _patience.get()[1])), _base_seconds.set(base_seconds)
    try:
        yield
    finally:
        _patience.reset(patience)
        _base_seconds.reset(base)


@contextmanager
def without_waiting() -> Iterator[list[float]]:
    """For tests: retries follow each other at once, in the whole process; yields the waits that were left out."""
    global _sleep
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    before, _sleep = _sleep, note
    try:
        yield waits
    finally:
        _sleep = before
