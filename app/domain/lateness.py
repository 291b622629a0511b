"""How long a sync could have run and did not: quiet hours do not count."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from app.domain.clock_times import instants, parse_time_zone
from app.domain.errors import InvalidDefinition
from app.domain.quiet_hours import QuietHours, quiet_until
from app.domain.rhythm import longest_gap
from app.domain.schedule import parse_schedule

_LONGEST = timedelta(days=400)


class Rhythm(msgspec.Struct, frozen=True):
    """What a schedule promises: a run at least every `period` (None: manual), outside of its quiet hours."""

    period: timedelta | None
    quiet: tuple[QuietHours, ...]
    zone: ZoneInfo


_UNKNOWN = Rhythm(None, (), ZoneInfo("UTC"))


@lru_cache(maxsize=8192)
def rhythm_of(schedule: bytes, time_zone: str, day: int) -> Rhythm:
    """The rhythm of a schedule (its JSON) from that day on (its ordinal): clocks and months differ."""
    try:
        parsed, zone = parse_schedule(msgspec.json.decode(schedule)), parse_time_zone(time_zone)
    except InvalidDefinition:
        return _UNKNOWN
    after = datetime.fromordinal(day).replace(tzinfo=UTC)
    return Rhythm(longest_gap(parsed, after, zone), parsed.quiet_hours, zone)


def waking_time(rhythm: Rhythm, since: datetime, now: datetime) -> timedelta:
    """The time between two instants outside of quiet hours; what is longer ago than 400 days is left out."""
    moment, total = max(since.astimezone(UTC), now - _LONGEST), timedelta()
    if not rhythm.quiet:
        return max(now - moment, total)
    while moment < now:
        ends = quiet_until(rhythm.quiet, moment, rhythm.zone)
        if ends is not None:
            moment = ends
            continue
        begins = min(_next_start(rhythm.quiet, moment, rhythm.zone), now)
        total += begins - moment
        moment = begins
    return total


def _next_start(windows: Sequence[QuietHours], after: datetime, zone: ZoneInfo) -> datetime:
    today = after.astimezone(zone).date()
    days = [today + timedelta(days=number) for number in range(3)]
    found = (moment for window in windows for day in days for moment in instants(day, window.start, zone))
    return min(moment for moment in found if moment > after)
