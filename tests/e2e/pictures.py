"""Screenshots made small: a palette of 256 colours looks the same on flat pages and takes a third of the room."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST = 256
_CHANNELS = {2: 3, 6: 4}  # colour type: RGB, RGBA

Colour = bytes


def shrink(path: Path) -> None:
    """Rewrite a PNG as Chromium makes it (8 bits, not interlaced) with a palette; transparency is dropped."""
    width, height, colour_type, data = _read(path.read_bytes())
    channels = _CHANNELS[colour_type]
    rows = [
        [row[at : at + 3] for at in range(0, len(row), channels)]
        for row in _unfiltered(data, width * channels, channels)
    ]
    palette, index = _palette(Counter(colour for row in rows for colour in row))
    body = b"".join(b"\0" + bytes([index[colour] for colour in row]) for row in rows)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(body, 9)),
        (b"IEND", b""),
    ]
    path.write_bytes(_SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks))


def _read(png: bytes) -> tuple[int, int, int, bytes]:
    """Width, height, colour type and the inflated rows with their filters."""
    at, packed, header = len(_SIGNATURE), b"", b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        header = content if kind == b"IHDR" else header
        packed += content if kind == b"IDAT" else b""
        at += length + 12
    width, height, depth, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    assert (depth, interlaced) == (8, 0)
    return width, height, colour_type, zlib.decompress(packed)


def _unfiltered(data: bytes, length: int, step: int) -> Iterator[bytes]:
    """Rows of pixels. Source: PNG specification, 9.2, filter types for filter method 0."""
    above = bytearray(length)
    for at in range(0, len(data), length + 1):
        kind, row = data[at], bytearray(data[at + 1 : at + 1 + length])
        match kind:
            case 1:
                for n in range(step, length):
                    row[n] = (row[n] + row[n - step]) & 255
            case 2:
                row = bytearray((a + b) & 255 for a, b in zip(row, above, strict=True))
            case 3:
                for n in range(length):
                    row[n] = (row[n] + ((row[n - step] if n >= step else 0) + above[n]) // 2) & 255
            case 4:
                _paeth(row, above, step)
        yield bytes(row)
        above = row


def _paeth(row: bytearray, above: bytearray, step: int) -> None:
    """In place; written out, since it is most of the work."""
    for n in range(len(row)):
        left, up = (row[n - step], above[n]) if n >= step else (0, above[n])
        corner = above[n - step] if n >= step else 0
        a, b, c = abs(up - corner), abs(left - corner), abs(left + up - corner - corner)
        row[n] = (row[n] + (left if a <= b and a <= c else up if b <= c else corner)) & 255


def _palette(counts: Counter[Colour]) -> tuple[Sequence[Colour], dict[Colour, int]]:
    """The commonest colours, and for each colour which of them it becomes: the nearest."""
    kept = [colour for colour, _ in counts.most_common(_MOST)]
    index = {colour: n for n, colour in enumerate(kept)}
    for colour in counts.keys() - index.keys():
        index[colour] = min(range(len(kept)), key=lambda n: _distance(kept[n], colour))
    return kept, index


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
