"""Faults as they come over a real socket, not as a mock imagines them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from app.connectors.mailchimp import client as transport
from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.opening import open_target
from app.connectors.pacing import LocalPacer
from app.connectors.retrying import without_waiting
from app.domain.audience import NewMember
from app.domain.errors import Transient
from app.domain.member import subscriber_hash
from app.http import open_outbound

pytestmark = pytest.mark.integration

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ROW = NewMember(subscriber_hash("a@x.test"), "a@x.test", b'"language":"fr"', ())
CREATED = b'{"new_members":[{"email_address":"a@x.test","status":"transactional"}],"updated_members":[],"errors":[]}'


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with without_waiting():
        yield


async def whole_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


def answer(body: bytes, length: int | None = None, status: bytes = b"200 OK") -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, size, body)


@asynccontextmanager
async def serving(talk: Talk, *, gone: bool = False) -> AsyncIterator[MailchimpAudience]:
    """An audience of a server that talks like this, or of one that went away."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if gone:
        server.close()
        await server.wait_closed()
    outbound = open_outbound(egress_allow=["127.0.0.0/8"], egress_allow_http=True)
    try:
        yield open_target(
            kind="api_key",
            settings={"base_url": f"http://127.0.0.1:{port}/3.0"},
            credential={"api_key": "k-us6"},
            facts={},
            list_id="L",
            outbound_client=outbound.client(),
            pacer=LocalPacer(4),
        )
    finally:
        await outbound.aclose()
        server.close()
        await server.wait_closed()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await whole_request(reader)


async def cut_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await whole_request(reader)
    writer.write(answer(CREATED[:40], len(CREATED)))
    await writer.drain()


async def cut_json(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await whole_request(reader)
    writer.write(answer(CREATED[:40]))
    await writer.drain()


async def gateway_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await whole_request(reader)
    writer.write(answer(b"<html>Bad Gateway</html>", status=b"502 Bad Gateway"))
    await writer.drain()


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await whole_request(reader)
    await reader.read()


@pytest.mark.parametrize("talk", [silent, cut_in_the_body, cut_json, gateway_page, never])
async def test_an_insert_without_a_whole_answer_is_of_unknown_outcome_and_is_sent_once(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_TIMEOUT", httpx.Timeout(0.3))
    calls: list[int] = []

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(1)
        await talk(reader, writer)

    async with serving(counted) as audience:
        with pytest.raises(Transient) as raised:
            await audience.insert([ROW], "transactional")
    assert raised.value.outcome_unknown
    assert len(calls) == 1


async def test_nobody_listening_means_nothing_was_done() -> None:
    async with serving(silent, gone=True) as audience:
        with pytest.raises(Transient) as raised:
            await audience.insert([ROW], "transactional")
    assert (raised.value.code, raised.value.outcome_unknown) == ("mailchimp_unreachable", False)


async def test_a_whole_answer_over_a_kept_connection_is_read() -> None:
    connections: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while True:
            request = await whole_request(reader)
            assert request.startswith(
                b"POST /3.0/lists/L?skip_merge_validation=true&skip_duplicate_check=true HTTP/1.1"
            )
            writer.write(answer(CREATED))
            await writer.drain()

    async with serving(talk) as audience:
        for _ in range(3):
            result = await audience.insert([ROW], "transactional")
            assert result.created == {ROW.hash: "transactional"}
    assert len(connections) == 1
