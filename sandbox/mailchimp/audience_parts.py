"""What an audience is made of besides members: merge fields and segments, which are tags."""

import re
from typing import Any

import msgspec

from sandbox.http import Answer
from sandbox.mailchimp.calls import NO_CONTENT, Call, Handlers
from sandbox.mailchimp.problems import Problem, invalid, not_found
from sandbox.mailchimp.rules import Rules
from sandbox.mailchimp.state import Audience, Member, MergeField, Segment, iso, subscriber_hash

MAX_FIELDS = 30
MAX_SEGMENT_CHANGES = 500
_TAG = re.compile(r"[A-Z0-9_]{1,10}")


def field_view(audience: Audience, field: MergeField) -> dict[str, Any]:
    return msgspec.structs.asdict(field) | {"list_id": audience.id, "_links": []}


def find_field(audience: Audience, merge_id: str) -> MergeField:
    found = next((field for field in audience.fields.values() if str(field.merge_id) == merge_id), None)
    if found is None:
        raise not_found()
    return found


def get_fields(call: Call) -> Answer:
    audience = call.audience()
    found = list(audience.fields.values())
    if "type" in call.query:
        found = [field for field in found if field.type == call.query["type"]]
    if "required" in call.query:
        found = [field for field in found if field.required == call.flag("required")]
    views = [field_view(audience, field) for field in call.page(found)]
    return call.answer({"merge_fields": views, "list_id": audience.id, "total_items": len(found)})


def post_field(call: Call) -> Answer:
    audience, body = call.audience(), dict(call.body)
    if len(audience.fields) >= MAX_FIELDS:
        raise invalid(f"An audience may have at most {MAX_FIELDS} merge fields.")
    name, kind = body.pop("name"), body.pop("type")
    tag = body.pop("tag", "") or f"MMERGE{len(audience.fields) + 1}"
    if not _TAG.fullmatch(tag.upper()):
        raise invalid(
            "The tag of a merge field is at most 10 letters, digits and underscores.", [("tag", "Invalid tag")]
        )
    if tag.upper() in audience.fields:
        raise invalid(f'A Merge Field with the tag "{tag}" already exists for this list.')
    if kind in ("radio", "dropdown") and not body.get("options", {}).get("choices"):
        raise invalid("Choices are needed for this type.", [("options.choices", "Please enter a value")])
    body.pop("display_order", None)
    return call.answer(field_view(audience, audience.add_field(tag.upper(), name, kind, **body)))


def get_field(call: Call) -> Answer:
    audience = call.audience()
    return call.answer(field_view(audience, find_field(audience, call.arguments[1])))


def patch_field(call: Call) -> Answer:
    audience, body = call.audience(), dict(call.body)
    field = find_field(audience, call.arguments[1])
    tag = body.pop("tag", field.tag).upper()
    if tag != field.tag:
        if tag in audience.fields:
            raise invalid(f'A Merge Field with the tag "{tag}" already exists for this list.')
        for member in audience.members.values():
            if field.tag in member.merge_fields:
                member.merge_fields[tag] = member.merge_fields.pop(field.tag)
        audience.fields = {tag if name == field.tag else name: item for name, item in audience.fields.items()}
        field.tag = tag
    for name, value in body.items():
        setattr(field, name, value)
    return call.answer(field_view(audience, field))


def delete_field(call: Call) -> Answer:
    audience = call.audience()
    field = find_field(audience, call.arguments[1])
    del audience.fields[field.tag]
    for member in audience.members.values():
        member.merge_fields.pop(field.tag, None)
    return NO_CONTENT


def segment_view(audience: Audience, segment: Segment) -> dict[str, Any]:
    view = {
        "id": segment.id, "name": segment.name, "member_count": len(segment.members), "type": segment.type,
        "created_at": iso(segment.created), "updated_at": iso(segment.updated), "list_id": audience.id, "_links": [],
    }  # fmt: skip
    return view if segment.options is None else view | {"options": segment.options}


def find_segment(call: Call, audience: Audience) -> Segment:
    key = call.arguments[1]
    found = audience.segments.get(int(key)) if key.isdecimal() else None
    if found is None:
        raise not_found()
    return found


def get_segments(call: Call) -> Answer:
    audience = call.audience()
    found = list(audience.segments.values())
    if "type" in call.query:
        found = [segment for segment in found if segment.type == call.query["type"]]
    views = [segment_view(audience, segment) for segment in call.page(found)]
    return call.answer({"segments": views, "list_id": audience.id, "total_items": len(found)})


def post_segment(call: Call) -> Answer:
    audience, body, state = call.audience(), call.body, call.state
    name = body["name"]
    if name in audience.tag_ids:
        raise Problem(400, "Bad Request", "Sorry, that tag already exists.")
    if "static_segment" in body:
        if len(body["static_segment"]) > MAX_SEGMENT_CHANGES:
            raise invalid(f"At most {MAX_SEGMENT_CHANGES} members may be given.")
        segment = audience.segment_named(name, state.now())
        rules = Rules(state, audience)
        for member in _known(audience, body["static_segment"]):
            rules.tag(member, name)
    else:
        segment = Segment(audience.new_id(), name, "saved", state.now(), state.now(), set(), body.get("options"))
        audience.segments[segment.id] = segment
    return call.answer(segment_view(audience, segment))


def _known(audience: Audience, emails: list[str]) -> list[Member]:
    """Members of these addresses; addresses not on the list are ignored, as the vendor says."""
    found = (audience.members.get(subscriber_hash(email)) for email in emails)
    return [member for member in found if member is not None and member.status != "archived"]


def batch_segment(call: Call) -> Answer:
    audience = call.audience()
    segment, body, rules = find_segment(call, audience), call.body, Rules(call.state, audience)
    adding, removing = body.get("members_to_add", []), body.get("members_to_remove", [])
    if len(adding) > MAX_SEGMENT_CHANGES or len(removing) > MAX_SEGMENT_CHANGES:
        raise invalid(f"At most {MAX_SEGMENT_CHANGES} members may be added or removed at once.")
    if segment.type != "static":
        raise Problem(400, "Bad Request", "Members can be added to static segments only.")
    added, removed, renderer = _known(audience, adding), _known(audience, removing), call.renderer(audience)
    for member in added:
        rules.tag(member, segment.name)
    for member in removed:
        rules.untag(member, segment.name)
    call.state.written()
    wrong = len(adding) - len(added) + len(removing) - len(removed)
    errors = [{"email_addresses": [], "error": "Email addresses were not on the list."}] if wrong else []
    tail = msgspec.json.encode(
        {"errors": errors, "total_added": len(added), "total_removed": len(removed), "error_count": wrong, "_links": []}
    )
    head = b'{"members_added":[' + b",".join(renderer.many(added)) + b'],"members_removed":['
    answer = Answer(200, head + b",".join(renderer.many(removed)) + b"]," + tail[1:])
    return call.answer(msgspec.json.decode(answer.body)) if "fields" in call.query else answer


def get_segment(call: Call) -> Answer:
    audience = call.audience()
    return call.answer(segment_view(audience, find_segment(call, audience)))


def patch_segment(call: Call) -> Answer:
    audience, body = call.audience(), call.body
    segment, rules = find_segment(call, audience), Rules(call.state, audience)
    if "static_segment" in body and segment.type == "static":
        for hash_ in list(segment.members):
            rules.untag(audience.members[hash_], segment.name)
        for member in _known(audience, body["static_segment"]):
            rules.tag(member, segment.name)
    if body.get("name", segment.name) != segment.name:
        audience.tag_ids.pop(segment.name, None)
        segment.name = body["name"]
        if segment.type == "static":
            audience.tag_ids[segment.name] = segment.id
        call.renderer(audience).forget_tags()
    segment.options = body.get("options", segment.options)
    return call.answer(segment_view(audience, segment))


def delete_segment(call: Call) -> Answer:
    audience = call.audience()
    segment, rules = find_segment(call, audience), Rules(call.state, audience)
    for hash_ in list(segment.members):
        rules.untag(audience.members[hash_], segment.name)
    del audience.segments[segment.id]
    if segment.type == "static":
        audience.tag_ids.pop(segment.name, None)
    return NO_CONTENT


def get_segment_members(call: Call) -> Answer:
    audience = call.audience()
    segment, renderer = find_segment(call, audience), call.renderer(audience)
    found = [audience.members[hash_] for hash_ in sorted(segment.members)]
    rows = [msgspec.json.decode(row) for row in renderer.many(call.page(found))]
    return call.answer({"members": rows, "total_items": len(found)})


def post_segment_member(call: Call) -> Answer:
    audience = call.audience()
    segment = find_segment(call, audience)
    found = _known(audience, [call.body["email_address"]])
    if not found:
        raise not_found()
    Rules(call.state, audience).tag(found[0], segment.name)
    return Answer(200, call.renderer(audience).one(found[0]))


def delete_segment_member(call: Call) -> Answer:
    audience = call.audience()
    segment = find_segment(call, audience)
    member = audience.members.get(call.arguments[2])
    if member is None or segment.id not in member.tags:
        raise not_found()
    Rules(call.state, audience).untag(member, segment.name)
    return NO_CONTENT


def tag_search(call: Call) -> Answer:
    audience, prefix = call.audience(), call.query.get("name", "").lower()
    tags = [{"id": id_, "name": name} for name, id_ in audience.tag_ids.items() if name.lower().startswith(prefix)]
    return call.answer({"tags": tags, "total_items": len(tags)})


HANDLERS: Handlers = {
    "getListsIdMergeFields": get_fields,
    "postListsIdMergeFields": post_field,
    "getListsIdMergeFieldsId": get_field,
    "patchListsIdMergeFieldsId": patch_field,
    "deleteListsIdMergeFieldsId": delete_field,
    "previewASegment": get_segments,
    "postListsIdSegments": post_segment,
    "getListsIdSegmentsId": get_segment,
    "postListsIdSegmentsId": batch_segment,
    "patchListsIdSegmentsId": patch_segment,
    "deleteListsIdSegmentsId": delete_segment,
    "getListsIdSegmentsIdMembers": get_segment_members,
    "postListsIdSegmentsIdMembers": post_segment_member,
    "deleteListsIdSegmentsIdMembersId": delete_segment_member,
    "searchTagsByName": tag_search,
}
