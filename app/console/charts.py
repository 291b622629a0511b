"""A run's pace as points of an SVG."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app.console.presenting import now, parsed

WIDTH, HEIGHT = 600, 120


class Chart(NamedTuple):
    """`line` and `area` are SVG point lists; `highest` is what the top stands for, in records a second."""

    line: str
    area: str
    highest: float
    began: datetime
    ended: datetime
    points: Sequence[tuple[datetime, float]]


def chart(
    began: str | None, ended: str | None, bucket_seconds: int, items: Sequence[Mapping[str, Any]]
) -> Chart | None:
    """Stretches in which nothing was decided count as zero; None when there are no points at all."""
    first, last = parsed(began), parsed(ended) or now()
    if first is None or not items:
        return None
    times = [(parsed(str(item["at"])), item["records"] / bucket_seconds) for item in items]
    rates = {int((at - first).total_seconds() // bucket_seconds): rate for at, rate in times}
    buckets = max(max(rates) + 1, round((last - first).total_seconds() / bucket_seconds), 1)
    highest = max(rates.values())
    step = WIDTH / buckets
    heights = [HEIGHT - (HEIGHT - 6) * rates.get(number, 0.0) / highest for number in range(buckets)]
    points = [f"{step * (number + at):.1f},{y:.1f}" for number, y in enumerate(heights) for at in (0, 1)]
    return Chart(" ".join(points), f"0,{HEIGHT} {' '.join(points)} {WIDTH},{HEIGHT}", highest, first, last, times)
