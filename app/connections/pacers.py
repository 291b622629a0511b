"""One limiter per vendor account, shared by all workers and the API."""

from collections.abc import Callable, Mapping
from functools import partial
from uuid import UUID

from redis.asyncio import Redis

from app.connectors.pacing import Pacer, RedisPacer

INTERACTIVE = 0
PRESSING = 1
"""Calls of a run that all it has read so far waits for: they go before those that read ahead."""
BACKGROUND = 2

_X3_CONCURRENCY = 2


class Pacers:
    """Makes the Pacer of an account. Mailchimp allows ten connections per user whoever of our tenants uses it, so
    its key is the user (login id and data centre), not the connection. Source: Marketing API, "Rate limits"."""

    def __init__(
        self,
        redis: "Redis",
        *,
        mailchimp_connections: int,
        priority: int = BACKGROUND,
        waited: Callable[[str, float, bool], None] | None = None,
        lease_seconds: float = 15.0,
    ) -> None:
        """`lease_seconds` is how long the places of a killed process stay taken."""
        self._redis = redis
        self._mailchimp_connections = mailchimp_connections
        self._priority = priority
        self._waited = waited
        self._lease_seconds = lease_seconds

    def mailchimp(self, connection_id: UUID, base_url: str, facts: Mapping[str, object]) -> Pacer:
        """Before verification has learnt whose key it is, the connection stands for itself."""
        where, login = facts.get("data_centre") or base_url, facts.get("login_id")
        user = f"{where}:{login}" if login else str(connection_id)
        return RedisPacer(
            self._redis,
            f"mlc:pace:mailchimp:{user}",
            self._mailchimp_connections,
            lease_seconds=self._lease_seconds,
            priority=self._priority,
            waited=partial(self._waited, "mailchimp") if self._waited is not None else None,
        )

    def sage_x3(self, connection_id: UUID, settings: Mapping[str, object], *, pressing: bool = False) -> Pacer:
        """At most `settings.max_concurrency` calls at once to the X3 of one connection; ERPs fall over easily."""
        most = settings.get("max_concurrency")
        return RedisPacer(
            self._redis,
            f"mlc:pace:sage-x3:{connection_id}",
            most if isinstance(most, int) else _X3_CONCURRENCY,
            lease_seconds=self._lease_seconds,
            priority=min(self._priority, PRESSING) if pressing else self._priority,
            waited=partial(self._waited, "sage_x3") if self._waited is not None else None,
        )
