"""Result archives of batches: a gzipped tar of JSON files, each a list of answers.

Source: Marketing API, "Batch operations".
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator

import httpx
import msgspec

from app.connectors.mailchimp.failures import failure_of_answer
from app.domain.errors import ConnectorError, ProtocolMismatch, Transient

_MOST_BYTES = 256 * 1024 * 1024  # unpacked; a thousand whole members are about 4 MB
_CHUNK_BYTES = 64 * 1024


class OperationResult(msgspec.Struct, frozen=True):
    """What one operation was answered; `response` is the body as text."""

    status_code: int
    operation_id: str = ""
    response: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it was carried out."""
        return 200 <= self.status_code < 300

    def failure(self, path: str, *, oauth: bool = False) -> ConnectorError | None:
        """The same error a direct call to `path` would have raised; None when it was carried out."""
        if self.ok:
            return None
        answer = httpx.Response(self.status_code, content=(self.response or "").encode())
        return failure_of_answer(path, answer, oauth=oauth)


_results = msgspec.json.Decoder(list[OperationResult])


def read_archive(content: bytes, take: Callable[[OperationResult], None]) -> None:
    """Hand every result in every file of an archive to `take`, one after the other: one file is unpacked at a time.

    Raises:
        Transient: the archive is damaged; fetch it again. Some results may have been handed over already.
        ProtocolMismatch: it unpacks to more than any batch of ours, or holds something else.
    """
    try:
        with gzip.open(io.BytesIO(content)) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for result in _results_of(archive):
                take(result)
            _reach_end(unpacked)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, msgspec.DecodeError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise ProtocolMismatch("mailchimp_archive_shape", "The results of a batch have an unknown shape.") from None
        detail = type(error).__name__
        raise Transient("mailchimp_archive_damaged", "The results of a batch arrived damaged.", detail) from None


def _results_of(archive: tarfile.TarFile) -> Iterator[OperationResult]:
    left = _MOST_BYTES
    for entry in archive:
        left -= entry.size
        if left < 0:
            raise ProtocolMismatch("mailchimp_archive_size", "The results of a batch are larger than any of ours.")
        file = archive.extractfile(entry) if entry.isfile() else None
        if file is not None and entry.size:
            yield from _results.decode(file.read())


def _reach_end(unpacked: gzip.GzipFile) -> None:
    """Read what is left, so that a checksum that does not fit is noticed."""
    while unpacked.read(_CHUNK_BYTES):
        pass
