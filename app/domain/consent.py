"""What may become of a person's consent: it may get stricter by us, never laxer."""

_RANKS = {
    "subscribed": 0,
    "pending": 1,
    "transactional": 2,
    "unsubscribed": 3,
    "cleaned": 3,
    "archived": 3,
    "forgotten": 3,
}
_STRICTEST = 3
OPEN_STATUSES = tuple(status for status, number in _RANKS.items() if number < _STRICTEST)
"""Everything that an opt-out lowers."""


def rank(status: str) -> int:
    """0 may be mailed most, 3 not at all; a status we do not know counts as the strictest."""
    return _RANKS.get(status, _STRICTEST)


def stricter(first: str, second: str) -> str:
    """The one of two statuses that permits less; the first when they permit the same."""
    return second if rank(second) > rank(first) else first


def is_opted_out(status: str) -> bool:
    """True when the person must be left alone, for a status we do not know as well."""
    return rank(status) == _STRICTEST


def may_restore_to(previous: str) -> str:
    """`status_if_new` for a member we archived ourselves: whoever was subscribed or transactional comes back for
    receipts only, everybody else unsubscribed. Never `subscribed`, never `pending`: that would send mail."""
    return "transactional" if previous in ("subscribed", "transactional") else "unsubscribed"
