"""A member as JSON at its real size (about 3 KB with links), put together from pieces encoded beforehand."""

from collections.abc import Callable
from typing import Any

import msgspec

from sandbox.mailchimp.state import Audience, Member, Settings, iso

_encode = msgspec.json.encode
_DOCS = "https://us1.api.mailchimp.com/schema/3.0/Definitions/Lists/Members"
_LINKS = (
    ("self", "GET", "", "/Response.json"), ("parent", "GET", "/..", "/CollectionResponse.json"),
    ("update", "PATCH", "", "/Response.json"), ("upsert", "PUT", "", "/Response.json"), ("delete", "DELETE", "", ""),
    ("activity", "GET", "/activity", "/Activity/Response.json"), ("goals", "GET", "/goals", "/Goals/Response.json"),
    ("notes", "GET", "/notes", "/Notes/CollectionResponse.json"), ("events", "POST", "/events", "Events/POST.json"),
    ("delete_permanent", "POST", "/actions/delete-permanent", ""),
)  # fmt: skip


def _links(list_id: str, data_centre: str) -> str:
    base = f"https://{data_centre}.api.mailchimp.com/3.0/lists/{list_id}/members"
    parts = []
    for rel, method, tail, schema in _LINKS:
        href = base if tail == "/.." else f"{base}/%(hash)s{tail}"
        target = f',"targetSchema":"{_DOCS}{schema}"' if schema else ""
        body = f',"schema":"{_DOCS}/{method}.json"' if method in ("PATCH", "PUT", "POST") else ""
        parts.append(f'{{"rel":"{rel}","href":"{href}","method":"{method}"{target}{body}}}')
    return "[" + ",".join(parts) + "]"


class Renderer:
    """Makes members of one audience into JSON."""

    def __init__(self, audience: Audience, settings: Settings) -> None:
        self.audience = audience
        template = (
            '{"id":"%(hash)s","email_address":%(email)s,"unique_email_id":"%(person)010x","contact_id":"%(hash)s",'
            '"full_name":%(name)s,"web_id":%(person)d,"email_type":"%(type)s","status":"%(status)s",%(reason)s'
            '"consents_to_one_to_one_messaging":true,"sms_phone_number":"","sms_subscription_status":"",'
            '"sms_subscription_last_updated":"","merge_fields":%(merge)s,"interests":%(interests)s,'
            '"stats":{"avg_open_rate":0,"avg_click_rate":0},"ip_signup":"","timestamp_signup":"%(created)s","ip_opt":"",'
            '"timestamp_opt":"%(opted)s","member_rating":2,"last_changed":"%(changed)s","language":%(language)s,'
            '"vip":%(vip)s,"email_client":"","location":{"latitude":0,"longitude":0,"gmtoff":0,"dstoff":0,'
            '"country_code":"","timezone":"","region":""},"source":"API - Generic",'
            '"tags_count":%(count)d,"tags":%(tags)s,'
            f'"list_id":"{audience.id}","_links":{_links(audience.id, settings.data_centre)}}}'
        )
        self.template = template.encode()
        self._tags: dict[frozenset[int], bytes] = {}

    def blank_fields(self) -> dict[str, Any]:
        return {tag: field.default_value for tag, field in self.audience.fields.items()}

    def many(self, members: list[Member]) -> list[bytes]:
        """One JSON object each."""
        blank, blank_interests = self.blank_fields(), _encode(self.interests(None))
        interests = self.interests
        template, has_interests = self.template, bool(self.audience.categories)
        made = []
        for member in members:
            merge = member.merge_fields
            email = _encode(member.email)
            reason = b""
            if member.unsubscribe_reason:
                reason = b'"unsubscribe_reason":' + _encode(member.unsubscribe_reason) + b","
            made.append(
                template
                % {
                    b"hash": member.hash.encode(), b"email": email, b"person": member.person,
                    b"name": _encode(f"{merge.get('FNAME', '')} {merge.get('LNAME', '')}".strip()),
                    b"type": member.email_type.encode(), b"status": member.status.encode(), b"reason": reason,
                    b"merge": _encode(blank | merge),
                    b"interests": _encode(interests(member)) if has_interests else blank_interests,
                    b"created": iso(member.created).encode(), b"opted": iso(member.opted).encode(),
                    b"changed": iso(member.changed).encode(), b"language": _encode(member.language),
                    b"vip": b"true" if member.vip else b"false", b"count": len(member.tags),
                    b"tags": self.tags(member.tags),
                }
            )  # fmt: skip
        return made

    def one(self, member: Member) -> bytes:
        return self.many([member])[0]

    def tags(self, ids: frozenset[int]) -> bytes:
        """At most 50 tags, as member answers list them."""
        known = self._tags.get(ids)
        if known is None:
            names = [{"id": id_, "name": self.audience.segments[id_].name} for id_ in sorted(ids)[:50]]
            known = self._tags[ids] = _encode(names)
        return known

    def forget_tags(self) -> None:
        """A tag was renamed or deleted."""
        self._tags.clear()

    def interests(self, member: Member | None) -> dict[str, bool]:
        known = {id_: False for category in self.audience.categories.values() for id_ in category["interests"]}
        return known | ((member.interests or {}) if member is not None else {})

    def view(self, member: Member, names: frozenset[str]) -> dict[str, Any]:
        """Only the named top-level properties: what `fields=` asks for most."""
        return {name: read(self, member) for name in names if (read := _VIEW.get(name)) is not None}


_VIEW: dict[str, Callable[[Renderer, Member], Any]] = {
    "id": lambda _, m: m.hash,
    "email_address": lambda _, m: m.email,
    "unique_email_id": lambda _, m: f"{m.person:010x}",
    "contact_id": lambda _, m: m.hash,
    "web_id": lambda _, m: m.person,
    "full_name": lambda _, m: f"{m.merge_fields.get('FNAME', '')} {m.merge_fields.get('LNAME', '')}".strip(),
    "email_type": lambda _, m: m.email_type,
    "status": lambda _, m: m.status,
    "unsubscribe_reason": lambda _, m: m.unsubscribe_reason or "",
    "merge_fields": lambda r, m: r.blank_fields() | m.merge_fields,
    "interests": lambda r, m: r.interests(m),
    "timestamp_signup": lambda _, m: iso(m.created),
    "timestamp_opt": lambda _, m: iso(m.opted),
    "last_changed": lambda _, m: iso(m.changed),
    "language": lambda _, m: m.language,
    "vip": lambda _, m: m.vip,
    "source": lambda _, m: "API - Generic",
    "tags_count": lambda _, m: len(m.tags),
    "tags": lambda r, m: [{"id": t, "name": r.audience.segments[t].name} for t in sorted(m.tags)[:50]],
    "list_id": lambda r, _: r.audience.id,
}
