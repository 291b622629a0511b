"""Connections that hand out large answers in few pieces: each piece passes a dozen layers on its way to us."""

import ssl
from typing import Any

import httpcore

_AT_ONCE = 1024 * 1024  # httpcore asks for 64 KiB; pages of Sage X3 have half a megabyte


class WideStream(httpcore.AsyncNetworkStream):
    """A connection of httpcore's, asked for more at a time."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has arrived, up to a mebibyte whatever `max_bytes` says: the parser takes any amount."""
        return await self._inner.read(max(max_bytes, _AT_ONCE), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return WideStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
