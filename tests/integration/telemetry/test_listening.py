"""The port of the metrics as Prometheus, the kubelet and strangers speak to it."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.telemetry.listening import listening
from app.telemetry.metrics import page


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def metrics() -> bytes:
        return page()

    number = free_port()
    async with listening(("127.0.0.1", number), metrics):
        yield number


async def test_metrics_and_health_are_answered(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        metrics, health = await client.get("/metrics?x=1"), await client.get("/healthz")
        head, missing, post = await client.head("/healthz"), await client.get("/v1"), await client.post("/metrics")

    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'mlc_build_info{version="' in metrics.text
    assert (health.status_code, health.text) == (200, "ok\n")
    assert (head.status_code, head.text) == (200, "")
    assert [missing.status_code, post.status_code] == [404, 405]


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"\xff\xfe / HTTP/1.1\r\n\r\n", b"GET /" + b"x" * 20_000 + b"\r\n\r\n"])
async def test_nonsense_is_answered_with_400_and_the_port_stays(port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await reader.read(12)
    writer.close()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert (await client.get("/healthz")).status_code == 200
    assert answer == b"HTTP/1.1 400"


async def test_a_page_that_cannot_be_made_is_a_500() -> None:
    async def broken() -> bytes:
        raise RuntimeError("no")

    number = free_port()
    async with listening(("127.0.0.1", number), broken), httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{number}/metrics")).status_code == 500


async def test_nothing_listens_when_no_address_is_given() -> None:
    async def never() -> bytes:
        raise AssertionError

    async with listening(None, never):
        pass
