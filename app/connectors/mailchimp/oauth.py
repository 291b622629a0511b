"""Signing in at Mailchimp: where a browser is sent, and the code that becomes a token. No scopes, nothing to refresh.

Plain RFC 6749, so Authlib makes address and form; its httpx clients are not used (docs/decisions/0013-oauth.md).
Source: Marketing API, "Access user data with OAuth 2"; reference/mailchimp.md 1.3.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request

from app.connectors.mailchimp.client import user_agent
from app.connectors.mailchimp.failures import failure_of_transport
from app.connectors.mailchimp.routes import call
from app.connectors.retrying import retried
from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient

_TIMEOUT = httpx.Timeout(20.0, connect=10.0)
_BUDGET_SECONDS = 20.0
_ATTEMPTS = 3


def authorize_url(login_url: str, *, client_id: str, redirect_uri: str, state: str) -> str:
    """Where the owner's browser goes; `redirect_uri` must be registered at Mailchimp to the letter."""
    url: str = prepare_grant_uri(
        f"{login_url.rstrip('/')}/oauth2/authorize", client_id, "code", redirect_uri=redirect_uri, state=state
    )
    return url


def code_in(fields: Mapping[str, str]) -> str | None:
    """The code of a callback."""
    return fields.get("code") or None


async def exchange(
    client: httpx.AsyncClient, login_url: str, *, code: str, client_id: str, client_secret: str, redirect_uri: str
) -> str:
    """The code of a callback becomes an access token, once. It never expires; whoever loses it signs in again.

    Repeated only while the request cannot have arrived: a code works once.

    Raises:
        NeedsTenant: the code is used or expired, or the application is not what Mailchimp knows.
        Transient: no answer; the code may be spent.
        ProtocolMismatch: an answer without a token.
    """
    form: str = prepare_token_request(
        "authorization_code", redirect_uri=redirect_uri, code=code, client_id=client_id, client_secret=client_secret
    )
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "User-Agent": user_agent(),
    }

    async def once() -> httpx.Response:
        try:
            return await client.post(
                f"{login_url.rstrip('/')}/oauth2/token",
                content=form.encode(),
                headers=headers,
                timeout=_TIMEOUT,
                follow_redirects=False,
                extensions=call("/oauth2/token"),
            )
        except httpx.HTTPError as error:
            raise failure_of_transport(error) from None

    response = await retried(once, budget_seconds=_BUDGET_SECONDS, attempts=_ATTEMPTS, repeat_unknown=False)
    if not response.is_success:
        raise _refusal(response)
    return _token(response)


def _token(response: httpx.Response) -> str:
    token = _document(response).get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable() or len(token) > 4096:
        raise ProtocolMismatch("mailchimp_token_shape", "Mailchimp answered the token request without a token.")
    return token


def _refusal(response: httpx.Response) -> NeedsTenant | Transient | ProtocolMismatch:
    status, error = response.status_code, _document(response).get("error")
    if status == 429 or status >= 500:
        return Transient("mailchimp_failing", f"Mailchimp did not hand out a token ({status}).")
    if status == 401 or error in ("invalid_client", "unauthorized_client"):
        return NeedsTenant(
            "mailchimp_application", "Mailchimp does not accept the client id or the client secret; enter them again."
        )
    if error == "invalid_grant":
        return NeedsTenant(
            "mailchimp_code", "The sign-in at Mailchimp took too long or was used already.", authorization=True
        )
    return ProtocolMismatch("mailchimp_token_request", f"Mailchimp refused the token request ({status}).")


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
