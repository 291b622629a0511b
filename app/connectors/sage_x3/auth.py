"""How a request proves who it is: a token we sign ourselves, or Basic. Gateway tokens are in `gateway.py`.

Source: developer.sage.com/x3, "Create connected app" and "Create a Node.js client app"; reference/sage-x3.md 2.2, 2.3.
"""

import base64
import re
import warnings
from collections.abc import AsyncGenerator, Generator
from email.utils import parsedate_to_datetime
from time import time

import httpx
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import OctKey

from app.connectors.sage_x3.tokens import TokenLease, Tokens, TokenStore
from app.domain.errors import NeedsTenant

__all__ = ["Basic", "ConnectedApp", "TokenLease", "TokenStore", "Tokens", "server_time"]

_TOKEN_ERROR = re.compile(r"Error\s+(\d+)")
_WORTH_ANOTHER = frozenset({"21", "50"})  # issued in the future; bad signature or expired


class ConnectedApp(httpx.Auth):
    """HS256 tokens of a connected application, signed by us, kept for 80 % of their life.

    When X3 says the token lies in the future or is expired, or does not say why it refuses it, it is signed once more
    with X3's own clock.
    `audience` may be the empty string; None leaves the claim out.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        subject: str | None,
        audience: str | None,
        lifetime_seconds: int = 300,
        iat_skew_seconds: int = 30,
    ) -> None:
        if not client_secret:
            raise NeedsTenant("x3_credential", "The client secret of the connected application is empty.")
        with warnings.catch_warnings():
            # X3 makes the secret; a short one is for the tenant to replace, not for us to refuse.
            warnings.simplefilter("ignore", SecurityWarning)
            self._key = OctKey.import_key(client_secret)
        fixed: dict[str, str | None] = {"iss": client_id, "sub": subject or None, "aud": audience}
        self._claims = {name: value for name, value in fixed.items() if value is not None}
        self._lifetime = max(1, lifetime_seconds)
        self._skew = min(iat_skew_seconds, self._lifetime // 2)  # a token must not be born expired
        self._clock_offset = 0.0
        self._token = ""
        self._renew_at = 0.0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["authorization"] = f"Bearer {self._current()}"
        response = yield request
        if response.status_code != 401:
            return
        found = _TOKEN_ERROR.search((await response.aread()).decode("utf-8", "replace")[:2000])
        if found is None or found[1] in _WORTH_ANOTHER:
            self._learn_clock(response)
            self._renew_at = 0.0
            request.headers["authorization"] = f"Bearer {self._current()}"
            yield request

    def _current(self) -> str:
        now = time()
        if now >= self._renew_at:
            issued = int(now + self._clock_offset) - self._skew
            claims = {**self._claims, "iat": issued, "exp": issued + self._lifetime}
            self._token = jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, self._key)
            self._renew_at = now + max(0.0, 0.8 * self._lifetime - self._skew)
        return self._token

    def _learn_clock(self, response: httpx.Response) -> None:
        told = server_time(response)
        if told is not None:
            self._clock_offset = told - time()


class Basic(httpx.Auth):
    """HTTP Basic in UTF-8. A colon cannot stand in the user name."""

    def __init__(self, username: str, password: str) -> None:
        if ":" in username:
            raise NeedsTenant("x3_credential", "A user name for Basic authentication cannot hold a colon.")
        self._header = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = self._header
        yield request


def server_time(response: httpx.Response) -> float | None:
    """The Date header in seconds since 1970, None when absent or unreadable."""
    try:
        return parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None
