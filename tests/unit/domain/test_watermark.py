"""A run reads back over the overlap, so that late commits are seen."""

from datetime import UTC, datetime, timedelta

from app.domain.watermark import lower_bound

MARK = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)


def test_the_lower_bound_is_the_last_start_mark_minus_17_minutes() -> None:
    assert lower_bound(MARK) == datetime(2026, 6, 3, 11, 43, tzinfo=UTC)


def test_a_connection_may_ask_for_more_overlap_but_never_for_a_gap() -> None:
    assert lower_bound(MARK, timedelta(days=2)) == datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    assert lower_bound(MARK, timedelta(seconds=-5)) == MARK


def test_without_a_completed_run_there_is_no_bound() -> None:
    assert lower_bound(None) is None
