"""What a webhook delivers, read: form-encoded events of audiences and batches, lists of events from Mandrill.

Sources: Marketing API, "Sync audience data with webhooks" and "Batch webhooks"; Transactional API, "Webhooks".
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

MALFORMED = "malformed"
MOST_FIELDS = 200
MOST_EVENTS = 1000  # of Mandrill, in one delivery
NAMES_A_PERSON = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail")

_TYPE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,39}")
_ADDRESS = re.compile(r"[^\s@\x00]{1,128}@[^\s@\x00]{1,190}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_FORM = "application/x-www-form-urlencoded"

Form = Sequence[tuple[str, str]]


class Malformed(ValueError):
    """Bytes that no vendor of ours sends as a webhook."""


class Delivery(msgspec.Struct, frozen=True):
    """One event as far as we understand it. `body` is what is kept of it; `identity` is equal exactly for repeats.

    `seen` is the status it tells of a person, None when it tells none.
    """

    type: str
    body: bytes
    identity: bytes
    fired_at: datetime | None = None
    list_id: str | None = None
    email: str | None = None
    former_email: str | None = None
    seen: str | None = None
    reason: str | None = None


def read_form(content_type: str, body: bytes) -> Form:
    """The fields in the order sent. Raises Malformed for other media types, broken UTF-8 and more than 200 fields."""
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise Malformed("not a form")
    try:
        text = body.decode()
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:  # UnicodeDecodeError is one too
        raise Malformed("no form that can be read") from None


def malformed(body: bytes) -> Delivery:
    """An authentic body that makes no sense: kept, told in the audit trail, nothing else."""
    return Delivery(MALFORMED, body, hashlib.sha256(body).digest())


def audience_delivery(form: Form, body: bytes) -> Delivery:
    """An event of an audience or a finished batch. Types we do not know are taken as they are.

    `fired_at` has no zone and is read as UTC. Raises Malformed when it has no type, or one of a person names nobody.
    """
    fields = dict(form)
    type_ = fields.get("type", "")
    if not _TYPE.fullmatch(type_):
        raise Malformed("no type")
    data = {name[5:-1]: value for name, value in fields.items() if name.startswith("data[") and name.endswith("]")}
    email = _address(data.get("new_email" if type_ == "upemail" else "email"))
    former = _address(data.get("old_email")) if type_ == "upemail" else None
    if type_ in NAMES_A_PERSON and email is None:
        raise Malformed("nobody named")
    fired_at = _fired_at(fields.get("fired_at", ""))
    return Delivery(
        type_,
        body,
        _identity(type_, fields, data, email, former, body if fired_at is None else b""),
        fired_at,
        _matched(_ID, data.get("list_id")),
        email,
        former,
        _seen(type_, data.get("action", "")),
        _matched(_WORD, data.get("reason")),
    )


def _identity(
    type_: str, fields: Mapping[str, str], data: Mapping[str, str], email: str | None, former: str | None, rest: bytes
) -> bytes:
    """Nothing the vendor sends identifies a delivery, so what it says does."""
    member = data.get("id") or data.get("new_id") or ""
    what = [type_, fields.get("fired_at"), data.get("list_id"), member, email, former, data.get("action")]
    return hashlib.sha256(msgspec.json.encode(what) + rest).digest()


def _seen(type_: str, action: str) -> str | None:
    if type_ == "unsubscribe":
        return "archived" if action in ("delete", "archive") else "unsubscribed"
    return {"subscribe": "subscribed", "cleaned": "cleaned"}.get(type_)


def transactional_deliveries(form: Form, body: bytes) -> list[Delivery]:
    """The events of one delivery of Mandrill, each kept as JSON of its own. Raises Malformed."""
    try:
        events = msgspec.json.decode(dict(form).get("mandrill_events", ""), type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise Malformed("no list of events") from None
    if len(events) > MOST_EVENTS:
        raise Malformed("too many events")
    return [_transactional(event) for event in events]


def transactional_event(body: bytes) -> Delivery:
    """An event of Mandrill as it was kept. Raises Malformed."""
    try:
        return _transactional(msgspec.json.decode(body, type=dict[str, Any]))
    except msgspec.DecodeError:
        raise Malformed("no event") from None


_TOLD = {"hard_bounce": "cleaned", "spam": "unsubscribed", "unsub": "unsubscribed"}


def _transactional(event: Mapping[str, Any]) -> Delivery:
    body = msgspec.json.encode(event, order="sorted")
    type_ = event.get("event") or event.get("type")
    if not isinstance(type_, str) or not _TYPE.fullmatch(type_):
        return malformed(body)
    about = event.get("msg") or event.get("reject")
    email = _address(about.get("email")) if isinstance(about, dict) else None
    seen = _TOLD.get(type_) if email is not None else None
    return Delivery(type_, body, hashlib.sha256(body).digest(), _stamp(event.get("ts")), None, email, None, seen)


def fields_of(kind: str, body: bytes) -> dict[str, Any]:
    """What a kept body says, for people: the form's fields, or Mandrill's event. Empty when it cannot be read."""
    try:
        if kind == "transactional":
            return msgspec.json.decode(body, type=dict[str, Any])
        return dict(read_form(_FORM, body))
    except (msgspec.DecodeError, Malformed):
        return {}


def _address(value: object) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    return text if _ADDRESS.fullmatch(text) else None


def _matched(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value is not None and pattern.fullmatch(value) else None


def _fired_at(text: str) -> datetime | None:
    try:
        if _INSTANT.fullmatch(
            text
        ):  # as they all are; strptime takes ten times as long, and much longer the first time
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _stamp(value: object) -> datetime | None:
    if not isinstance(value, int | float) or not 0 < value < 4e9:
        return None
    return datetime.fromtimestamp(value, UTC)
