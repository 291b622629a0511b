"""api1 transport: one GET in, a list, a record or a typed error out. Stateless: no cookie is ever sent.

Source: reference/sage-x3.md 5.1 and 5.4 (online-help.sagex3.com, "Web services: query", "read details").
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from time import monotonic
from typing import TypeVar
from urllib.parse import quote, urlsplit

import httpx

from app.connectors.calls import named
from app.connectors.pacing import Pacer
from app.connectors.sage_x3.failures import QueryFailed, failure_of_status, sentence
from app.connectors.sage_x3.patience import FOR_A_RUN, Patience
from app.connectors.sage_x3.rest.answers import ListPage, complaint, decoded, failed, read_list, read_record
from app.connectors.sage_x3.rest.links import follow
from app.connectors.sage_x3.rest.paths import Record
from app.connectors.sage_x3.waiting import clock_of, within
from app.domain.errors import ConnectorError, NeedsTenant, ProtocolMismatch, Transient

T = TypeVar("T")

_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LIST, _DETAILS = "/api1/{class}/$query", "/api1/{class}/$details"


def base_of(url: str, endpoint: str | None) -> str:
    """Where the classes of an endpoint are, without a slash at the end.

    Raises:
        NeedsTenant: no endpoint, or an address that is no server root.
    """
    if not endpoint or not _ENDPOINT.fullmatch(endpoint):
        raise NeedsTenant("x3_settings", "settings.endpoint must name the X3 endpoint, such as SEED.")
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    path = parts.path.rstrip("/")
    if not parts.hostname or parts.query or parts.fragment:
        raise NeedsTenant("x3_url", "The URL of a REST connection is the root of the X3 server.")
    if re.search(r"/(?:api1|sdata|api|xtrem)(?:/|$)", path):
        raise NeedsTenant(
            "x3_url",
            f"The URL of a REST connection is the root of the X3 server, without {path}, "
            "such as https://x3.acme.test:8124.",
        )
    return f"{parts.scheme}://{parts.netloc}{path}/api1/x3/erp/{endpoint}"


class Api1:
    """One endpoint of one Syracuse server. Each call is one attempt in one slot."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        base: str,
        auth: httpx.Auth,
        pacer: Pacer,
        *,
        headers: Mapping[str, str],
        link_hosts: Collection[str] = (),
        patience: Patience = FOR_A_RUN,
        timeout_seconds: float = 60.0,
        max_body_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._client = client
        self._base = base
        self._auth = auth
        self._pacer = pacer
        self._headers = {"accept": "application/json", **headers}
        self._link_hosts = link_hosts
        self._timeout_seconds = timeout_seconds
        self._max_body_bytes = max_body_bytes
        self.patience = patience

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """`call` repeated while it is transient; complaints leave as domain errors."""
        return await self.patience.answered(call)

    def list_url(
        self, name: str, representation: str, *, count: int, where: str = "", order: str = "", after: str | None = None
    ) -> str:
        """`after` is a key: only what comes behind it, in key order."""
        asked = {
            "representation": f"{representation}.$query",
            "where": where,
            "orderBy": order,
            "key": "" if after is None else f"gt.{after}",
            "count": str(count),
        }
        query = "&".join(f"{part}={quote(value, safe='$.')}" for part, value in asked.items() if value)
        return f"{self._base}/{name}?{query}"

    def details_url(self, name: str, representation: str, key: str) -> str:
        quoted = quote(key.replace("'", "''"), safe="~")
        return f"{self._base}/{name}('{quoted}')?representation={quote(representation)}.$details"

    def next_url(self, current: str, told: str) -> str:
        return follow(current, told, self._link_hosts)

    async def page(self, url: str) -> ListPage:
        """Raises:
        QueryFailed, NeedsTenant, Transient, ProtocolMismatch: one of these for everything that can go wrong.
        """
        return read_list((await self._get(url, _LIST)).content)

    async def record(self, url: str) -> tuple[Record | None, str | None]:
        """A record, or what X3 says instead. Raises as page()."""
        return read_record((await self._get(url, _DETAILS)).content)

    async def clock(self, url: str) -> tuple[datetime, bool]:
        """The server's time by its answer to `url`, early rather than late, and whether the server told it."""
        started = monotonic()
        response = await self._get(url, _LIST)
        return clock_of(response, monotonic() - started)

    async def _get(self, url: str, route: str) -> httpx.Response:
        if not urlsplit(url).path.startswith(urlsplit(self._base).path):
            raise ProtocolMismatch("x3_link", "Only api1 may be called.")
        async with self._pacer.slot(), within(self._timeout_seconds):
            response = await self._client.send(self._request(url, route), auth=self._auth)
        if response.status_code != 200:
            raise failure_of(response)
        return response

    def _request(self, url: str, route: str) -> httpx.Request:
        request = self._client.build_request(
            "GET",
            url,
            headers=self._headers,
            timeout=httpx.Timeout(self._timeout_seconds, connect=5.0),
            extensions=named("sage_x3", route, max_body_bytes=self._max_body_bytes),
        )
        request.headers.pop("cookie", None)  # a cookie would pin a session, and sessions are counted
        return request


def failure_of(response: httpx.Response) -> ConnectorError | QueryFailed:
    """What an answer that is not 200 means."""
    said = _said(response)
    known = failed(said)
    if known.kind == "unknown_field" and response.status_code in (400, 404, 500):
        return known
    if response.status_code == 404:
        return NeedsTenant("x3_not_found", f"Sage X3 has no such endpoint or class (404): {said}")
    if response.status_code == 400:
        return NeedsTenant("x3_bad_request", f"Sage X3 does not accept the request (400): {said}")
    if response.status_code == 500 and known.kind in ("rights", "volume"):
        return known
    if response.status_code == 500:
        return Transient("x3_internal", f"Sage X3 failed inside (500): {said}")
    failure = failure_of_status(response)
    return failure or ProtocolMismatch("x3_status", f"Sage X3 answered with status {response.status_code}.")


def _said(response: httpx.Response) -> str:
    try:
        said = complaint(decoded(response.content))
    except ConnectorError:
        said = None
    return sentence(response) if said is None else said
