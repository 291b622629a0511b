"""Xtrem transport: one request in, the body of a good answer or a typed error out.

Source: reference/sage-x3.md 2 and 3.5.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar

import httpx
import msgspec

from app.connectors.calls import named
from app.connectors.pacing import Pacer
from app.connectors.sage_x3.documents import PageDocument, Rows, failed_query, read_data
from app.connectors.sage_x3.failures import failure_of_status, sentence
from app.connectors.sage_x3.patience import FOR_A_RUN, Patience
from app.connectors.sage_x3.queries import PING_DOCUMENT
from app.connectors.sage_x3.waiting import clock_of, within
from app.domain.errors import NeedsTenant, Transient

T = TypeVar("T")

Locate = Callable[[], Awaitable[str]]


class GraphQL:
    """One X3 endpoint. `url` may be found on first use (gateway folders). Each call is one attempt in one slot."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str | Locate,
        auth: httpx.Auth,
        pacer: Pacer,
        *,
        headers: Mapping[str, str],
        audience: str | None = None,
        patience: Patience = FOR_A_RUN,
        timeout_seconds: float = 60.0,
        max_body_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._client = client
        self.patience = patience
        self._url = url
        self._auth = auth
        self._pacer = pacer
        self._headers = {"content-type": "application/json", "accept": "application/json", **headers}
        self._audience = audience
        self._timeout_seconds = timeout_seconds
        self._extensions = named("sage_x3", "/graphql", max_body_bytes=max_body_bytes)

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """`call` repeated while it is transient; its failed queries leave as domain errors."""
        return await self.patience.answered(call)

    async def page(self, document: PageDocument, variables: Mapping[str, object]) -> Rows:
        """Raises:
        QueryFailed, NeedsTenant, Transient, ProtocolMismatch: one of these for everything that can go wrong.
        """
        return document.read((await self._post(document.body(variables))).content)

    async def ask(self, text: str, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The data of one answer as dictionaries. Raises as page()."""
        body = {"query": text, "variables": variables or {}}
        return read_data((await self._post(msgspec.json.encode(body))).content)

    async def clock(self) -> tuple[datetime, bool]:
        """The server's time, early rather than late, and whether the server told it: the Date header names the whole
        second in which the answer was made, at most one round trip ago."""
        started = monotonic()
        response = await self._post(msgspec.json.encode({"query": PING_DOCUMENT}))
        return clock_of(response, monotonic() - started)

    async def _post(self, body: bytes) -> httpx.Response:
        url = await self._where()
        async with self._pacer.slot(), within(self._timeout_seconds):
            response = await self._client.post(
                url,
                content=body,
                headers=self._headers,
                auth=self._auth,
                extensions=self._extensions,
                timeout=httpx.Timeout(self._timeout_seconds, connect=5.0),
            )
        self._check(response)
        return response

    def _check(self, response: httpx.Response) -> None:
        failure = failure_of_status(response, self._audience)
        if failure is not None:
            raise failure
        if response.status_code >= 300:
            failed = failed_query(response.content)
            if failed is not None:
                raise failed
            if response.status_code == 400:
                raise NeedsTenant("x3_bad_request", f"Sage X3 does not accept the request (400): {sentence(response)}")
            raise Transient("x3_internal", f"Sage X3 failed inside (500): {sentence(response)}")

    async def _where(self) -> str:
        if not isinstance(self._url, str):
            self._url = await self._url()
        return self._url
