"""The token pair of the Sage gateway and the port through which it is kept.

Source: developer.sage.com/x3, "Token API"; reference/sage-x3.md 2.1.
"""

import base64
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

ACCESS_SECONDS = 300.0
REFRESH_SECONDS = 30 * 86400.0


class Tokens(msgspec.Struct, frozen=True):
    """Instants are by our own clock; None when nothing is known."""

    access_token: str
    refresh_token: str | None = None
    access_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Tokens(access_expires_at={self.access_expires_at}, refresh_expires_at={self.refresh_expires_at})"


class TokenLease(Protocol):
    """What the holder of the connection's lock may do."""

    @property
    def tokens(self) -> Tokens:
        """The pair as it was when the lock was taken."""
        ...

    async def save(self, tokens: Tokens) -> None:
        """Durable when it returns."""
        ...


class TokenStore(Protocol):
    """Where a connection's tokens live."""

    async def load(self) -> Tokens: ...

    def exclusive(self) -> AbstractAsyncContextManager[TokenLease]:
        """One holder at a time over all processes."""
        ...


def _claims(token: str) -> dict[str, object]:
    """The claims of a JWT, unverified: only ever used to know how long it lives."""
    try:
        body = token.split(".")[1]
        read = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, msgspec.DecodeError):
        return {}
    return read if isinstance(read, dict) else {}


def life_seconds(token: str, default: float) -> float:
    """How long a token lives from issue to expiry, by its own claims."""
    claims = _claims(token)
    issued, expires = claims.get("iat"), claims.get("exp")
    if isinstance(issued, int | float) and isinstance(expires, int | float) and expires > issued:
        return min(float(expires - issued), 400 * 86400.0)
    return default


def read_pair(answer: object, *, previous_refresh: str | None, now: datetime) -> Tokens | None:
    """A token answer, whichever way its fields are spelled; None when it holds no access token.

    The names are not documented, so `access_token` and `accessToken` both count. An answer without a refresh token
    leaves the old one in force.
    """
    if not isinstance(answer, dict):
        return None
    access = _text(answer, "access_token", "accessToken", "token")
    if access is None:
        return None
    refresh = _text(answer, "refresh_token", "refreshToken") or previous_refresh
    told = answer.get("expires_in", answer.get("expiresIn"))
    fallback = float(told) if isinstance(told, int | float) and told > 0 else ACCESS_SECONDS
    return dated(access, refresh, now=now, access_seconds=fallback)


def dated(access: str, refresh: str | None, *, now: datetime, access_seconds: float = ACCESS_SECONDS) -> Tokens:
    """A pair received at `now`, with its ends of life by our clock."""
    refresh_ends = now + timedelta(seconds=life_seconds(refresh, REFRESH_SECONDS)) if refresh else None
    return Tokens(access, refresh, now + timedelta(seconds=life_seconds(access, access_seconds)), refresh_ends)


def renew_at(tokens: Tokens) -> datetime:
    """The instant of 80 % of the access token's life; the past when its end is unknown."""
    if tokens.access_expires_at is None:
        return datetime.min.replace(tzinfo=UTC)
    return tokens.access_expires_at - timedelta(seconds=0.2 * life_seconds(tokens.access_token, ACCESS_SECONDS))


def _text(answer: dict[str, object], *names: str) -> str | None:
    return next((value for name in names if isinstance(value := answer.get(name), str) and value), None)
