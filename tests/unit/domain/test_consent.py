"""Consent only ever gets stricter by us."""

import pytest

from app.domain.consent import is_opted_out, may_restore_to, rank, stricter

STATUSES = ["subscribed", "pending", "transactional", "unsubscribed", "cleaned", "archived", "forgotten", "brand new"]


def test_the_stricter_of_two_statuses_wins_whichever_comes_first() -> None:
    assert stricter("subscribed", "pending") == stricter("pending", "subscribed") == "pending"
    assert stricter("transactional", "pending") == "transactional"
    assert stricter("subscribed", "cleaned") == "cleaned"
    assert stricter("unsubscribed", "cleaned") == "unsubscribed"


@pytest.mark.parametrize("one", STATUSES)
@pytest.mark.parametrize("other", STATUSES)
def test_nothing_ever_gets_laxer(one: str, other: str) -> None:
    assert rank(stricter(one, other)) == max(rank(one), rank(other))


@pytest.mark.parametrize("status", STATUSES)
def test_what_is_restored_is_never_laxer_than_it_was(status: str) -> None:
    restored = may_restore_to(status)

    assert restored in ("transactional", "unsubscribed")
    assert rank(restored) >= rank(status)
    assert is_opted_out(restored) or not is_opted_out(status)


def test_those_who_opted_out_bounced_or_are_unknown_to_us_are_left_alone() -> None:
    assert [status for status in STATUSES if not is_opted_out(status)] == ["subscribed", "pending", "transactional"]
