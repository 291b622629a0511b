"""A port of its own for metrics and the kubelet's questions: the smallest HTTP server that both understand.

It lives in the process's own event loop, so an answer also proves that the loop turns.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from app.telemetry.metrics import METRICS_TYPE

log = structlog.get_logger(__name__)

Page = Callable[[], Awaitable[bytes]]
_LONGEST_SECONDS = 10.0
_MOST_BYTES = 8192
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error"}


@asynccontextmanager
async def listening(address: tuple[str, int] | None, metrics: Page) -> AsyncIterator[None]:
    """Answer `/metrics` and `/healthz` at host (empty: every address) and port while the block runs; None: nowhere.

    Raises:
        OSError: the address cannot be had.
    """
    if address is None:
        yield
        return

    async def healthz() -> bytes:
        return b"ok\n"

    pages: Mapping[str, Page] = {"/metrics": metrics, "/healthz": healthz}
    host, port = address
    server = await asyncio.start_server(
        lambda reader, writer: _serve(pages, reader, writer), host or None, port, limit=_MOST_BYTES
    )
    try:
        yield
    finally:
        server.close()


async def _serve(pages: Mapping[str, Page], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_LONGEST_SECONDS):
            status, body, head_only = await _answer(pages, reader)
            head = (
                f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {METRICS_TYPE}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode("ascii") + (b"" if head_only else body))
            await writer.drain()
    writer.close()


async def _answer(pages: Mapping[str, Page], reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    try:
        request = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = request.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    except (ValueError, asyncio.LimitOverrunError):
        return 400, b"", False
    page = pages.get(target.partition("?")[0])
    if page is None:
        return 404, b"", method == "HEAD"
    if method not in ("GET", "HEAD"):
        return 405, b"", False
    try:
        return 200, await page(), method == "HEAD"
    except Exception as error:  # the next question gets its answer
        log.exception("metrics.failed", error=type(error).__name__)
        return 500, b"", False
