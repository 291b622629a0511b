"""How far back a run reads before the point its predecessor reached."""

from datetime import datetime, timedelta

DEFAULT_OVERLAP = timedelta(seconds=1020)
"""15 minutes for transactions that commit late in X3, 2 minutes for clocks that differ."""


def lower_bound(previous_start_mark: datetime | None, overlap: timedelta = DEFAULT_OVERLAP) -> datetime | None:
    """The stamp from which to read: the start mark of the last completed run minus the overlap.

    None, no bound, when no run was completed yet. A negative overlap would lose changes and counts as none.
    """
    if previous_start_mark is None:
        return None
    return previous_start_mark - max(overlap, timedelta(0))
