"""How seldom a schedule comes up: what says whether a sync is late."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from app.domain.schedule import Schedule, next_due

_TURNS = 8
"""Due times looked at: a week of daily ones, so that a pause over the week-end is seen."""


def longest_gap(schedule: Schedule, after: datetime, time_zone: str | ZoneInfo) -> timedelta | None:
    """The longest time between two of the next due times; None for manual schedules."""
    turns: list[datetime] = []
    while len(turns) < _TURNS and (due := next_due(schedule, turns[-1] if turns else after, time_zone)) is not None:
        turns.append(due)
    return max((later - earlier for earlier, later in pairwise(turns)), default=None)
