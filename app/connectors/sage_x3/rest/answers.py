"""What api1 answers: JSON that may need mending, and errors that hide in a 200.

Source: reference/sage-x3.md 5.2 and 5.4.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from app.connectors.sage_x3.documents import UNREADABLE, unreadable_answer, without_lone_surrogates
from app.connectors.sage_x3.failures import QueryFailed
from app.connectors.sage_x3.rest.paths import Record
from app.domain.errors import ProtocolMismatch

_DECODER = msgspec.json.Decoder(float_hook=str)  # decimals stay as written
_ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})?')
_CONTROLS = bytes.maketrans(bytes(range(32)), b" " * 32)

_UNKNOWN = re.compile(
    r"(?:property|field|column|propri[ée]t[ée]|champ|colonne)\s+[\"'«]?\s*([A-Za-z_]\w*)[^\w]*\s*"
    r"(?:does not exist|do not exist|not found|unknown|is unknown|is not defined|n'existe|inconnue?|introuvable)",
    re.I,
)
_RIGHTS = re.compile(r"unauthori[sz]ed|not authori[sz]ed|forbidden|permission|access denied", re.I)
_VOLUME = re.compile(r"time[- ]?out|timed out|too (?:many|large|much|big)|exceed", re.I)
_GONE = re.compile(r"\b721\b|does not exist|not found|n'existe pas", re.I)


class ListPage(msgspec.Struct, frozen=True):
    """Records of one page in order; `next_url` as X3 told it, None at the end."""

    records: Sequence[Record]
    next_url: str | None


def decoded(content: bytes) -> Any:
    """Any JSON; backslashes that escape nothing and raw control characters are mended first where needed.

    Raises:
        Transient: not JSON, or cut off.
    """
    try:
        return _DECODER.decode(content)
    except UNREADABLE:
        pass
    try:
        return _DECODER.decode(mended(without_lone_surrogates(content)))
    except UNREADABLE:
        raise unreadable_answer() from None


def mended(content: bytes) -> bytes:
    """A backslash that begins no escape becomes an escaped one, a bare control character a blank."""
    escaped = _ESCAPE.sub(lambda found: found[0] if len(found[0]) > 1 else rb"\\", content)
    return escaped.translate(_CONTROLS)


def complaint(answer: Any) -> str | None:
    """The first error among the diagnoses of an answer, None when it complains of nothing."""
    if not isinstance(answer, dict):
        return None
    told = answer.get("$diagnoses", answer.get("$diagnosis"))
    for one in told if isinstance(told, list) else [told]:
        if isinstance(one, dict) and str(one.get("$severity", "error")).lower() in ("error", "fatal"):
            return " ".join(str(one.get("$message") or "no reason given").split())[:300]
    return None


def failed(said: str) -> QueryFailed:
    """What a complaint amounts to."""
    if (unknown := _UNKNOWN.search(said)) is not None:
        return QueryFailed("unknown_field", said, fields=[unknown[1]])
    if _RIGHTS.search(said):
        return QueryFailed("rights", said)
    return QueryFailed("volume" if _VOLUME.search(said) else "other", said)


def is_gone(said: str) -> bool:
    """Whether a complaint about one record means that there is none."""
    return _GONE.search(said) is not None


def read_list(content: bytes) -> ListPage:
    """Raises:
    QueryFailed: X3 says why there is no list.
    Transient: not JSON, or cut off.
    ProtocolMismatch: JSON of another shape.
    """
    answer = decoded(content)
    said = complaint(answer)
    if said is not None:
        raise failed(said)
    records = answer.get("$resources") if isinstance(answer, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ProtocolMismatch("x3_shape", "Sage X3 answered a list in a shape we do not know.", "no $resources")
    return ListPage(records, _next(answer.get("$links")))


def _next(links: Any) -> str | None:
    told = links.get("$next") if isinstance(links, dict) else None
    if told is None:
        return None
    url = told.get("$url") if isinstance(told, dict) else told
    if not isinstance(url, str) or not url:
        raise ProtocolMismatch("x3_shape", "Sage X3 says there is a next page but not where.", "$next without $url")
    return url


def read_record(content: bytes) -> tuple[Record | None, str | None]:
    """A record, or what X3 says instead. Raises as read_list, but for QueryFailed."""
    answer = decoded(content)
    said = complaint(answer)
    if said is not None:
        return None, said
    if not isinstance(answer, dict):
        raise ProtocolMismatch("x3_shape", "Sage X3 answered a record in a shape we do not know.", "no object")
    return answer, None
