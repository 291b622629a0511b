"""Hours in which Sage X3 must not be read."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from app.domain.clock_times import instants, parse_clock_time
from app.domain.shape import Node


class QuietHours(msgspec.Struct, frozen=True):
    """From one wall-clock time until another, the end not included; over midnight when the end comes first."""

    start: time
    end: time

    def hold(self, moment: time) -> bool:
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


def parse_quiet_hours(node: Node) -> tuple[QuietHours, ...]:
    """Up to ten `{from, to}`.

    Raises:
        InvalidDefinition: no times, an empty window, or windows that leave no minute of the day.
    """
    if node.value is None:
        return ()
    windows = []
    for item in node.items(10):
        item.object(("from", "to"), ("from", "to"))
        window = QuietHours(parse_clock_time(item.get("from")), parse_clock_time(item.get("to")))
        if window.start == window.end:
            raise item.get("to").fail("Must differ from the start.")
        windows.append(window)
    day = (time(minute // 60, minute % 60) for minute in range(24 * 60))
    if all(any(window.hold(moment) for window in windows) for moment in day):
        raise node.fail("Leaves no minute of the day.")
    return tuple(windows)


def quiet_until(windows: Sequence[QuietHours], now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the window that holds `now` ends, adjoining windows included; None outside of all. Both are UTC."""
    end = now
    for _ in range(2 * len(windows) + 1):
        local = end.astimezone(zone)
        holding = [window for window in windows if window.hold(local.time())]
        if not holding:
            break
        end = max(_end(window, local.date(), end, zone) for window in holding)
    return end if end > now else None


def _end(window: QuietHours, today: date, after: datetime, zone: ZoneInfo) -> datetime:
    days = (today, today + timedelta(days=1), today + timedelta(days=2))
    return min(moment for day in days for moment in instants(day, window.end, zone, repeated=True) if moment > after)
