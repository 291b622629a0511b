"""Answers inflated by us and bounded: one compressed chunk may grow a thousandfold, httpx would inflate it whole."""

import zlib
from collections.abc import AsyncIterator, Callable

import httpx

from app.domain.errors import ProtocolMismatch

_DROPPED = (b"content-encoding", b"content-length", b"transfer-encoding")


class BoundedBody(httpx.AsyncByteStream):
    """Hands out at most `limit` bytes of plain body; gzip and deflate are inflated here, step by step."""

    def __init__(
        self, stream: httpx.AsyncByteStream, encoding: str, limit: int, closed: Callable[[], None] = lambda: None
    ) -> None:
        self._stream = stream
        self._closed = closed
        self._limit = limit
        self._inflater = _inflater(encoding)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limit
        async for chunk in self._stream:
            plain = chunk if self._inflater is None else self._inflate(chunk, left + 1)
            left -= len(plain)
            if left < 0:
                raise ProtocolMismatch("body_too_large", f"The answer is larger than {self._limit} bytes.")
            if plain:
                yield plain
        if self._inflater is not None and not self._inflater.eof:
            raise httpx.RemoteProtocolError("The compressed answer ended too early.")

    def _inflate(self, chunk: bytes, most: int) -> bytes:
        inflater = self._inflater
        if inflater is None or inflater.eof:
            return b""  # bytes after the end of the compressed body mean nothing
        try:
            return inflater.decompress(chunk, most)
        except zlib.error as error:
            raise httpx.DecodingError(f"The compressed answer is damaged: {error}") from error

    async def aclose(self) -> None:
        closed, self._closed = self._closed, lambda: None
        closed()
        await self._stream.aclose()


def _inflater(encoding: str) -> "zlib._Decompress | None":
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    return zlib.decompressobj() if encoding == "deflate" else None


def bounded(response: httpx.Response, limit: int, closed: Callable[[], None] = lambda: None) -> httpx.Response:
    """The same answer, inflated while it is read and never longer than `limit` bytes; `closed` is called when it was
    read, or given up.

    Raises:
        ProtocolMismatch: already announced longer, or compressed in a way nobody asked for.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise ProtocolMismatch("body_encoding", "The answer is compressed in a way we did not ask for.")
    announced = response.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit:
        raise ProtocolMismatch("body_too_large", f"The answer is larger than {limit} bytes.")
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("an answer of an asynchronous transport has an asynchronous body")
    has_body = response.status_code not in (204, 304) and announced != "0" and response.extensions.get("has_body", True)
    if encoding in ("", "identity") or not has_body:
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=BoundedBody(stream, "identity", limit, closed),
            extensions=response.extensions,
        )
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _DROPPED]
    return httpx.Response(
        response.status_code,
        headers=headers,
        stream=BoundedBody(stream, encoding, limit, closed),
        extensions=response.extensions,
    )
