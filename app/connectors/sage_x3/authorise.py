"""Pairing with the Sage gateway: where a browser is sent, what comes back, and the first token pair.

Not RFC 6749 in four places (docs/decisions/0013-oauth.md), hence not Authlib's.
Source: developer.sage.com/x3, "Authorization API", "Make API calls", "API error codes"; reference/sage-x3.md 2.1.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode

import httpx

from app.connectors.sage_x3.failures import sentence
from app.connectors.sage_x3.gateway import ask_for_tokens, busy, read_json
from app.connectors.sage_x3.tokens import Tokens, read_pair
from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient

SCOPE = "businessDomain.ALL api.graphQL"
WAITS = "x3_pairing_waits"
"""Code of the error of a pairing that nobody has approved yet."""


class Granted(NamedTuple):
    """The first pair of a pairing; `scope` also names the folders the approving user picked."""

    tokens: Tokens
    scope: str | None


def authorise_url(
    region_url: str, *, client_id: str, customer_url: str, redirect_uri: str, state: str, scope: str = SCOPE
) -> str:
    """Where the approving user's browser goes. `customer_url` is the address of the customer's own X3."""
    query = {
        "client_id": client_id,
        "scope": scope,
        "customer": customer_url,
        "redirect_uri": redirect_uri,
        "state": state,
    }
    return f"{region_url.rstrip('/')}/token/authorise?{urlencode(query, quote_via=quote)}"


def code_in(fields: Mapping[str, str]) -> str | None:
    """The code of a callback; Sage calls it `authorizationCode`, the standard `code`."""
    return next(
        (fields[name] for name in ("authorizationCode", "authorization_code", "code") if fields.get(name)), None
    )


async def exchange(
    client: httpx.AsyncClient, endpoint: str, *, code: str, client_id: str, client_secret: str, redirect_uri: str
) -> Granted:
    """The code of a callback becomes a token pair, once. `endpoint` must have passed `checked_endpoint`.

    Raises:
        Transient: `x3_pairing_waits` while nobody has approved, else the gateway did not answer; ask again later.
        NeedsTenant: the pairing is gone, or the application is not what the gateway knows.
        ProtocolMismatch: an answer without a token.
    """
    body = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
    }
    asked_at = datetime.now(UTC)
    response = await ask_for_tokens(client, f"{endpoint.rstrip('/')}/token", body)
    if response.status_code >= 300:
        raise _refusal(response)
    answer = read_json(response)
    tokens = read_pair(answer, previous=None, now=asked_at)
    if tokens is None:
        raise ProtocolMismatch("x3_token_shape", "The Sage gateway answered the token request without a token.")
    scope = answer.get("scope") if isinstance(answer, dict) else None
    return Granted(tokens, scope[:2000] if isinstance(scope, str) else None)


def _refusal(response: httpx.Response) -> NeedsTenant | Transient | ProtocolMismatch:
    if (passing := busy(response, "hand out tokens")) is not None:
        return passing
    status, said = response.status_code, sentence(response).rstrip(".")
    if "not been accepted" in said.lower():
        return Transient(WAITS, "Nobody has approved the request at Sage X3 yet.")
    if status == 404 or "disabled" in said.lower():
        return NeedsTenant("x3_application", f"The Sage gateway refuses this application ({said}).")
    if status in (401, 403):
        return NeedsTenant(
            "x3_pairing_gone", f"The request at Sage X3 is no longer open ({said}); start it again.", authorization=True
        )
    if status == 400:
        return ProtocolMismatch("x3_token_request", f"The Sage gateway does not understand the token request ({said}).")
    return ProtocolMismatch("x3_token_status", f"The Sage gateway answered the token request with status {status}.")
