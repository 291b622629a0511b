"""Columns of a page as one parameter each, taken apart by Postgres.

asyncpg looks into every element of an array before it encodes it, twice as long as everything else takes; a text or a
blob it passes on as it is. On the SQL side: `string_to_array($1, E'\\x1e', '')`, and for row `n` of a blob column
`nullif(substring($2 from 16 * (n - 1) + 1 for 16), '\\x00...')`.
"""

from collections.abc import Sequence

SEPARATOR = "\x1e"
_STAND_IN = "\ufffd"


def texts(values: Sequence[str | None]) -> str:
    """One text of many; None and blank texts both come out as null. A separator inside a value is replaced, so that
    nothing a vendor sends can shift what stands behind it."""
    joined = SEPARATOR.join([value or "" for value in values])
    if joined.count(SEPARATOR) != len(values) - 1:
        joined = SEPARATOR.join([(value or "").replace(SEPARATOR, _STAND_IN) for value in values])
    return joined


def blobs(values: Sequence[bytes | None], width: int) -> bytes:
    """One blob of many of `width` bytes; None comes out as null.

    Raises:
        ValueError: a value of another length.
    """
    nothing = bytes(width)
    joined = b"".join([value or nothing for value in values])
    if len(joined) != width * len(values):
        raise ValueError(f"every value must have {width} bytes")
    return joined


def text_column(parameter: int) -> str:
    """The array of a texts() parameter, in SQL."""
    return f"string_to_array(${parameter}::text, E'\\x1e', '')"


def blob_column(parameter: int, width: int, number: str = "e.n") -> str:
    """The value of one row of a blobs() parameter, in SQL; `number` is the row's, from 1."""
    place = f"{width} * ({number}::integer - 1) + 1"
    return f"nullif(substring(${parameter}::bytea from {place} for {width}), '\\x{'00' * width}'::bytea)"
