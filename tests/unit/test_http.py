"""The egress guard: what may be called, to which address the call is made, and how much of an answer is read."""

import asyncio
import gzip
import random
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import httpx
import pytest
import trustme

from app.domain.errors import NeedsTenant, ProtocolMismatch
from app.http import EgressPolicy, Outbound, open_outbound
from app.http.bodies import bounded
from app.http.egress import reach

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A loopback server that gives one fixed answer per connection; yields its port and the request heads."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


def http_answer(body: bytes, *headers: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def outbound(*allow: str, http: bool = True, **more: Any) -> AsyncIterator[Outbound]:
    opened = Outbound(EgressPolicy(allow, allow_http=http), **more)
    try:
        yield opened
    finally:
        await opened.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https:///path",
        "https://user:secret@example.com/",
        "https://user@example.com/",
        "https://good.example%2f@127.0.0.1/",
        "https://good.example\\@127.0.0.1/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://0/",
        "https://0.0.0.0/",
        "https://①②⑦.⓪.⓪.①/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[64:ff9b:1::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fd00:ec2::254]/",
        "https://[fc00::1]/",
        "https://[ff02::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://168.63.129.16/",
        "https://100.100.100.200/",
        "https://192.0.0.8/",
        "https://100.64.0.1/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://198.18.0.1/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://240.0.0.1/",
        "https://8.8.8.8:22/",
        "https://8.8.8.8:6379/",
        "https://8.8.8.8:80/",
    ],
)
async def test_a_hostile_url_is_never_called(url: str) -> None:
    async with outbound(http=False) as opened:
        with pytest.raises((NeedsTenant, httpx.InvalidURL, httpx.ConnectError)) as raised:
            await opened.client().get(url)

    if isinstance(raised.value, httpx.ConnectError):  # the resolver knows no such name: nothing was connected to
        assert "cannot be resolved" in str(raised.value)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::"])
def test_public_addresses_are_public_however_they_are_wrapped(address: str) -> None:
    assert reach(ip_address(address)) == "public"


@pytest.mark.parametrize("allow", ["127.0.0.0/8", "127.0.0.1", "localhost", "local*"])
async def test_what_the_operator_allows_may_be_private_and_use_any_port(allow: str) -> None:
    host = "localhost" if allow.startswith("local") else "127.0.0.1"
    async with serving(http_answer(b"hello")) as (port, _), outbound(allow) as opened:
        response = await opened.client().get(f"http://{host}:{port}/")

    assert response.text == "hello"


async def test_an_allowed_network_does_not_open_another() -> None:
    async with serving(http_answer(b"hello")) as (port, heads), outbound("10.0.0.0/8", "*.acme.test") as opened:
        with pytest.raises(NeedsTenant) as raised:
            await opened.client().get(f"http://127.0.0.1:{port}/")

    assert raised.value.code == "egress_blocked"
    assert "MLC_EGRESS_ALLOW" in raised.value.message
    assert heads == []


@pytest.mark.parametrize("address", ["169.254.169.254", "224.0.0.1", "fe80::1", "::"])
def test_metadata_and_multicast_stay_closed_whatever_is_allowed(address: str) -> None:
    policy = EgressPolicy(("0.0.0.0/0", "::/0", "*"))

    with pytest.raises(NeedsTenant):
        policy.check_addresses("any.test", 443, [ip_address(address)])


def test_one_private_address_among_public_ones_closes_the_host() -> None:
    with pytest.raises(NeedsTenant):
        EgressPolicy().check_addresses("mixed.test", 443, [ip_address("8.8.8.8"), ip_address("10.0.0.1")])


def test_a_malformed_network_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/33"):
        open_outbound(egress_allow=["10.0.0.0/33"], egress_allow_http=False)


def test_ports_are_those_of_the_vendors() -> None:
    policy = EgressPolicy()
    for port in (443, 8124, 8125, 8443, 3310):
        policy.check_addresses("x3.test", port, [ip_address("8.8.8.8")])


async def test_the_connection_goes_to_the_checked_address_and_the_name_stays_in_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolved: list[str] = []

    async def resolve(self: object, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        resolved.append(host)
        address = "127.0.0.1" if len(resolved) == 1 else "10.9.9.9"  # a second question would be answered otherwise
        return [(2, 1, 6, "", (address, port))]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    async with serving(http_answer(b"hello")) as (port, heads), outbound("x3.acme.test") as opened:
        response = await opened.client().get(f"http://x3.acme.test:{port}/")

    assert response.text == "hello"
    assert resolved[0] == "x3.acme.test"
    assert resolved.count("x3.acme.test") == 1
    assert f"host: x3.acme.test:{port}".encode() in heads[0].lower()


async def test_a_name_that_does_not_resolve_is_a_connection_error() -> None:
    async with outbound() as opened:
        with pytest.raises(httpx.ConnectError, match="cannot be resolved"):
            await opened.client().get("https://nowhere.invalid/")


async def test_redirects_are_not_followed_and_cookies_not_kept() -> None:
    answer = http_answer(b"", "set-cookie: session=1; Path=/").replace(b"200 OK", b"302 Found")
    answer = answer.replace(b"connection: close", b"connection: close\r\nlocation: http://169.254.169.254/")
    async with serving(answer) as (port, heads), outbound("127.0.0.1") as opened:
        first = await opened.client().get(f"http://127.0.0.1:{port}/")
        await opened.client().get(f"http://127.0.0.1:{port}/")

    assert first.status_code == 302
    assert b"cookie" not in heads[1].lower()


async def test_proxies_in_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(http_answer(b"direct")) as (port, _), outbound("127.0.0.1") as opened:
        assert (await opened.client().get(f"http://127.0.0.1:{port}/")).text == "direct"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
async def test_bodies_arrive_inflated(encoding: str) -> None:
    body = b"member " * 200_000
    packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "identity": body}[encoding]
    async with (
        serving(http_answer(packed, f"content-encoding: {encoding}")) as (port, heads),
        outbound("127.0.0.1") as opened,
    ):
        response = await opened.client().get(f"http://127.0.0.1:{port}/")

    assert response.content == body
    assert b"accept-encoding: gzip\r\n" in heads[0].lower()


async def test_a_gzip_bomb_stops_at_the_cap() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with (
        serving(http_answer(bomb, "content-encoding: gzip")) as (port, _),
        outbound("127.0.0.1", max_body_bytes=1_000_000) as opened,
    ):
        with pytest.raises(ProtocolMismatch) as raised:
            await opened.client().get(f"http://127.0.0.1:{port}/")

    assert raised.value.code == "body_too_large"


async def test_inflating_never_makes_more_than_the_cap_at_once() -> None:
    packed = gzip.compress(b"\0" * 50_000_000)
    made: list[int] = []

    class Stream(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield packed

    response = bounded(httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Stream()), 100_000)

    async def collect() -> None:
        async for chunk in response.aiter_raw():
            made.append(len(chunk))

    with pytest.raises(ProtocolMismatch):
        await collect()

    assert sum(made) <= 100_000


async def test_a_request_may_set_its_own_cap() -> None:
    async with serving(http_answer(b"x" * 5000)) as (port, _), outbound("127.0.0.1") as opened:
        with pytest.raises(ProtocolMismatch):
            await opened.client().get(f"http://127.0.0.1:{port}/", extensions={"max_body_bytes": 4999})


@pytest.mark.parametrize("cut", [5, 400])
async def test_a_compressed_body_that_ends_early_is_an_error(cut: int) -> None:
    packed = gzip.compress(random.Random(1).randbytes(2000))[:-cut]
    async with (
        serving(http_answer(packed, "content-encoding: gzip")) as (port, _),
        outbound("127.0.0.1") as opened,
    ):
        with pytest.raises(httpx.TransportError):
            await opened.client().get(f"http://127.0.0.1:{port}/")


async def test_damaged_compression_is_a_decoding_error() -> None:
    async with (
        serving(http_answer(b"\x1f\x8b garbage", "content-encoding: gzip")) as (port, _),
        outbound("127.0.0.1") as opened,
    ):
        with pytest.raises(httpx.DecodingError):
            await opened.client().get(f"http://127.0.0.1:{port}/")


async def test_a_compression_nobody_asked_for_is_refused() -> None:
    async with (
        serving(http_answer(b"...", "content-encoding: br")) as (port, _),
        outbound("127.0.0.1") as opened,
    ):
        with pytest.raises(ProtocolMismatch):
            await opened.client().get(f"http://127.0.0.1:{port}/")


async def test_a_head_request_has_no_body_to_inflate() -> None:
    async with (
        serving(http_answer(b"", "content-encoding: gzip").replace(b"content-length: 0", b"content-length: 90")) as (
            port,
            _,
        ),
        outbound("127.0.0.1") as opened,
    ):
        assert (await opened.client().head(f"http://127.0.0.1:{port}/")).status_code == 200


async def test_a_tenants_own_authority_is_trusted_by_its_client_alone() -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    pem = authority.cert_pem.bytes().decode()
    async with serving(http_answer(b"secure"), context) as (port, _), outbound("localhost", http=False) as opened:
        trusted = await opened.client(tls_ca_pem=pem).get(f"https://localhost:{port}/")
        unchecked = await opened.client(tls_verify=False).get(f"https://localhost:{port}/")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await opened.client().get(f"https://localhost:{port}/")

    assert trusted.text == unchecked.text == "secure"


async def test_a_bad_authority_is_the_tenants_to_put_right() -> None:
    async with outbound() as opened:
        for pem in ("nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\ud800"):
            with pytest.raises(NeedsTenant):
                opened.client(tls_ca_pem=pem)


async def test_one_client_serves_each_tls_setting() -> None:
    async with outbound() as opened:
        assert opened.client() is opened.client()
        assert opened.client(tls_verify=False) is not opened.client()
