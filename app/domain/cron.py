"""Five-field cron expressions: minute, hour, day of month, month, day of week."""

from datetime import date

import msgspec

from app.domain.shape import Node

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Column(msgspec.Struct, frozen=True):
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()

    def number(self, text: str, node: Node) -> int:
        lowered = text.lower()
        if lowered in self.names:
            return self.names.index(lowered) + self.least
        if not (text.isascii() and text.isdigit() and len(text) <= 2 and self.least <= int(text) <= self.most):
            raise node.fail(f"The {self.name} must be from {self.least} to {self.most}.")
        return int(text)


_COLUMNS = (
    _Column("minute", 0, 59),
    _Column("hour", 0, 23),
    _Column("day of month", 1, 31),
    _Column("month", 1, 12, _MONTHS),
    _Column("day of week", 0, 7, _DAYS),
)


class Cron(msgspec.Struct, frozen=True):
    """The values of each field. `any_hour` is true when the hour begins with `*`: such a schedule follows elapsed
    time over a change of the clocks, others follow the wall clock."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either_day: bool  # day of month and day of week are both restricted: one of them is enough
    any_hour: bool

    def on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_month or by_week if self.either_day else by_month and by_week


def parse_cron(node: Node) -> Cron:
    """Lists, ranges, steps, names of months and days; 0 and 7 are Sunday. As in Vixie cron, a day matches when day
    of month or day of week does, unless one of them begins with `*`.

    Raises:
        InvalidDefinition: not five fields, or a field that holds no value it may have.
    """
    parts = node.text(200).split()
    if len(parts) != 5:
        raise node.fail("Must have five fields: minute, hour, day of month, month, day of week.")
    minutes, hours, days, months, weekdays = (
        _values(part, column, node) for part, column in zip(parts, _COLUMNS, strict=True)
    )
    return Cron(
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        frozenset(days),
        frozenset(months),
        frozenset(day % 7 for day in weekdays),
        either_day=not parts[2].startswith("*") and not parts[4].startswith("*"),
        any_hour=parts[1].startswith("*"),
    )


def _values(text: str, column: _Column, node: Node) -> set[int]:
    return {value for item in text.split(",") for value in _range(item, column, node)}


def _range(item: str, column: _Column, node: Node) -> range:
    span, has_step, step_text = item.partition("/")
    step = _Column(f"step of the {column.name}", 1, 59).number(step_text, node) if has_step else 1
    if span == "*":
        return range(column.least, column.most + 1, step)
    first_text, has_last, last_text = span.partition("-")
    first = column.number(first_text, node)
    last = column.number(last_text, node) if has_last else column.most if has_step else first
    if last < first:
        raise node.fail(f"The range of the {column.name} runs backwards.")
    return range(first, last + 1, step)
