"""A schedule as a form, and back."""

from collections.abc import Callable, Mapping
from typing import Any

Given = Callable[[str], str]
KINDS = (
    ("manual", "Only when asked", "By this console, the API, or your own job after each batch of transactions."),
    ("interval", "Every so many minutes", "Carries what has changed since the last run; cheap when nothing has."),
    ("daily", "Every day", "At one time of the day."),
    ("weekly", "On certain days", "At one time of those days."),
    ("cron", "By a cron expression", "Minute, hour, day, month, weekday."),
)
DAYS = (("mon", "Mon"), ("tue", "Tue"), ("wed", "Wed"), ("thu", "Thu"), ("fri", "Fri"), ("sat", "Sat"), ("sun", "Sun"))
_NEEDS = {"interval": ("minutes",), "daily": ("at",), "weekly": ("days", "at"), "cron": ("expression",)}


def schedule(given: Given, days: list[str]) -> dict[str, Any]:
    """The schedule of a filled-in form; what does not belong to its kind is left out."""
    kind = given("kind") or "manual"
    values: dict[str, Any] = {
        "minutes": int(given("minutes")) if given("minutes").isdecimal() else given("minutes"),
        "at": given("at"),
        "days": days,
        "expression": given("expression"),
    }
    found = {"kind": kind, **{name: values[name] for name in _NEEDS.get(kind, ())}}
    quiet = [{"from": given("quiet_from"), "to": given("quiet_to")}]
    return {**found, "quiet_hours": quiet} if given("quiet_from") or given("quiet_to") else found


def shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows of a schedule; only the first of several quiet hours has a place there."""
    quiet = (document.get("quiet_hours") or [{}])[0]
    return {
        "kind": document.get("kind", "interval"),
        "minutes": document.get("minutes", 15),
        "at": document.get("at", "02:30"),
        "days": document.get("days", ["mon", "tue", "wed", "thu", "fri"]),
        "expression": document.get("expression", "*/15 6-20 * * 1-5"),
        "quiet_from": quiet.get("from", ""),
        "quiet_to": quiet.get("to", ""),
    }


def in_words(document: Mapping[str, Any]) -> str:
    """`every 15 minutes, not from 22:00 to 05:00`."""
    kind = document.get("kind", "manual")
    days = dict(DAYS)
    words = {
        "manual": "only when asked",
        "interval": f"every {document.get('minutes')} minutes",
        "daily": f"every day at {document.get('at')}",
        "weekly": f"{', '.join(days.get(day, day) for day in document.get('days', ()))} at {document.get('at')}",
        "cron": f"by cron: {document.get('expression')}",
    }[kind]
    quiet = [f"not from {hours['from']} to {hours['to']}" for hours in document.get("quiet_hours") or ()]
    return ", ".join([words, *quiet])
