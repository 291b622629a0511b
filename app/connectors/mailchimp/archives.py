"""Result archives of batches: a gzipped tar of JSON files, each a list of answers.

Source: Marketing API, "Batch operations".
"""

import gzip
import io
import tarfile
import zlib

import httpx
import msgspec

from app.connectors.mailchimp.failures import failure_of_answer
from app.domain.errors import ConnectorError, ProtocolMismatch, Transient

_MOST_BYTES = 256 * 1024 * 1024  # unpacked; a thousand whole members are about 4 MB


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


def read_archive(content: bytes) -> list[OperationResult]:
    """Every result in every file of an archive.

    Raises:
        Transient: the archive is damaged; fetch it again.
        ProtocolMismatch: it unpacks to more than any batch of ours, or holds something else.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            return _read(archive)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, msgspec.DecodeError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise ProtocolMismatch("mailchimp_archive_shape", "The results of a batch have an unknown shape.") from None
        detail = type(error).__name__
        raise Transient("mailchimp_archive_damaged", "The results of a batch arrived damaged.", detail) from None


def _read(archive: tarfile.TarFile) -> list[OperationResult]:
    results: list[OperationResult] = []
    left = _MOST_BYTES
    for entry in archive:
        left -= entry.size
        if left < 0:
            raise ProtocolMismatch("mailchimp_archive_size", "The results of a batch are larger than any of ours.")
        file = archive.extractfile(entry) if entry.isfile() else None
        if file is not None and entry.size:
            results += _results.decode(file.read())
    return results
