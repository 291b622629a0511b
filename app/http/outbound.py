"""The outbound clients: every connection resolved once, checked, and made to the address that was checked."""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any

import certifi
import httpcore
import httpx

from app.domain.errors import NeedsTenant
from app.http.bodies import bounded
from app.http.egress import DEFAULT_PORTS, Address, EgressPolicy
from app.http.streams import WideStream
from app.http.watching import Watch, call_of, outcome_of, unwatched

MAX_BODY_BYTES = 16 * 1024 * 1024
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
# Below the 5 s after which uvicorn and many proxies close an idle connection: they must not close it under a POST.
_KEEPALIVE_SECONDS = 4.0

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks every address and connects to a checked one; Host and SNI keep the name, so a second DNS
    answer cannot matter. Runs again for each new connection."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await resolve(host, port, timeout)
        self._policy.check_addresses(host, port, addresses)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return WideStream(
                    await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SocketOption] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.UnsupportedProtocol("outbound calls never use a local socket")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


async def resolve(host: str, port: int, timeout: float | None) -> list[Address]:
    """All addresses of a host, in the resolver's order; odd spellings like 0x7f.1 come out as what they mean."""
    try:
        async with asyncio.timeout(timeout):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise httpcore.ConnectTimeout(f"the name {host} was not resolved in time") from None
    except (OSError, UnicodeError):
        raise httpcore.ConnectError(f"the name {host} cannot be resolved") from None
    return list(dict.fromkeys(ip_address(str(place[0]).partition("%")[0]) for *_, place in found))


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport over a pool whose connections go through the guard.

    A request may set its own cap with `extensions={"max_body_bytes": n}`.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        tls: ssl.SSLContext,
        max_connections: int,
        max_body_bytes: int,
        watch: Watch = unwatched,
    ) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._policy = policy
        self._watch = watch
        self._max_body_bytes = max_body_bytes
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=GuardedBackend(policy),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._policy.check_url(request.url)
        ended = self._watch(call_of(request))
        try:
            response = await super().handle_async_request(request)
        except BaseException as error:
            ended(outcome_of(error))
            raise
        if request.method == "HEAD":
            response.extensions["has_body"] = False
        limit = int(request.extensions.get("max_body_bytes", self._max_body_bytes))
        try:
            return bounded(response, limit, lambda: ended(str(response.status_code)))
        except BaseException as error:
            await response.aclose()
            ended(outcome_of(error))
            raise


_SPENT = httpx.ByteStream(b"")


class Client(httpx.AsyncClient):
    """httpx's own, whose answers go away as soon as nobody holds them.

    An answer and the stream it was read from refer to each other, which keeps megabytes alive until the garbage
    collector comes by; once the body is read, the stream has nothing left to give.
    """

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        response = await super().send(request, stream=stream, **options)
        if not stream:
            response.stream = _SPENT
        return response


class Outbound:
    """The process's outbound clients, one per TLS setting; they share the guard and keep no cookies."""

    def __init__(self, policy: EgressPolicy, *, max_body_bytes: int = MAX_BODY_BYTES, watch: Watch = unwatched) -> None:
        self._policy = policy
        self._watch = watch
        self._max_body_bytes = max_body_bytes
        self._clients: dict[tuple[str | None, bool, int], httpx.AsyncClient] = {}

    @property
    def policy(self) -> EgressPolicy:
        """For checking a URL before it is stored."""
        return self._policy

    def client(
        self, *, tls_ca_pem: str | None = None, tls_verify: bool = True, max_connections: int = 20
    ) -> httpx.AsyncClient:
        """A client for one TLS setting, kept until aclose(); `tls_ca_pem` is trusted beside the public authorities.

        Raises:
            NeedsTenant: `tls_ca_pem` holds no usable certificate.
        """
        key = (tls_ca_pem, tls_verify, max_connections)
        if key not in self._clients:
            tls = tls_context(tls_ca_pem, verify=tls_verify)
            self._clients[key] = Client(
                transport=GuardedTransport(self._policy, tls, max_connections, self._max_body_bytes, self._watch),
                headers={"accept-encoding": "gzip", "user-agent": "ml-connector"},
                timeout=_TIMEOUT,
                follow_redirects=False,
                trust_env=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        return self._clients[key]

    async def aclose(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()


def open_outbound(
    *,
    egress_allow: Sequence[str],
    egress_allow_http: bool,
    ports: Iterable[int] = DEFAULT_PORTS,
    watch: Watch = unwatched,
) -> Outbound:
    """Raises:
    ValueError: an entry of `egress_allow` is neither a network nor a host pattern.
    """
    return Outbound(EgressPolicy(egress_allow, allow_http=egress_allow_http, ports=ports), watch=watch)


def tls_context(ca_pem: str | None, *, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_pem:
        try:
            context.load_verify_locations(cadata=ca_pem)
        except (ssl.SSLError, ValueError, TypeError):
            raise NeedsTenant("tls_ca_invalid", "tls_ca_pem holds no certificate in PEM form.") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
