"""What alerts say: one sentence each, without personal data, for people who do not know the product's inside."""

from datetime import datetime, timedelta

from app.domain.alerting import Kind

_LONGEST = 400
TITLES: dict[Kind, str] = {
    "run.failed": "Run failed",
    "run.halted": "Run halted by its brake",
    "run.rejections": "Many records rejected",
    "sync.needs_attention": "Sync needs attention",
    "sync.stale": "Sync is late",
    "credential.expiring": "Access ends",
}


def one_line(text: str | None) -> str:
    """Somebody's words, on one line and not endless."""
    words = " ".join((text or "").split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"


def failed(name: str, reason: str | None) -> str:
    return f'The last run of "{name}" failed: {one_line(reason) or "no reason was kept."}'


def halted(name: str, reason: str | None) -> str:
    return f'A run of "{name}" was stopped by its brake before it wrote anything: {one_line(reason)}'


def rejections(name: str, read: int, rejected: int) -> str:
    return f'{rejected} of {read} records of "{name}" were rejected ({100 * rejected / read:.1f} %).'


def needs_attention(name: str, reason: str | None) -> str:
    return f'"{name}" has stopped until somebody acts: {one_line(reason) or "see its last run."}'


def stale(name: str, since: datetime, period: timedelta | None) -> str:
    wanted = f"; its schedule asks for it every {_spoken(period)}" if period is not None else ""
    return f'"{name}" was last up to date at {_instant(since)}{wanted}.'


def expiring(name: str, ends: datetime) -> str:
    return f'The access of connection "{name}" ends at {_instant(ends)} and was not renewed: sign in again.'


def lost(name: str, reason: str | None) -> str:
    return f'Connection "{name}" has lost its access: {one_line(reason) or "sign in again."}'


def over(kind: Kind, name: str, *, watched: bool) -> str:
    """Why an alert is resolved; `watched` is false when its sync is paused, disabled or gone."""
    if not watched:
        return f'"{name}" is paused, switched off or deleted, so it is no longer watched.'
    return {
        "run.failed": f'The newest run of "{name}" did not fail.',
        "run.halted": f'The halted run of "{name}" was approved or cancelled.',
        "run.rejections": f'The rejected records of "{name}" are few again.',
        "sync.needs_attention": f'"{name}" is active again.',
        "sync.stale": f'"{name}" is up to date again.',
        "credential.expiring": f'Connection "{name}" has lasting access.',
    }[kind]


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _spoken(period: timedelta) -> str:
    minutes = round(period.total_seconds() / 60)
    for size, word in ((1440, "day"), (60, "hour")):
        if minutes % size == 0 and minutes >= size:
            count = minutes // size
            return word if count == 1 else f"{count} {word}s"
    return "minute" if minutes == 1 else f"{minutes} minutes"
