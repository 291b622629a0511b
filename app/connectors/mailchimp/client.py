"""Marketing API transport for one account: paced, retried, and every failure one of ours.

Source: Marketing API, "Errors", "Rate limits and timeouts".
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Generic, TypeVar

import httpx
import msgspec

from app.connectors.mailchimp.auth import Access
from app.connectors.mailchimp.failures import failure_of_answer, failure_of_transport
from app.connectors.mailchimp.routes import call
from app.connectors.pacing import Pacer
from app.connectors.retrying import retried
from app.domain.errors import ProtocolMismatch, Transient

T = TypeVar("T")

# Mailchimp gives a call 120 s; waiting a little longer lets its own answer win.
_TIMEOUT = httpx.Timeout(130.0, connect=10.0)

Params = Mapping[str, str | int]


class Answer(Generic[T]):
    """How an answer is read: a compiled decoder that keeps only what its type names."""

    def __init__(self, type_: type[T]) -> None:
        self._decoder = msgspec.json.Decoder(type_)
        self._name = type_.__name__

    def read(self, content: bytes) -> T:
        """Decode a 2xx answer.

        Raises:
            Transient: not JSON at all, as when a connection is cut or a proxy answers; the call was carried out.
            ProtocolMismatch: JSON of another shape.
        """
        try:
            return self._decoder.decode(content)
        except msgspec.ValidationError as error:
            where = str(error).rpartition(" - at ")[2]
            raise ProtocolMismatch(
                "mailchimp_shape", "Mailchimp answered in a shape we do not know.", f"{self._name}: {where}"
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Transient(
                "mailchimp_unreadable", "Mailchimp's answer could not be read.", self._name, outcome_unknown=True
            ) from None


class MailchimpClient:
    """One account. Holds no state but its way in, so one object serves any number of tasks."""

    def __init__(
        self, http: httpx.AsyncClient, access: Access, pacer: Pacer, *, budget_seconds: float = 120.0, attempts: int = 6
    ) -> None:
        self._http = http
        self._base_url = access.base_url
        self._auth = access.auth
        self._oauth = access.oauth
        self._pacer = pacer
        self._budget_seconds = budget_seconds
        self._attempts = attempts
        self._headers = {"User-Agent": user_agent(), "Accept": "application/json"}

    @property
    def base_url(self) -> str:
        """The API root, for pacing keys and for people."""
        return self._base_url

    async def ask(self, path: str, answer: Answer[T], params: Params | None = None) -> T:
        """GET and decode."""
        return await self.send("GET", path, answer, params=params)

    async def send(
        self,
        method: str,
        path: str,
        answer: Answer[T],
        *,
        params: Params | None = None,
        body: bytes | None = None,
        repeat_unknown: bool = True,
    ) -> T:
        """One call, retried within the budget, decoded.

        Raises:
            NeedsTenant: key revoked, role too low, or the path's audience or store is gone (404, `*_gone`).
            Transient: retries used up, or at once with `outcome_unknown` when `repeat_unknown` is false.
            MemberRefused: 400 and 404 of a member path.
            ProtocolMismatch: an answer or a refusal that only a change of this program can cure.
        """

        async def once() -> T:
            return answer.read(await self._once(method, path, params, body))

        return await self._retried(once, repeat_unknown)

    async def do(self, method: str, path: str, *, params: Params | None = None, body: bytes | None = None) -> None:
        """One idempotent call whose answer says nothing (204), retried within the budget."""

        async def once() -> None:
            await self._once(method, path, params, body)

        await self._retried(once, True)

    async def _retried(self, once: Callable[[], Awaitable[T]], repeat_unknown: bool) -> T:
        return await retried(
            once, budget_seconds=self._budget_seconds, attempts=self._attempts, repeat_unknown=repeat_unknown
        )

    async def _once(self, method: str, path: str, params: Params | None, body: bytes | None) -> bytes:
        """One request in one slot; the bytes of a 2xx answer."""
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        try:
            async with self._pacer.slot():
                response = await self._http.request(
                    method,
                    self._base_url + path,
                    params=params,
                    content=body,
                    headers=headers,
                    auth=self._auth,
                    timeout=_TIMEOUT,
                    follow_redirects=False,
                    extensions=call(path),
                )
        except httpx.HTTPError as error:
            raise failure_of_transport(error) from None
        if response.is_success:
            return response.content
        raise failure_of_answer(path, response, oauth=self._oauth)


@cache
def user_agent() -> str:
    """`ml-connector/<version>`; Mailchimp's support finds a client by it."""
    try:
        return f"ml-connector/{version('ml-connector')}"
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "ml-connector/0"
