"""Wall-clock times and the instants they stand for, where clocks change too."""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from app.domain.errors import InvalidDefinition
from app.domain.shape import Node

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def parse_clock_time(node: Node) -> time:
    """`HH:MM`, 00:00 to 23:59."""
    match = _CLOCK.fullmatch(node.value) if isinstance(node.value, str) else None
    if match is None:
        raise node.fail("Must be a time of day written HH:MM.")
    return time(int(match[1]), int(match[2]))


def parse_time_zone(name: object, pointer: str = "/time_zone") -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        InvalidDefinition: not such a name.
    """
    if isinstance(name, str) and name.isascii() and 0 < len(name) <= 64:
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, KeyError):  # no zone, a folder, or an attempt to leave the zones' folder
            pass
    raise InvalidDefinition(pointer, "Must be an IANA time zone such as Europe/Paris.")


def instants(day: date, at: time, zone: ZoneInfo, *, repeated: bool = False, skip_gap: bool = False) -> list[datetime]:
    """The UTC instants of a wall-clock time on a day.

    A time that the spring change leaves out stands for the one as much later (02:30 becomes 03:30), or for none with
    `skip_gap`; one that the autumn change brings twice stands for the first, or for both with `repeated`.
    """
    local = datetime.combine(day, at)
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if second < first:  # fold=1 of a time in a gap uses the offset of after the change
        return [] if skip_gap else [first]
    return [first, second] if repeated and second > first else [first]
