"""What an answer other than 2xx, or no answer, means: the status decides first, the document second.

Source: Marketing API, "Errors"; bare 403 pages come from the edge network in front of Mailchimp, not from the account.
"""

import re

import httpx

from app.connectors.mailchimp.errors import SENTENCES, Problem, read_problem, redacted, refusal, refusal_of
from app.domain.errors import ConnectorError, NeedsTenant, ProtocolMismatch, RecordRejected, Transient

_MEMBER_PATH = re.compile(r"^/lists/[^/]+/members/")
_PART_PATH = re.compile(
    r"^/lists/[^/]+/(?:segments|merge-fields|webhooks)/|^/batch(?:es|-webhooks)/|/(?:customers|orders|products)/"
)
_NOTHING = Problem()


def failure_of_transport(error: httpx.HTTPError) -> ConnectorError:
    """No answer: the outcome is known only when the request cannot have left."""
    kind = type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return Transient("mailchimp_unreachable", "Mailchimp could not be reached.", kind)
    if isinstance(error, httpx.TimeoutException):
        return Transient("mailchimp_timed_out", "Mailchimp did not answer in time.", kind, outcome_unknown=True)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return ProtocolMismatch("mailchimp_request", "A request to Mailchimp could not be formed.", kind)
    return Transient("mailchimp_cut_off", "The connection to Mailchimp broke.", kind, outcome_unknown=True)


def failure_of_answer(path: str, response: httpx.Response, *, oauth: bool) -> ConnectorError:
    """The error an answer stands for; `detail` holds what Mailchimp's support asks for, never a person."""
    status = response.status_code
    document = read_problem(response.content)
    problem = document or _NOTHING
    detail = _trace(response, problem)
    if status == 400 or status == 413:
        return refusal(problem) if document else RecordRejected("rejected", SENTENCES["rejected"], detail)
    if status == 401:
        return _key_refused(detail, oauth)
    if status == 403:
        return _forbidden(document, detail, oauth)
    if status == 404:
        return _gone(path, detail)
    if status == 405 and _MEMBER_PATH.match(path):
        return refusal_of("not_allowed", detail)
    if status == 429:
        wait = _retry_after(response)
        return Transient("mailchimp_busy", "Mailchimp is busy with other requests.", detail, retry_after=wait)
    if status >= 500 or status == 408:
        # 502 and 504 come from in front of Mailchimp: the request may well be running behind it.
        unknown = status in (408, 502, 504)
        wait = _retry_after(response)
        return Transient(
            "mailchimp_failing", "Mailchimp has a fault.", detail, retry_after=wait, outcome_unknown=unknown
        )
    return ProtocolMismatch("mailchimp_refused_request", f"Mailchimp refused a request ({status}).", detail)


def _key_refused(detail: str, oauth: bool) -> NeedsTenant:
    if oauth:
        sentence = "Mailchimp no longer accepts this authorization; sign in at Mailchimp again."
        return NeedsTenant("mailchimp_token_revoked", sentence, detail, authorization=True)
    sentence = "Mailchimp does not accept the API key, or it belongs to another data centre; enter a new one."
    return NeedsTenant("mailchimp_key_invalid", sentence, detail)


def _forbidden(document: Problem | None, detail: str, oauth: bool) -> ConnectorError:
    if document is None:
        return Transient("mailchimp_throttled", "Mailchimp's network turned the request away for now.", detail)
    if "disabled" in str(document.title).lower():
        sentence = "The Mailchimp user behind this connection is disabled."
        return NeedsTenant("mailchimp_user_disabled", sentence, detail, authorization=oauth)
    sentence = "The Mailchimp user behind this connection may not do this; its role or plan is too low."
    return NeedsTenant("mailchimp_forbidden", sentence, detail)


def _gone(path: str, detail: str) -> ConnectorError:
    if _MEMBER_PATH.match(path):
        return refusal_of("member_gone", detail)
    if _PART_PATH.search(path):
        return RecordRejected("not_found", "Mailchimp no longer has this object.", detail)
    if path.startswith("/lists/"):
        return NeedsTenant("mailchimp_audience_gone", "The audience no longer exists at Mailchimp.", detail)
    if path.startswith("/ecommerce/stores/"):
        return NeedsTenant("mailchimp_store_gone", "The store no longer exists at Mailchimp.", detail)
    return ProtocolMismatch("mailchimp_unknown_path", "Mailchimp does not know a path we use.", detail)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, when the header says so; Mailchimp documents none, networks in front of it may send it."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _trace(response: httpx.Response, problem: Problem) -> str:
    parts = [f"HTTP {response.status_code}", redacted(str(problem.title))]
    parts.append(f"instance={redacted(str(problem.instance))}" if problem.instance else "")
    request_id = response.headers.get("X-Request-Id")
    parts.append(f"request={redacted(request_id)}" if request_id else "")
    return " ".join(part for part in parts if part)
