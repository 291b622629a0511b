"""Mailchimp's refusals, typed: one table of patterns for problem documents and for rows of a bulk answer.

Vendor texts name the person, so they never travel further than this file: what leaves is our own sentence.
Source: Marketing API, "Errors"; texts of compliance, forgotten, fake and throttled addresses as integrators report
them in public issues. A text no pattern knows is a bad record, never a failed run.
"""

import re
from typing import Any

import msgspec

from app.domain.audience import RowError
from app.domain.errors import RecordRejected

SENTENCES = {
    "compliance": "This person unsubscribed, bounced or is under review at Mailchimp and cannot be subscribed by us.",
    "forgotten": "This address was permanently deleted at Mailchimp; only the person can sign up again.",
    "fake_address": "Mailchimp holds this address to be fake; enter the real one in Sage X3.",
    "too_many_signups": "Mailchimp takes no more sign-ups of this address for now, because of many recent ones.",
    "role_address": "Mailchimp does not take addresses of a role, such as admin@ or info@, here.",
    "incomplete_address": "The postal address needs street, city, state and postal code, all of them.",
    "merge_field": "Mailchimp refused the value of a merge field.",
    "address_taken": "The new address already belongs to another member of the audience.",
    "member_exists": "The address is already a member of the audience.",
    "invalid_address": "Mailchimp does not accept this e-mail address; correct it in Sage X3.",
    "address_fixed": "Mailchimp does not let the address of a store customer change.",
    "product_missing": "A product of the order is not in the store.",
    "not_allowed": "Mailchimp does not allow this for a member in its present state.",
    "member_gone": "The member is no longer in the audience.",
    "rejected": "Mailchimp refused the record.",
}

# Looked for in title, detail and field messages together; the first that fits wins.
_PATTERNS = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        ("compliance", r"compliance (?:state|review)"),
        ("forgotten", r"forgotten email|permanently deleted"),
        ("fake_address", r"looks fake"),
        ("too_many_signups", r"signed up to a lot of lists|not allowing more signups"),
        ("role_address", r"role[- ](?:based|like)|role (?:e-?mail )?address"),
        ("incomplete_address", r"complete address"),
        ("merge_field", r"merge fields? (?:were|was) invalid"),
        ("address_fixed", r"not be changed"),
        ("product_missing", r"product with the provided (?:variant )?id does not exist|provided variant id"),
        ("address_taken", r"already in this list"),
        ("member_exists", r"member exists|already a list member"),
        (
            "invalid_address",
            r"invalid e-?mail|not a valid e-?mail|valid e-?mail address|must contain (?:a|one|at least one) ?@|"
            r"(?:domain|username) portion of the e-?mail|e-?mail address (?:is|was) invalid|single @|email_address",
        ),
    )
)
_ADDRESS = re.compile(r"[^\s\"'<>(),;:]+@[^\s\"'<>(),;:]+")
_NOT_MERGE_FIELDS = frozenset({"", "email_address", "email", "status", "merge_fields", "language", "tags", "members"})


class FieldFault(msgspec.Struct, frozen=True):
    """One entry of a problem document's `errors`."""

    field: Any = ""
    message: Any = ""


class Problem(msgspec.Struct, frozen=True):
    """A problem document read leniently: real answers leave parts out and mix types."""

    title: Any = ""
    detail: Any = ""
    instance: Any = ""
    errors: Any = ()

    @property
    def faults(self) -> tuple[tuple[str, str], ...]:
        """(field, message) pairs, whatever else the list may hold."""
        if not isinstance(self.errors, list):
            return ()
        entries = [entry for entry in self.errors if isinstance(entry, dict)]
        return tuple((str(entry.get("field") or ""), str(entry.get("message") or "")) for entry in entries)

    @property
    def merge_faults(self) -> tuple[tuple[str, str], ...]:
        """The faults that name a merge field."""
        return tuple((_tag(field), message) for field, message in self.faults if _tag(field))

    @property
    def text(self) -> str:
        """All there is to read, for the pattern table."""
        return " ".join((str(self.title), str(self.detail), *(f"{field} {said}" for field, said in self.faults)))


class MemberRefused(RecordRejected):
    """A member refused as a whole; `faults` are (merge field, message) pairs, in case leaving those out helps."""

    def __init__(self, error: RowError, detail: str | None = None, faults: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(error.reason, error.message, detail, field=error.field)
        self.faults = faults


_problem = msgspec.json.Decoder(Problem)


def read_problem(content: bytes) -> Problem | None:
    """The problem document of an answer; None when it is no JSON object, as from a proxy or the edge network."""
    try:
        return _problem.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def refusal(problem: Problem) -> MemberRefused:
    """Why a single member was refused, from the problem document of a 400."""
    faults = problem.merge_faults
    field, message = faults[0] if faults else (None, "")
    error = _typed(problem.text, field, message)
    return MemberRefused(error, f"{redacted(str(problem.title))} {problem.instance}".strip(), faults)


def refusal_of(reason: str, detail: str | None = None) -> MemberRefused:
    """A refusal whose reason is known without reading a text."""
    return MemberRefused(RowError(reason, SENTENCES[reason]), detail)


def row_error(error: str, field: str | None, field_message: str | None) -> RowError:
    """Why one row of a bulk call was refused."""
    tag = _tag(field or "")
    return _typed(f"{error} {field_message or ''}", tag or None, field_message or error)


def redacted(text: str) -> str:
    """A vendor text without e-mail addresses, cut to what a log line may hold."""
    return _ADDRESS.sub("<address>", text)[:300]


def _typed(text: str, field: str | None, message: str) -> RowError:
    reason = next((reason for reason, pattern in _PATTERNS if pattern.search(text)), "rejected")
    if field and reason in ("rejected", "invalid_address", "merge_field"):
        return RowError("merge_field", f"Mailchimp refused the value of {field}: {redacted(message)}", field)
    if reason == "rejected":
        return RowError(reason, f"{SENTENCES[reason]} It said: {redacted(text.strip())}", field)
    return RowError(reason, SENTENCES[reason], field)


def _tag(field: str) -> str:
    """The merge tag a fault names (`RADIO`, `merge_fields.RADIO`); empty when it names something else."""
    tag = field.rsplit(".", 1)[-1].strip()
    return "" if tag.lower() in _NOT_MERGE_FIELDS else tag
