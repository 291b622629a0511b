from collections.abc import Awaitable, Callable

import pytest

from app.connectors.retrying import briefly, retried, without_waiting
from app.domain.errors import NeedsTenant, Transient


def failing(errors: list[Exception], calls: list[int]) -> Callable[[], Awaitable[str]]:
    async def call() -> str:
        calls.append(1)
        if errors:
            raise errors.pop(0)
        return "answer"

    return call


async def test_a_transient_error_is_repeated_until_the_answer() -> None:
    calls: list[int] = []
    with without_waiting() as waits:
        assert await retried(failing([Transient("busy", "Busy."), Transient("busy", "Busy.")], calls)) == "answer"
    assert len(calls) == 3
    assert 0 <= waits[0] <= 2
    assert 0 <= waits[1] <= 4


async def test_the_last_error_leaves_when_the_attempts_are_used_up() -> None:
    calls: list[int] = []
    last = Transient("busy", "Third.")
    errors: list[Exception] = [Transient("busy", "First."), Transient("busy", "Second."), last]
    with without_waiting(), pytest.raises(Transient) as raised:
        await retried(failing(errors, calls), attempts=3)
    assert raised.value is last
    assert len(calls) == 3


async def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    calls: list[int] = []
    with without_waiting() as waits, pytest.raises(Transient):
        await retried(failing([Transient("busy", "Busy.", retry_after=121)], calls))
    assert (len(calls), waits) == (1, [])


async def test_the_vendors_own_wait_is_obeyed() -> None:
    with without_waiting() as waits:
        await retried(failing([Transient("busy", "Busy.", retry_after=31)], []))
    assert waits == [31]


async def test_waits_stay_below_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    errors: list[Exception] = [Transient("busy", "Busy.") for _ in range(7)]
    with without_waiting() as waits:
        await retried(failing(errors, []), attempts=8, budget_seconds=1000)
    assert waits == [2, 4, 8, 16, 32, 60, 60]


async def test_other_errors_leave_at_once() -> None:
    calls: list[int] = []
    with pytest.raises(NeedsTenant):
        await retried(failing([NeedsTenant("revoked", "Revoked.")], calls))
    assert len(calls) == 1


async def test_an_unknown_outcome_is_repeated_only_where_that_is_harmless() -> None:
    unknown = Transient("timed_out", "No answer.", outcome_unknown=True)
    with without_waiting():
        assert await retried(failing([unknown], [])) == "answer"
        with pytest.raises(Transient):
            await retried(failing([unknown], []), repeat_unknown=False)


async def test_while_a_person_waits_retries_end_after_the_second_call() -> None:
    calls = 0

    async def fails() -> None:
        nonlocal calls
        calls += 1
        raise Transient("busy", "Busy.")

    with without_waiting(), briefly(), pytest.raises(Transient):
        await retried(fails, attempts=6)

    assert calls == 2
