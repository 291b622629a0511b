"""X3 answers as domain errors: HTTP statuses, token error numbers, and the errors inside a GraphQL answer.

Source: reference/sage-x3.md 2.1, 2.2, 3.5 (developer.sage.com/x3, "API error codes").
"""

import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from time import time
from typing import Literal

import httpx
import msgspec

from app.domain.errors import ConnectorError, NeedsTenant, ProtocolMismatch, Transient

TOKEN_ERRORS = {
    "21": "the token lies in X3's future: the clocks of the two machines differ",
    "41": "X3 does not know the client id",
    "42": "the subject is not the allowed user of the connected application",
    "45": "the audience does not match the URL registered in the connected application",
    "50": "the signature is wrong or the token has expired: check the client secret and the clocks",
}
_TOKEN_ERROR = re.compile(r"Error\s+(\d+)")
_REFUSED_ROW = re.compile(r"(?:customer|supplier|entityNumber|businessPartner):\s*([^,\s]+)", re.I)
_VOLUME = re.compile(r"time[- ]?out|timed out|too (?:many|large|much|big|complex)|volume|exceed|limit|maximum", re.I)
_RIGHTS = re.compile(r"unauthori[sz]ed|not authori[sz]ed|forbidden|permission|access denied", re.I)
_UNKNOWN_FIELD = re.compile(
    r"Cannot query field [\"'](\w+)[\"']|Field [\"'](\w+)[\"'] must not have a selection"
    r"|Field [\"'](\w+)[\"'] of type .{1,120} must have a selection"
)  # the others: an object in one generation, a scalar in another


class GraphQLError(msgspec.Struct, gc=False):
    """One entry of `errors`; messages may name rows, so they go into sentences but never into logs whole."""

    message: str = ""
    path: list[str | int] | None = None


Kind = Literal["rows", "volume", "rights", "unknown_field", "other"]


class QueryFailed(Exception):
    """X3 understood the request and did not carry it out. Inside this package only: the reader decides what it means.

    kinds: `rows` some rows are refused (`codes`), `volume` ask for less, `rights`, `unknown_field`, `other`.
    """

    def __init__(self, kind: Kind, said: str, *, codes: Sequence[str] = (), fields: Sequence[str] = ()) -> None:
        super().__init__(said)
        self.kind = kind
        self.said = said
        self.codes = tuple(codes)
        self.fields = tuple(fields)


def query_failed(errors: Sequence[GraphQLError]) -> QueryFailed:
    """What the `errors` of one answer amount to; refused rows only when every error is one."""
    said = next((error.message for error in errors if error.message), "no reason given")[:300]
    fields = [name for error in errors for found in _UNKNOWN_FIELD.findall(error.message) for name in found if name]
    if fields:
        return QueryFailed("unknown_field", said, fields=list(dict.fromkeys(fields)))
    codes = [_refused_row(error.message) for error in errors]
    if errors and all(codes):
        return QueryFailed("rows", said, codes=list(dict.fromkeys(code for code in codes if code)))
    messages = [error.message for error in errors]
    if any(_RIGHTS.search(message) for message in messages):
        return QueryFailed("rights", said)
    if any(_VOLUME.search(message) for message in messages):
        return QueryFailed("volume", said)
    return QueryFailed("other", said)


def _refused_row(message: str) -> str | None:
    """The party's code in `Unauthorized: entityType: businessPartner, customer: GB013, code: ADDR1`."""
    if not _RIGHTS.search(message):
        return None
    found = _REFUSED_ROW.findall(message.partition("entityType:")[2].partition(",")[2] or message)
    return found[0] if found else None


def final(error: QueryFailed) -> ConnectorError:
    """The domain error of a failed query once nothing else helped."""
    if error.kind == "rights":
        return NeedsTenant("x3_rights", f"The X3 user may not read everything the mapping needs. X3 says: {error.said}")
    if error.kind == "unknown_field":
        names = ", ".join(error.fields)
        return NeedsTenant(
            "x3_schema",
            f"This X3 does not offer {names}. Verify the connection again so that the query is fitted to it.",
        )
    if error.kind == "volume":
        return Transient("x3_volume", f"X3 would not answer even a small page: {error.said}")
    return Transient("x3_query_failed", f"X3 could not carry out the query: {error.said}")


def failure_of_transport(error: httpx.HTTPError) -> Transient | NeedsTenant:
    """No answer, or not all of one. Reading repeats without harm."""
    if isinstance(error, httpx.TimeoutException):
        return Transient("x3_timeout", "Sage X3 did not answer in time.", type(error).__name__, outcome_unknown=True)
    text = str(error)
    if "CERTIFICATE" in text.upper():
        return NeedsTenant(
            "x3_certificate",
            "The TLS certificate of Sage X3 is not trusted; put the issuing authority into tls_ca_pem.",
            text[:200],
        )
    if isinstance(error, httpx.ConnectError):
        return Transient("x3_unreachable", f"Sage X3 cannot be reached: {text[:200] or 'no connection'}.", text[:200])
    return Transient("x3_cut_off", "The connection to Sage X3 broke off.", type(error).__name__, outcome_unknown=True)


def failure_of_status(response: httpx.Response, audience: str | None = None) -> ConnectorError | None:
    """The error of an HTTP status that is not about the query itself; None for 2xx and for 400 and 500, whose bodies
    may hold GraphQL errors."""
    status = response.status_code
    if 200 <= status < 300 or status in (400, 500):
        return None
    if status == 401:
        return _unauthorised(response, audience)
    if status == 403:
        return NeedsTenant("x3_forbidden", f"Sage X3 refuses access (403): {sentence(response)}")
    if status in (404, 405, 410):
        return NeedsTenant("x3_not_found", f"There is no X3 API at this address ({status}); check URL and endpoint.")
    if 300 <= status < 400:
        return NeedsTenant("x3_redirect", f"The address answers with a redirect ({status}); give the final URL.")
    if status == 413:
        return Transient("x3_volume", "X3 finds the request too large (413).")
    if status in (408, 504):
        return Transient(
            "x3_timeout", f"X3 or a proxy before it ran out of time ({status}).", retry_after=retry_after(response)
        )
    if status == 429 or status >= 500:
        return Transient("x3_busy", f"Sage X3 is busy or down ({status}).", retry_after=retry_after(response))
    return ProtocolMismatch("x3_status", f"Sage X3 answered with status {status}, which we do not know.")


def _unauthorised(response: httpx.Response, audience: str | None) -> NeedsTenant:
    said = sentence(response)
    found = _TOKEN_ERROR.search(said)
    if found is None:
        return NeedsTenant("x3_unauthorised", f"Sage X3 does not accept the credential (401): {said}")
    reason = TOKEN_ERRORS.get(found[1], "a reason we have no explanation for")
    sent = f" The audience sent was {audience!r}." if found[1] == "45" else ""
    return NeedsTenant(f"x3_token_{found[1]}", f"Sage X3 refuses the token (error {found[1]}): {reason}.{sent}")


def sentence(response: httpx.Response) -> str:
    """What the body says, in one short line: a JSON message, plain text, or a word on what else it is."""
    text = response.content[:4000].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        return "the answer is a web page, not from the API"
    try:
        read = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return " ".join(text.split())[:200] or "no reason given"
    if isinstance(read, dict):
        for name in ("message", "$message", "error_description", "error"):
            if isinstance(read.get(name), str) and read[name]:
                return str(read[name])[:200]
    return "no reason given"


def retry_after(response: httpx.Response) -> float | None:
    """Retry-After in seconds, from either of its two forms, at most an hour."""
    told = response.headers.get("retry-after", "").strip()
    if not told:
        return None
    try:
        seconds = float(told) if told.isascii() and told.isdigit() else parsedate_to_datetime(told).timestamp() - time()
    except (ValueError, TypeError):
        return None
    return min(max(0.0, seconds), 3600.0)
