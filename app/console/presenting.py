"""How values look on a page: instants with their zone, durations, numbers."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, overload
from zoneinfo import ZoneInfo

from markupsafe import Markup

EMPTY = "–"
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_SHORT = {"day": "d", "hour": "h", "minute": "min", "second": "s"}


def now() -> datetime:
    return datetime.now(UTC)


@overload
def parsed(value: str | datetime) -> datetime: ...
@overload
def parsed(value: str | datetime | None) -> datetime | None: ...
def parsed(value: str | datetime | None) -> datetime | None:
    """An instant as the API writes it."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def when(value: str | datetime | None, zone: tzinfo, *, seconds: bool = False) -> Markup:
    """`25 Nov 2026, 23:41 CET`."""
    instant = parsed(value)
    if instant is None:
        return Markup("–")
    local = instant.astimezone(zone)
    shown = local.strftime("%d %b %Y, %H:%M:%S %Z" if seconds else "%d %b %Y, %H:%M %Z").lstrip("0")
    return Markup('<time datetime="{}">{}</time>').format(instant.astimezone(UTC).isoformat(), shown)


def clock(value: str | datetime, zone: tzinfo) -> Markup:
    """`23:41:07 CET`, where the day is known."""
    instant = parsed(value)
    shown = instant.astimezone(zone).strftime("%H:%M:%S %Z")
    return Markup('<time datetime="{}">{}</time>').format(instant.astimezone(UTC).isoformat(), shown)


def to_instant(local: str, time_zone: str) -> str:
    """What a person entered in their own time zone (`2026-11-25T23:41`), as the API wants it; other text as it is."""
    try:
        entered = datetime.fromisoformat(local)
    except ValueError:
        return local
    return (entered if entered.tzinfo else entered.replace(tzinfo=ZoneInfo(time_zone))).isoformat()


def lasting(seconds: float | None) -> str:
    """The two largest units: `2 d 3 h`, `4 min 5 s`, `0.4 s`."""
    if seconds is None:
        return EMPTY
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    parts: list[str] = []
    left = round(seconds)
    for size, name in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {_SHORT[name]}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part) or "0 s"


def run_seconds(run: Mapping[str, Any]) -> float | None:
    """From its start to its end; None when it has not come that far."""
    began, ended = parsed(run["started_at"]), parsed(run["finished_at"])
    return (ended - began).total_seconds() if began and ended else None


def ago(value: str | datetime | None, at: datetime | None = None) -> str:
    """`3 minutes ago`, `in 2 hours`, `just now`."""
    instant = parsed(value)
    if instant is None:
        return "never"
    seconds = ((at or now()) - instant).total_seconds()
    for size, name in _UNITS:
        count = int(abs(seconds) // size)
        if count:
            text = f"{count} {name}{'' if count == 1 else 's'}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now"


def coming(value: str | datetime | None, at: datetime | None = None) -> str:
    """`in 2 hours`; `any moment now` when it has come, and when nobody knows."""
    instant = parsed(value)
    return "any moment now" if instant is None or instant <= (at or now()) else ago(instant, at)


def number(value: float | None) -> str:
    """`12 345`, with spaces that do not break."""
    return EMPTY if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def shown(value: Any) -> str:
    """A value of a record as people read it."""
    match value:
        case None | "" | []:
            return EMPTY
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case [*items] if all(isinstance(item, str) for item in items):
            return ", ".join(items)
        case Mapping() if all(isinstance(part, str) for part in value.values()):
            return ", ".join(part for part in value.values() if part) or EMPTY
        case Mapping() | list():
            return as_json(value)
    return str(value)


def as_json(value: Any) -> str:
    """Several lines of JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def share(part: float, whole: float) -> float:
    """Per cent, for a bar."""
    return round(100 * part / whole, 2) if whole else 0.0


def short(value: str) -> str:
    """Enough of an id to tell it from others."""
    return value[:8]


FILTERS: dict[str, Callable[..., Any]] = {
    "when": when,
    "clock": clock,
    "lasting": lasting,
    "ago": ago,
    "coming": coming,
    "number": number,
    "shown": shown,
    "as_json": as_json,
    "share": share,
    "short": short,
}
