"""Syncs come due when the tenant's clock says so, once, whatever the clocks do."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidDefinition
from app.domain.schedule import in_quiet_hours, next_due, parse_schedule

PARIS = ZoneInfo("Europe/Paris")


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


def due_times(raw: dict[str, Any], after: datetime, count: int, zone: str = "Europe/Paris") -> list[str]:
    """The next due times as the wall clock and its offset show them."""
    schedule, found = parse_schedule(raw), list[str]()
    for _ in range(count):
        moment = next_due(schedule, after, zone)
        assert moment is not None
        assert moment.tzinfo is UTC
        after = moment
        found.append(moment.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M %z"))
    return found


def test_a_manual_schedule_never_comes_due() -> None:
    assert next_due(parse_schedule({"kind": "manual"}), paris("2026-01-01T00:00"), PARIS) is None
    assert next_due(parse_schedule(None), paris("2026-01-01T00:00"), PARIS) is None


def test_an_interval_keeps_its_beat_and_coalesces_what_was_missed() -> None:
    schedule = parse_schedule({"kind": "interval", "minutes": 15})
    last = paris("2026-01-01T08:00")

    assert next_due(schedule, last, PARIS) == last + timedelta(minutes=15)
    assert next_due(schedule, last, PARIS, now=last + timedelta(minutes=50)) == last + timedelta(minutes=60)
    assert next_due(schedule, last, PARIS, now=last + timedelta(minutes=60)) == last + timedelta(minutes=75)


def test_missed_days_coalesce_into_one() -> None:
    schedule = parse_schedule({"kind": "daily", "at": "02:30"})

    due = next_due(schedule, paris("2026-01-01T02:30"), PARIS, now=paris("2026-01-05T12:00"))

    assert due == paris("2026-01-06T02:30")


def test_a_daily_time_that_spring_leaves_out_comes_an_hour_later_and_once() -> None:
    assert due_times({"kind": "daily", "at": "02:30"}, paris("2026-03-27T12:00"), 3) == [
        "03-28 02:30 +0100",
        "03-29 03:30 +0200",
        "03-30 02:30 +0200",
    ]


def test_a_daily_time_that_autumn_brings_twice_comes_once() -> None:
    assert due_times({"kind": "daily", "at": "02:30"}, paris("2026-10-24T12:00"), 2) == [
        "10-25 02:30 +0200",
        "10-26 02:30 +0100",
    ]


def test_weekly_comes_on_its_days_only() -> None:
    assert due_times({"kind": "weekly", "days": ["mon", "fri"], "at": "06:00"}, paris("2026-06-03T06:00"), 3) == [
        "06-05 06:00 +0200",
        "06-08 06:00 +0200",
        "06-12 06:00 +0200",
    ]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("30 2 * * *", ["06-03 02:30 +0200", "06-04 02:30 +0200"]),
        ("*/20 8-9 * * mon-fri", ["06-03 08:00 +0200", "06-03 08:20 +0200"]),
        ("0 0 1 * *", ["07-01 00:00 +0200", "08-01 00:00 +0200"]),
        ("0 12 13 * 5", ["06-05 12:00 +0200", "06-12 12:00 +0200"]),
        ("0 12 * * 7", ["06-07 12:00 +0200", "06-14 12:00 +0200"]),
        ("5/25 4 * jul SUN", ["07-05 04:05 +0200", "07-05 04:30 +0200"]),
        ("0 6,18 * * *", ["06-03 06:00 +0200", "06-03 18:00 +0200"]),
    ],
)
def test_cron_expressions_come_due_as_cron_would(expression: str, found: list[str]) -> None:
    assert due_times({"kind": "cron", "expression": expression}, paris("2026-06-03T00:00"), 2) == found


def test_day_of_month_and_day_of_week_are_alternatives_when_both_are_given() -> None:
    assert due_times({"kind": "cron", "expression": "0 0 13 * 5"}, paris("2026-06-10T12:00"), 2) == [
        "06-12 00:00 +0200",
        "06-13 00:00 +0200",
    ]


def test_a_leap_day_eight_years_away_is_found() -> None:
    schedule = parse_schedule({"kind": "cron", "expression": "0 0 29 2 *"})

    assert next_due(schedule, datetime(2096, 3, 1, tzinfo=UTC), "UTC") == datetime(2104, 2, 29, tzinfo=UTC)


def test_cron_with_any_hour_follows_elapsed_time_over_a_change_of_clocks() -> None:
    every_half_hour = {"kind": "cron", "expression": "*/30 * * * *"}

    autumn = due_times(every_half_hour, paris("2026-10-25T01:30"), 5)
    spring = due_times(every_half_hour, paris("2026-03-29T01:00"), 3)

    assert autumn == [
        "10-25 02:00 +0200",
        "10-25 02:30 +0200",
        "10-25 02:00 +0100",
        "10-25 02:30 +0100",
        "10-25 03:00 +0100",
    ]
    assert spring == ["03-29 01:30 +0100", "03-29 03:00 +0200", "03-29 03:30 +0200"]


def test_cron_with_fixed_hours_comes_once_in_a_repeated_or_missing_hour() -> None:
    at_night = {"kind": "cron", "expression": "0,30 2,3 * * *"}

    assert due_times(at_night, paris("2026-10-25T00:00"), 4) == [
        "10-25 02:00 +0200",
        "10-25 02:30 +0200",
        "10-25 03:00 +0100",
        "10-25 03:30 +0100",
    ]
    assert due_times(at_night, paris("2026-03-29T00:00"), 3) == [
        "03-29 03:00 +0200",
        "03-29 03:30 +0200",
        "03-30 02:00 +0200",
    ]


ZONES = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "UTC"]


@given(
    st.sampled_from(ZONES),
    st.times().map(lambda at: at.strftime("%H:%M")),
    st.datetimes(datetime(2005, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the bounds are naive
)
def test_a_daily_sync_comes_on_every_day_there_is_exactly_once(zone: str, at: str, after: datetime) -> None:
    schedule = parse_schedule({"kind": "daily", "at": at})
    found: list[datetime] = []
    for _ in range(8):
        moment = next_due(schedule, found[-1] if found else after, zone)
        assert moment is not None
        found.append(moment)

    assert found[0] > after
    for one, other in pairwise(found):
        assert timedelta(hours=21) < other - one < timedelta(hours=27) or zone == "Pacific/Apia"  # which lost a day
        assert one < other


def test_quiet_hours_over_midnight_end_in_the_morning() -> None:
    schedule = parse_schedule({"kind": "manual", "quiet_hours": [{"from": "22:00", "to": "06:00"}]})

    assert in_quiet_hours(schedule, paris("2026-06-03T23:00"), PARIS) == paris("2026-06-04T06:00")
    assert in_quiet_hours(schedule, paris("2026-06-04T05:59"), "Europe/Paris") == paris("2026-06-04T06:00")
    assert in_quiet_hours(schedule, paris("2026-06-04T06:00"), PARIS) is None
    assert in_quiet_hours(schedule, paris("2026-06-04T21:59"), PARIS) is None


def test_adjoining_quiet_hours_are_one_rest() -> None:
    windows = [{"from": "01:00", "to": "03:00"}, {"from": "02:30", "to": "04:00"}, {"from": "04:00", "to": "05:00"}]
    schedule = parse_schedule({"kind": "manual", "quiet_hours": windows})

    assert in_quiet_hours(schedule, paris("2026-06-03T01:30"), PARIS) == paris("2026-06-03T05:00")


def test_quiet_hours_end_after_a_repeated_hour_too() -> None:
    schedule = parse_schedule({"kind": "manual", "quiet_hours": [{"from": "01:00", "to": "02:30"}]})
    in_second_two_o_clock = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)

    assert in_quiet_hours(schedule, in_second_two_o_clock, PARIS) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_without_quiet_hours_x3_may_always_be_read() -> None:
    assert in_quiet_hours(parse_schedule({"kind": "manual"}), paris("2026-06-03T01:30"), PARIS) is None


@given(
    st.sampled_from(ZONES),
    st.times(),
    st.times(),
    st.datetimes(datetime(2005, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the bounds are naive
)
def test_the_end_of_quiet_hours_is_ahead_and_no_longer_quiet(zone: str, start: time, end: time, now: datetime) -> None:
    window = {"from": start.strftime("%H:%M"), "to": end.strftime("%H:%M")}
    if window["from"] == window["to"]:
        return
    schedule = parse_schedule({"kind": "manual", "quiet_hours": [window]})

    until = in_quiet_hours(schedule, now, zone)

    if until is not None:
        assert now < until < now + timedelta(hours=50)
        assert in_quiet_hours(schedule, until, zone) is None


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ("daily", "/schedule"),
        ({}, "/schedule/kind"),
        ({"kind": "hourly"}, "/schedule/kind"),
        ({"kind": "daily"}, "/schedule/at"),
        ({"kind": "daily", "at": "2:30"}, "/schedule/at"),
        ({"kind": "daily", "at": "24:00"}, "/schedule/at"),
        ({"kind": "daily", "at": "02:30\n"}, "/schedule/at"),
        ({"kind": "daily", "at": 230}, "/schedule/at"),
        ({"kind": "daily", "at": "02:30", "minutes": 5}, "/schedule/minutes"),
        ({"kind": "interval"}, "/schedule/minutes"),
        ({"kind": "interval", "minutes": 0}, "/schedule/minutes"),
        ({"kind": "interval", "minutes": 1.5}, "/schedule/minutes"),
        ({"kind": "interval", "minutes": 10**30}, "/schedule/minutes"),
        ({"kind": "weekly", "at": "02:30", "days": []}, "/schedule/days"),
        ({"kind": "weekly", "at": "02:30", "days": ["noday"]}, "/schedule/days/0"),
        ({"kind": "cron", "expression": "* * * *"}, "/schedule/expression"),
        ({"kind": "cron", "expression": "60 * * * *"}, "/schedule/expression"),
        ({"kind": "cron", "expression": "*/0 * * * *"}, "/schedule/expression"),
        ({"kind": "cron", "expression": "5-1 * * * *"}, "/schedule/expression"),
        ({"kind": "cron", "expression": "a * * * *"}, "/schedule/expression"),
        ({"kind": "cron", "expression": "\u0665 * * * *"}, "/schedule/expression"),
        ({"kind": "cron", "expression": "1,, * * * *"}, "/schedule/expression"),
        ({"kind": "cron", "expression": "0 0 30 2 *"}, "/schedule/expression"),
        ({"kind": "manual", "quiet_hours": [{"from": "01:00"}]}, "/schedule/quiet_hours/0/to"),
        ({"kind": "manual", "quiet_hours": [{"from": "01:00", "to": "01:00"}]}, "/schedule/quiet_hours/0/to"),
        (
            {"kind": "manual", "quiet_hours": [{"from": "00:00", "to": "12:00"}, {"from": "12:00", "to": "00:00"}]},
            "/schedule/quiet_hours",
        ),
    ],
)
def test_schedules_that_mean_nothing_are_refused_at_their_place(raw: object, pointer: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_schedule(raw)

    assert refused.value.pointer == pointer


@pytest.mark.parametrize("name", ["", "Europe", "Mars/Base", "../../etc/passwd", "Europe/Paris\x00", None, 5])
def test_only_zones_that_exist_are_taken(name: Any) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        next_due(parse_schedule({"kind": "daily", "at": "02:30"}), datetime(2026, 1, 1, tzinfo=UTC), name)

    assert refused.value.pointer == "/time_zone"
