"""When a sync is next due, in the tenant's time zone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from app.domain.clock_times import instants, parse_clock_time, parse_time_zone
from app.domain.cron import Cron, parse_cron
from app.domain.quiet_hours import QuietHours, parse_quiet_hours, quiet_until
from app.domain.shape import Node

Kind = Literal["manual", "interval", "daily", "weekly", "cron"]
_PROPERTIES: dict[str, tuple[str, ...]] = {
    "manual": (),
    "interval": ("minutes",),
    "daily": ("at",),
    "weekly": ("days", "at"),
    "cron": ("expression",),
}
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HORIZON = 366 * 9
"""Days looked ahead: 29 February may be eight years away (1896-1904, 2096-2104)."""


class Schedule(msgspec.Struct, frozen=True):
    """`weekdays` count from Monday = 0; `document` is the JSON it was parsed from."""

    kind: Kind
    document: dict[str, Any]
    minutes: int = 0
    at: time = time(0)
    weekdays: frozenset[int] = frozenset(range(7))
    cron: Cron | None = None
    quiet_hours: tuple[QuietHours, ...] = ()


def parse_schedule(raw: object, pointer: str = "/schedule") -> Schedule:
    """`{"kind": ...}` with the properties of that kind and optional `quiet_hours`; None means manual.

    Raises:
        InvalidDefinition: unknown kind, missing, foreign or meaningless properties, an expression that never comes up.
    """
    node = Node({"kind": "manual"} if raw is None else raw, pointer)
    everything = dict.fromkeys(name for names in _PROPERTIES.values() for name in names)
    given = node.object(("kind", *everything, "quiet_hours"), ("kind",))
    kind = node.get("kind").choice(_PROPERTIES)
    for name in everything:
        if name not in _PROPERTIES[kind] and given.get(name) is not None:
            raise node.get(name).fail(f"Does not belong to the kind {kind}.")
    node.object(given, _PROPERTIES[kind])
    schedule = Schedule(
        kind,  # type: ignore[arg-type]  # one of the five
        given,
        node.get("minutes").integer(1, 40320) if kind == "interval" else 0,
        parse_clock_time(node.get("at")) if kind in ("daily", "weekly") else time(0),
        _weekdays(node.get("days")) if kind == "weekly" else frozenset(range(7)),
        parse_cron(node.get("expression")) if kind == "cron" else None,
        parse_quiet_hours(node.get("quiet_hours")),
    )
    if kind == "cron" and next_due(schedule, datetime(2024, 1, 1, tzinfo=UTC), "UTC") is None:
        raise node.get("expression").fail("There is no such day.")
    return schedule


def _weekdays(node: Node) -> frozenset[int]:
    return frozenset(_WEEK.index(item.choice(_WEEK)) for item in node.items(7, least=1))


def next_due(
    schedule: Schedule, after: datetime, time_zone: str | ZoneInfo, *, now: datetime | None = None
) -> datetime | None:
    """The first due time later than `after`, in UTC; None for manual schedules.

    Pass the last due time as `after`, so that intervals keep their beat. With `now`, due times that have passed
    meanwhile are skipped: however many were missed, the sync starts once. Where clocks change, a time that does not
    exist comes as much later (02:30 at 03:30) and one that exists twice comes once; cron expressions with any hour
    keep to elapsed time.
    """
    zone = time_zone if isinstance(time_zone, ZoneInfo) else parse_time_zone(time_zone)
    after = after.astimezone(UTC)  # two instants of one zone would be compared by the clock on the wall
    latest = after if now is None else max(after, now.astimezone(UTC))
    if schedule.kind == "manual":
        return None
    if schedule.kind == "interval":
        step = timedelta(minutes=schedule.minutes)
        return after + step * ((latest - after) // step + 1)
    first = latest.astimezone(zone).date() - timedelta(days=1)
    for offset in range(_HORIZON):
        due = [moment for moment in _on(schedule, first + timedelta(days=offset), zone) if moment > latest]
        if due:
            return min(due)
    return None


def _on(schedule: Schedule, day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """The due times of one local day, in no order."""
    cron = schedule.cron
    if cron is None:
        if day.weekday() in schedule.weekdays:
            yield from instants(day, schedule.at, zone)
    elif cron.on(day):
        for hour in cron.hours:
            for minute in cron.minutes:
                yield from instants(day, time(hour, minute), zone, repeated=cron.any_hour, skip_gap=cron.any_hour)


def in_quiet_hours(schedule: Schedule, now: datetime, time_zone: str | ZoneInfo) -> datetime | None:
    """When the quiet hours that hold `now` end, in UTC; None when X3 may be read."""
    if not schedule.quiet_hours:
        return None
    zone = time_zone if isinstance(time_zone, ZoneInfo) else parse_time_zone(time_zone)
    return quiet_until(schedule.quiet_hours, now.astimezone(UTC), zone)
