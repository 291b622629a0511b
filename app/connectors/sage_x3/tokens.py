"""The token pair of the Sage gateway and the port through which it is kept.

Source: developer.sage.com/x3, "Token API"; reference/sage-x3.md 2.1.
"""

import base64
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from app.domain.errors import NeedsTenant, Transient

ACCESS_SECONDS = 300.0
REFRESH_SECONDS = 30 * 86400.0
_REFUSED_SECONDS = 60.0  # a refusal stands; only a new sign-in, or Sage's own people, change it
_FAILED_SECONDS = 5.0


class Setback(msgspec.Struct, frozen=True, omit_defaults=True):
    """A renewal that failed. Until then nobody, in whichever process, asks again with the same refresh token."""

    until: datetime
    code: str
    message: str
    is_final: bool = True  # NeedsTenant rather than Transient
    authorization: bool = False

    def error(self, now: datetime) -> NeedsTenant | Transient:
        """What the one who asked was told, for everybody who would have asked since."""
        if self.is_final:
            return NeedsTenant(self.code, self.message, authorization=self.authorization)
        return Transient(self.code, self.message, retry_after=max(0.0, (self.until - now).total_seconds()))


def setback_of(error: NeedsTenant | Transient, now: datetime) -> Setback:
    """How long a failed renewal keeps everybody away: what the gateway asked for, else seconds or a minute."""
    if isinstance(error, NeedsTenant):
        until = now + timedelta(seconds=_REFUSED_SECONDS)
        return Setback(until, error.code, error.message, authorization=error.authorization)
    until = now + timedelta(seconds=min(error.retry_after or _FAILED_SECONDS, _REFUSED_SECONDS))
    return Setback(until, error.code, error.message, is_final=False)


class Tokens(msgspec.Struct, frozen=True):
    """Instants are by our own clock; None when nothing is known."""

    access_token: str
    refresh_token: str | None = None
    access_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    setback: Setback | None = None

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

    async def hold_off(self, setback: Setback) -> None:
        """Let everybody know that a renewal failed; durable when it returns."""
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


def read_pair(answer: object, *, previous: Tokens | None, now: datetime) -> Tokens | None:
    """A token answer, whichever way its fields are spelled; None when it holds no access token.

    The names are not documented, so `access_token` and `accessToken` both count. An answer without a refresh token
    leaves the old one in force, with the end it had.
    """
    if not isinstance(answer, dict):
        return None
    access = _text(answer, "access_token", "accessToken", "token")
    if access is None:
        return None
    refresh = _text(answer, "refresh_token", "refreshToken") or (previous.refresh_token if previous else None)
    told = answer.get("expires_in", answer.get("expiresIn"))
    fallback = float(told) if isinstance(told, int | float) and told > 0 else ACCESS_SECONDS
    pair = dated(access, refresh, now=now, access_seconds=min(fallback, 86_400.0))
    if previous is not None and refresh == previous.refresh_token and previous.refresh_expires_at is not None:
        return msgspec.structs.replace(pair, refresh_expires_at=previous.refresh_expires_at)
    return pair


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
