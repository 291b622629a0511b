"""The Sage cloud gateway: one refresh at a time, the new pair saved before it is used, and the folders it opens.

Source: developer.sage.com/x3, "Token API", "API error codes", "Folders listing"; reference/sage-x3.md 2.1.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import msgspec

from app.connectors.calls import named
from app.connectors.sage_x3.failures import failure_of_transport, retry_after, sentence
from app.connectors.sage_x3.hosts import GATEWAY_HOSTS, is_gateway_host
from app.connectors.sage_x3.tokens import Tokens, TokenStore, read_pair, renew_at, setback_of
from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient

_TIMEOUT = httpx.Timeout(20.0, connect=5.0)  # the connection's row is locked meanwhile
_TOKEN_CALL = named("sage_x3", "/token")


def _now() -> datetime:
    return datetime.now(UTC)


class GatewayAuth(httpx.Auth):
    """Bearer tokens of the gateway, renewed at 80 % of their life and once when X3 says 401.

    A renewal runs in a task of its own that nobody's cancellation stops: the gateway may have replaced the pair
    already, and a pair that is not saved is lost.

    Raises (out of the request it authorises):
        NeedsTenant: the refresh token was refused or there is none; `authorization` is true.
        Transient: the gateway did not answer.
    """

    def __init__(
        self, *, client: httpx.AsyncClient, region_url: str, client_id: str, client_secret: str, store: TokenStore
    ) -> None:
        self._client = client
        self._token_url = region_url.rstrip("/") + "/token"
        self._identity = {"client_id": client_id, "client_secret": client_secret}
        self._store = store
        self._tokens: Tokens | None = None
        self._renewal: asyncio.Task[Tokens] | None = None

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._token(refused=None)
        request.headers["authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            token = await self._token(refused=token)
            request.headers["authorization"] = f"Bearer {token}"
            yield request

    async def _token(self, refused: str | None) -> str:
        tokens = self._tokens
        if tokens is None:
            tokens = self._tokens = await self._store.load()
        for _ in range(2):  # a renewal we joined may have brought the very token that was refused
            if _is_usable(tokens, refused):
                break
            if self._renewal is None or self._renewal.done():
                self._renewal = asyncio.create_task(self._renew(refused))
            tokens = await asyncio.shield(self._renewal)
        return tokens.access_token

    async def keep_alive(self, seen: str | None = None) -> None:
        """Renew now, whatever the clock says: an idle connection's refresh token dies after 30 days.

        `seen` is the access token that the caller found too old; when there is another one by now, it is left alone.
        """
        await self._token(refused=seen or (self._tokens or await self._store.load()).access_token)

    async def _renew(self, refused: str | None) -> Tokens:
        async with self._store.exclusive() as lease:
            tokens = lease.tokens
            if not _is_usable(tokens, refused):  # else somebody else renewed it while we waited
                if tokens.setback is not None and tokens.setback.until > _now():
                    raise tokens.setback.error(_now())
                try:
                    tokens = await self._refresh(tokens)
                except (NeedsTenant, Transient) as error:
                    await lease.hold_off(setback_of(error, _now()))
                    raise
                await lease.save(tokens)
        self._tokens = tokens
        return tokens

    async def _refresh(self, tokens: Tokens) -> Tokens:
        if not tokens.refresh_token:
            raise _sign_in_again("there is no refresh token")
        body = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, **self._identity}
        asked_at = _now()
        response = await ask_for_tokens(self._client, self._token_url, body)
        if response.status_code >= 300:
            raise _refusal(response)
        pair = read_pair(read_json(response), previous=tokens, now=asked_at)
        if pair is None:
            raise ProtocolMismatch("x3_token_shape", "The Sage gateway answered the token request without a token.")
        return pair


async def ask_for_tokens(client: httpx.AsyncClient, token_url: str, body: Mapping[str, str]) -> httpx.Response:
    """One call of the Token API: JSON, where RFC 6749 has a form. Raises Transient or NeedsTenant without an answer."""
    try:
        return await client.post(
            token_url,
            json=body,
            headers={"accept": "application/json"},
            timeout=_TIMEOUT,
            follow_redirects=False,
            extensions=_TOKEN_CALL,
        )
    except httpx.HTTPError as error:
        raise failure_of_transport(error) from None


def busy(response: httpx.Response, what: str) -> Transient | None:
    """The gateway has no time for us: 429 and its kin, and everything from 500 (501 is an internal error there)."""
    status = response.status_code
    if status in (408, 425, 429) or status >= 500:
        return Transient(
            "x3_gateway_busy", f"The Sage gateway did not {what} ({status}).", retry_after=retry_after(response)
        )
    return None


def _refusal(response: httpx.Response) -> NeedsTenant | Transient:
    said = sentence(response)
    if (passing := busy(response, "renew the token")) is not None:
        return passing
    if response.status_code == 404 or "disabled" in said.lower():
        return NeedsTenant("x3_application", f"The Sage gateway refuses this application: {said}")
    return _sign_in_again(said)


def _is_usable(tokens: Tokens, refused: str | None) -> bool:
    return tokens.access_token != refused and bool(tokens.access_token) and _now() < renew_at(tokens)


def _sign_in_again(said: str) -> NeedsTenant:
    return NeedsTenant(
        "x3_authorization",
        f"Sage X3 no longer accepts our access ({said.rstrip('.')}); authorise the connection again.",
        authorization=True,
    )


def read_json(response: httpx.Response) -> object:
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


async def read_folders(
    client: httpx.AsyncClient, auth: httpx.Auth, region_url: str, hosts: Sequence[str] = GATEWAY_HOSTS
) -> Mapping[str, str]:
    """Approved folders and their GraphQL URLs; only URLs on the gateway's own host or beside it are taken.

    The path names an endpoint that differs from the folder: always read, never built.

    Raises:
        NeedsTenant, Transient, ProtocolMismatch: as the gateway answers.
    """
    try:
        response = await client.get(
            region_url.rstrip("/") + "/folders",
            auth=auth,
            headers={"accept": "application/json"},
            extensions=named("sage_x3", "/folders"),
        )
    except httpx.HTTPError as error:
        raise failure_of_transport(error) from None
    if response.status_code >= 300:
        from_gateway = sentence(response)
        if response.status_code == 401:
            raise _sign_in_again(from_gateway)
        if response.status_code >= 500 or response.status_code in (408, 429):
            raise Transient("x3_gateway_busy", f"The Sage gateway did not list the folders ({response.status_code}).")
        raise NeedsTenant("x3_folders", f"The Sage gateway did not list the folders: {from_gateway}")
    answer = read_json(response)
    listed = answer.get("folders") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        raise ProtocolMismatch("x3_folders_shape", "The Sage gateway listed the folders in a shape we do not know.")
    found = ((row.get("name"), row.get("$urls")) for row in listed if isinstance(row, dict))
    return {
        str(name): urls["dataService"]
        for name, urls in found
        if isinstance(urls, dict)
        and isinstance(urls.get("dataService"), str)
        and _beside(region_url, urls["dataService"], hosts)
    }


def _beside(region_url: str, url: str, hosts: Sequence[str]) -> bool:
    ours, theirs = urlsplit(region_url), urlsplit(url)
    if theirs.scheme != ours.scheme or "@" in theirs.netloc:
        return False
    near = is_gateway_host(ours.hostname or "", hosts) and is_gateway_host(theirs.hostname or "", hosts)
    return theirs.netloc == ours.netloc or near
