"""Only the time in which a sync could have run makes it late."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app.domain.lateness import Rhythm, rhythm_of, waking_time

DAY = date(2026, 3, 2).toordinal()
NIGHT = [{"from": "20:00", "to": "06:00"}]


def rhythm(schedule: dict[str, Any], zone: str = "Europe/Paris") -> Rhythm:
    return rhythm_of(json.dumps(schedule).encode(), zone, DAY)


@pytest.mark.parametrize(
    ("schedule", "period"),
    [
        ({"kind": "interval", "minutes": 15}, timedelta(minutes=15)),
        ({"kind": "daily", "at": "02:30"}, timedelta(days=1)),
        ({"kind": "cron", "expression": "0 8 * * 1-5"}, timedelta(days=3)),
        ({"kind": "manual"}, None),
        ({}, None),  # no schedule at all
    ],
)
def test_the_period_is_the_longest_pause(schedule: dict[str, Any], period: timedelta | None) -> None:
    assert rhythm(schedule).period == period


def test_without_quiet_hours_all_time_counts() -> None:
    since = datetime(2026, 3, 2, tzinfo=UTC)

    assert waking_time(rhythm({"kind": "manual"}), since, since + timedelta(hours=7)) == timedelta(hours=7)
    assert waking_time(rhythm({"kind": "manual"}), since, since - timedelta(hours=7)) == timedelta()


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-03-02T18:50", "2026-03-03T05:30", timedelta(minutes=40)),  # 19:50 to 06:30 by the clock in Paris
        ("2026-03-02T20:00", "2026-03-03T04:59", timedelta()),
        ("2026-03-02T12:00", "2026-03-02T15:00", timedelta(hours=3)),
        ("2026-10-20T18:50", "2026-11-03T05:30", timedelta(days=7, hours=14, minutes=30)),  # clocks change within
        ("2026-03-28T19:00", "2026-03-29T05:00", timedelta(hours=1)),  # the short night
    ],
)
def test_quiet_hours_do_not_count(since: str, until: str, expected: timedelta) -> None:
    quiet = rhythm({"kind": "interval", "minutes": 15, "quiet_hours": NIGHT})
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (since, until))

    assert waking_time(quiet, begin, end) == expected


def test_windows_that_meet_are_one() -> None:
    quiet = rhythm(
        {
            "kind": "interval",
            "minutes": 5,
            "quiet_hours": [{"from": "10:00", "to": "12:00"}, {"from": "12:00", "to": "14:00"}],
        },
        "UTC",
    )
    day = datetime(2026, 3, 2, tzinfo=UTC)

    assert waking_time(quiet, day.replace(hour=9), day.replace(hour=15)) == timedelta(hours=2)
