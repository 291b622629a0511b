"""`POST /lists/{list_id}`: up to 500 members in one call, each accepted or refused for itself."""

from typing import Any

import msgspec

from sandbox.http import Answer
from sandbox.mailchimp.calls import Call
from sandbox.mailchimp.problems import invalid
from sandbox.mailchimp.rules import RowRefused, Rules
from sandbox.mailchimp.spec import UNVALIDATED
from sandbox.mailchimp.state import Member, subscriber_hash

LIMIT = 500


class BulkMember(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A row as the specification describes it; decoding checks it in C, the slow check only words the refusal."""

    email_address: str = ""
    status: str | None = None
    email_type: str | None = None
    merge_fields: dict[str, Any] = {}
    interests: dict[str, bool] = {}
    language: str | None = None
    vip: bool | None = None
    location: dict[str, float] | None = None
    ip_signup: str | None = None
    ip_opt: str | None = None
    timestamp_signup: str | None = None
    timestamp_opt: str | None = None
    tags: list[str] = []


class BulkBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of the call."""

    members: list[BulkMember]
    update_existing: bool = False
    sync_tags: bool = False


_DECODER = msgspec.json.Decoder(BulkBody)
_STATUSES = frozenset({"subscribed", "unsubscribed", "cleaned", "pending", "transactional"})
_PLAIN = (
    "language",
    "vip",
    "email_type",
    "interests",
    "location",
    "ip_signup",
    "ip_opt",
    "timestamp_signup",
    "timestamp_opt",
)


def decode(raw: bytes) -> BulkBody | None:
    """The body when it is beyond doubt, None when the slow check has to say what is wrong."""
    try:
        body = _DECODER.decode(raw)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
    if len(body.members) > LIMIT or any(row.status not in _STATUSES and row.status is not None for row in body.members):
        return None
    return body


def post_list(call: Call) -> Answer:
    """Create (and with `update_existing` change) members; always 200, refused rows are in `errors`."""
    audience, body = call.audience(), msgspec.convert(call.body, BulkBody)
    rules, renderer = Rules(call.state, audience), call.renderer(audience)
    rows = _deduplicated(body.members, allow=call.flag("skip_duplicate_check"))
    if call.fault is not None and call.fault.kind == "drop_rows":
        dropped = len(rows) // 3 or 1
        rows, unseen = rows[dropped:], rows[:dropped]
        _write(call, rules, body, unseen)  # carried out, but absent from the answer
    created, updated, errors = _write(call, rules, body, rows)
    call.state.counters["bulk_rows"] += len(rows)
    head = b'{"new_members":[' + b",".join(renderer.many(created))
    middle = b'],"updated_members":[' + b",".join(renderer.many(updated))
    tail = msgspec.json.encode(
        {"errors": errors, "total_created": len(created), "total_updated": len(updated), "error_count": len(errors)}
    )
    answer = Answer(200, head + middle + b"]," + tail[1:])
    if "fields" in call.query or "exclude_fields" in call.query:
        return call.answer(msgspec.json.decode(answer.body))
    return answer


def _deduplicated(rows: list[BulkMember], *, allow: bool) -> list[BulkMember]:
    """Rows with each address once: the first is kept when the caller said so, else the request is refused."""
    seen: dict[str, BulkMember] = {}
    for row in rows:
        email = row.email_address.lower()
        if email in seen and not allow:
            raise invalid(
                UNVALIDATED, [("members", f"Duplicate items found for the following emails: {row.email_address}")]
            )
        seen.setdefault(email, row)
    return list(seen.values())


def _write(
    call: Call, rules: Rules, body: BulkBody, rows: list[BulkMember]
) -> tuple[list[Member], list[Member], list[dict[str, str]]]:
    created: list[Member] = []
    updated: list[Member] = []
    errors: list[dict[str, str]] = []
    skip_required = call.flag("skip_merge_validation")
    members, settings = rules.audience.members, call.state.settings
    for row in rows:
        known = members.get(subscriber_hash(row.email_address))
        returns = known is not None and known.status == "archived" and not settings.archived_exists
        try:
            if known is None:
                created.append(_create(rules, row, skip_required))
            elif body.update_existing or returns:
                _update(rules, known, row, body, skip_required, silent=settings.silent_compliance)
                (created if returns else updated).append(known)
            else:
                errors.append(_exists(row.email_address))
        except RowRefused as refused:
            errors.append(_error(row.email_address, refused))
    return created, updated, errors


def _plain(row: BulkMember) -> dict[str, Any]:
    body: dict[str, Any] = {"merge_fields": row.merge_fields}
    for name in _PLAIN:
        value = getattr(row, name)
        if value is not None and value != {}:
            body[name] = value
    return body


def _create(rules: Rules, row: BulkMember, skip_required: bool) -> Member:
    if row.status is None:
        raise RowRefused("Invalid Resource", "A status is needed for a new member.")
    member = rules.create(row.email_address, row.status, _plain(row), skip_required=skip_required)
    for name in row.tags:
        rules.tag(member, name)
    return member


def _update(
    rules: Rules, member: Member, row: BulkMember, body: BulkBody, skip_required: bool, *, silent: bool
) -> None:
    plain = _plain(row)
    if member.status == "archived":
        rules.restore(
            member, row.status or member.before_archive or "transactional", plain, skip_required=skip_required
        )
    else:
        try:
            rules.update(member, plain, row.status, skip_required=skip_required)
        except RowRefused as refused:
            if not (silent and refused.title == "Member In Compliance State"):
                raise
            rules.update(member, plain, None, skip_required=skip_required)
    if body.sync_tags:
        wanted = set(row.tags)
        for id_ in list(member.tags):
            if (name := rules.audience.segments[id_].name) not in wanted:
                rules.untag(member, name)
    for name in row.tags:
        rules.tag(member, name)


def _exists(email: str) -> dict[str, str]:
    text = f"{email} is already a list member, do you want to update? "
    text += "please provide update_existing:true in the request body"
    return {
        "email_address": email,
        "error": text,
        "error_code": "ERROR_CONTACT_EXISTS",
        "field": "",
        "field_message": "",
    }


def _error(email: str, refused: RowRefused) -> dict[str, str]:
    field, message = refused.errors[0] if refused.errors else ("", "")
    error = "Invalid value" if refused.errors else refused.detail
    return {
        "email_address": email,
        "error": error,
        "error_code": "ERROR_GENERIC",
        "field": field,
        "field_message": message,
    }
