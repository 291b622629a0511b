"""Members one at a time and in pages: read, create, upsert, change, archive, delete, tag."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from sandbox.http import Answer
from sandbox.mailchimp.calls import NO_CONTENT, Call, Handlers
from sandbox.mailchimp.problems import Problem, invalid, not_found
from sandbox.mailchimp.rules import RowRefused, Rules
from sandbox.mailchimp.state import Audience, Member, iso, subscriber_hash

VIEWED = frozenset({
    "id", "email_address", "unique_email_id", "contact_id", "web_id", "full_name", "email_type", "status",
    "unsubscribe_reason", "merge_fields", "interests", "timestamp_signup", "timestamp_opt", "last_changed", "language",
    "vip", "source", "tags_count", "tags", "list_id",
})  # fmt: skip
"""Properties that are made alone; any other needs the whole member."""


def refused_as_problem(refused: RowRefused) -> Problem:
    errors = [(field, message) for field, message in refused.errors]
    return Problem(400, refused.title, refused.detail, errors)


def find_member(audience: Audience, key: str) -> Member:
    """By hash, address or contact id. Raises Problem 404."""
    member = audience.members.get(key) or (audience.members.get(subscriber_hash(key)) if "@" in key else None)
    if member is None:
        raise not_found()
    return member


def seconds(value: str, name: str) -> float:
    """An ISO 8601 query value. Raises Problem 400."""
    try:
        read = datetime.fromisoformat(value.replace(" ", "+"))
    except ValueError:
        raise Problem(400, "Bad Request", f"{name} is not an ISO 8601 date", [(name, "not a valid date")]) from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def get_members(call: Call) -> Answer:
    audience = call.audience()
    found = _sorted(call, _filtered(call, audience))
    page, renderer = call.page(found), call.renderer(audience)
    total = len(found)
    if "fields" not in call.query:
        body = b'{"members":[' + b",".join(renderer.many(page)) + b'],"list_id":"' + audience.id.encode()
        answer = Answer(200, body + b'","total_items":%d,"_links":[]}' % total)
        return call.answer(msgspec.json.decode(answer.body)) if "exclude_fields" in call.query else answer
    tree = call.wanted()
    value: dict[str, Any] = {"list_id": audience.id, "total_items": total}
    inner = tree.get("members")
    if inner and all(name in VIEWED for name in inner):
        names = frozenset(inner)
        value["members"] = [renderer.view(member, names) for member in page]
    elif inner is not None:
        value["members"] = [msgspec.json.decode(row) for row in renderer.many(page)]
    return call.answer(value)


def _filtered(call: Call, audience: Audience) -> list[Member]:
    query, found = call.query, list(audience.members.values())
    status = query.get("status")
    if status is not None:
        found = [m for m in found if m.status == status]
    elif not call.state.settings.archived_listed:
        found = [m for m in found if m.status != "archived"]
    for name, attribute in (("last_changed", "changed"), ("timestamp_opt", "opted")):
        if (since := query.get(f"since_{name}")) is not None:
            low = seconds(since, f"since_{name}")
            found = [m for m in found if getattr(m, attribute) >= low]
        if (before := query.get(f"before_{name}")) is not None:
            high = seconds(before, f"before_{name}")
            found = [m for m in found if getattr(m, attribute) <= high]
    if "unsubscribed_since" in query:
        if status != "unsubscribed":
            raise Problem(400, "Bad Request", "unsubscribed_since may only be used with status unsubscribed")
        low = seconds(query["unsubscribed_since"], "unsubscribed_since")
        found = [m for m in found if m.changed >= low]
    if "email_type" in query:
        found = [m for m in found if m.email_type == query["email_type"]]
    if call.flag("vip_only"):
        found = [m for m in found if m.vip]
    if "unique_email_id" in query:
        found = [m for m in found if f"{m.person:010x}" == query["unique_email_id"]]
    if "interest_ids" in query:
        found = [m for m in found if _interested(query, m)]
    return found


def _interested(query: dict[str, str], member: Member) -> bool:
    wanted = query["interest_ids"].split(",")
    hits = sum(bool((member.interests or {}).get(id_)) for id_ in wanted)
    match query.get("interest_match", "any"):
        case "all":
            return hits == len(wanted)
        case "none":
            return hits == 0
    return hits > 0


def _sorted(call: Call, found: list[Member]) -> list[Member]:
    field = call.query.get("sort_field")
    if field is None:
        return found
    attribute = {"timestamp_opt": "opted", "timestamp_signup": "created", "last_changed": "changed"}[field]
    found.sort(key=lambda m: (getattr(m, attribute), m.person), reverse=call.query.get("sort_dir") == "DESC")
    return found


def get_member(call: Call) -> Answer:
    audience = call.audience()
    return _member(call, audience, find_member(audience, call.arguments[1]))


def _member(call: Call, audience: Audience, member: Member) -> Answer:
    body = call.renderer(audience).one(member)
    if "fields" in call.query or "exclude_fields" in call.query:
        return call.answer(msgspec.json.decode(body))
    return Answer(200, body)


def post_member(call: Call) -> Answer:
    audience, body = call.audience(), call.body
    rules, email = Rules(call.state, audience), body["email_address"]
    known = audience.members.get(subscriber_hash(email))
    if known is not None and (known.status != "archived" or call.state.settings.archived_exists):
        raise Problem(
            400, "Member Exists", f"{email} is already a list member. Use PUT to insert or update list members."
        )
    skip = call.flag("skip_merge_validation")
    try:
        if known is not None:
            rules.restore(known, body["status"], body, skip_required=skip)
            member = known
        else:
            member = rules.create(email, body["status"], body, skip_required=skip)
    except RowRefused as refused:
        raise refused_as_problem(refused) from refused
    for name in body.get("tags", ()):
        rules.tag(member, name)
    return _member(call, audience, member)


def put_member(call: Call) -> Answer:
    """Upsert: `status_if_new` counts for an address that is unknown (or archived), `status` for any."""
    audience, body, key = call.audience(), call.body, call.arguments[1]
    rules, skip, email = Rules(call.state, audience), call.flag("skip_merge_validation"), body["email_address"]
    hash_ = subscriber_hash(key) if "@" in key else key.lower()
    known = audience.members.get(hash_)
    try:
        if known is None:
            if subscriber_hash(email) != hash_:
                other = audience.members.get(subscriber_hash(email))
                if other is not None:
                    detail = f"{email} is already a list member. Use PUT to insert or update list members."
                    raise Problem(400, "Member Exists", detail)
                raise invalid(
                    "The resource submitted could not be validated.",
                    [("email_address", "does not belong to this path")],
                )
            known = rules.create(email, body.get("status") or body["status_if_new"], body, skip_required=skip)
        elif known.status == "archived":
            _put_archived(call, rules, known, skip)
        else:
            rules.update(known, body, body.get("status"), skip_required=skip)
    except RowRefused as refused:
        raise refused_as_problem(refused) from refused
    return _member(call, audience, known)


def _put_archived(call: Call, rules: Rules, member: Member, skip: bool) -> None:
    body, way = call.body, call.state.settings.put_unarchives
    status = body.get("status")
    if status is None and way == "stays":
        rules.update(member, body, None, skip_required=skip)
        return
    if status is None:
        status = body["status_if_new"] if way == "status_if_new" else member.before_archive or body["status_if_new"]
    rules.restore(member, status, body, skip_required=skip)


def patch_member(call: Call) -> Answer:
    audience = call.audience()
    member = find_member(audience, call.arguments[1])
    try:
        Rules(call.state, audience).update(
            member, call.body, call.body.get("status"), skip_required=call.flag("skip_merge_validation")
        )
    except RowRefused as refused:
        raise refused_as_problem(refused) from refused
    return _member(call, audience, member)


def archive_member(call: Call) -> Answer:
    audience = call.audience()
    member = find_member(audience, call.arguments[1])
    if member.status == "archived":
        raise Problem(405, "Method Not Allowed", "This list member cannot be removed. Please contact support.")
    Rules(call.state, audience).archive(member)
    call.state.written()
    return NO_CONTENT


def delete_permanent(call: Call) -> Answer:
    audience = call.audience()
    member = audience.members.get(call.arguments[1])
    if member is None:
        raise not_found()
    Rules(call.state, audience).forget(member)
    return NO_CONTENT


def get_tags(call: Call) -> Answer:
    audience = call.audience()
    member = find_member(audience, call.arguments[1])
    tags = [
        {"id": id_, "name": audience.segments[id_].name, "date_added": iso(member.changed)}
        for id_ in sorted(member.tags)
    ]
    return call.answer({"tags": call.page(tags), "total_items": len(tags)})


def post_tags(call: Call) -> Answer:
    audience = call.audience()
    member, rules = find_member(audience, call.arguments[1]), Rules(call.state, audience)
    for tag in call.body["tags"]:
        (rules.tag if tag["status"] == "active" else rules.untag)(member, tag["name"])
    if not call.body.get("is_syncing"):
        call.state.counters["automations_triggered"] += 1
    call.state.written()
    return NO_CONTENT


def get_events(call: Call) -> Answer:
    audience = call.audience()
    events = (find_member(audience, call.arguments[1]).extra or {}).get("events", [])
    return call.answer({"events": call.page(events), "total_items": len(events)})


def post_event(call: Call) -> Answer:
    audience = call.audience()
    member = find_member(audience, call.arguments[1])
    if not 2 <= len(call.body["name"]) <= 30:
        raise invalid("The event name must have 2 to 30 characters.", [("name", "wrong length")])
    event = {"occurred_at": iso(call.state.now())} | call.body
    member.extra = (member.extra or {}) | {"events": [*(member.extra or {}).get("events", []), event]}
    return NO_CONTENT


def search_members(call: Call) -> Answer:
    text, list_id = call.query["query"].lower(), call.query.get("list_id")
    exact: list[Any] = []
    full: list[Any] = []
    for audience in call.account.audiences.values():
        if list_id is not None and audience.id != list_id:
            continue
        renderer = call.renderer(audience)
        for member in audience.members.values():
            if member.email.lower() == text:
                exact.append(msgspec.json.decode(renderer.one(member)))
            elif text in member.email.lower() or text in str(renderer.view(member, frozenset({"full_name"}))).lower():
                full.append(msgspec.json.decode(renderer.one(member)))
    found = {"members": exact, "total_items": len(exact)}, {"members": full[:30], "total_items": len(full)}
    return call.answer({"exact_matches": found[0], "full_search": found[1]})


HANDLERS: Handlers = {
    "getListsIdMembers": get_members,
    "postListsIdMembers": post_member,
    "getListsIdMembersId": get_member,
    "putListsIdMembersId": put_member,
    "patchListsIdMembersId": patch_member,
    "deleteListsIdMembersId": archive_member,
    "postListsIdMembersHashActionsDeletePermanent": delete_permanent,
    "getListMemberTags": get_tags,
    "postListMemberTags": post_tags,
    "getListsIdMembersIdEvents": get_events,
    "postListMemberEvents": post_event,
    "getSearchMembers": search_members,
}
