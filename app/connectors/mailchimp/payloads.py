"""Members as Mailchimp's JSON, from parts that are encoded once and joined as bytes.

A fragment is the inside of a JSON object without its braces: `"merge_fields":{...},"language":"fr"`. Equal members
give equal bytes, so the same bytes are hashed to see a change and sent to make it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from app.domain.audience import NewMember
from app.domain.member import MergeValue

_encode = msgspec.json.Encoder(order="deterministic").encode

_BULK_HEAD = b'{"update_existing":false,"sync_tags":false,"members":['
_BULK_TAIL = b"]}"


def encode_fragment(merge_fields: Mapping[str, MergeValue], language: str | None) -> bytes:
    """What a member should hold, keys in sorted order; empty when there is nothing to say."""
    if not merge_fields:
        return b'"language":' + _encode(language) if language else b""
    merged = b'"merge_fields":' + _encode(merge_fields)
    return merged + b',"language":' + _encode(language) if language else merged


def bulk_body(rows: Iterable[NewMember], status: str) -> bytes:
    """The body of the insert-only call; `status` is what everybody Mailchimp does not know will get."""
    written = _encode(status)
    parts = []
    for row in rows:
        tags = b',"tags":' + _tags(row.tags) if row.tags else b""
        inside = b"," + row.fragment if row.fragment else b""
        parts.append(b'{"email_address":%b,"status":%b%b%b}' % (_encode(row.email), written, tags, inside))
    return _BULK_HEAD + b",".join(parts) + _BULK_TAIL


@lru_cache(maxsize=1024)
def _tags(tags: tuple[str, ...]) -> bytes:
    return _encode(tags)


def patch_body(fragment: bytes, email: str | None = None) -> bytes:
    """A change of a known member: no status, and the address only when it moves."""
    if email is None:
        return b"{%b}" % fragment
    return _object(b'"email_address":' + _encode(email), fragment)


def put_body(email: str, status_if_new: str, fragment: bytes) -> bytes:
    """A member brought back by its address.

    Raises:
        ValueError: status_if_new is `subscribed`; who once left is never subscribed by us.
    """
    if status_if_new == "subscribed":
        raise ValueError("a member is never brought back as subscribed")
    head = b'"email_address":%b,"status_if_new":%b' % (_encode(email), _encode(status_if_new))
    return _object(head, fragment)


UNSUBSCRIBE = b'{"status":"unsubscribed"}'


def tags_body(on: Collection[str], off: Collection[str]) -> bytes:
    """Tags to add and to take off; `is_syncing` keeps automations from starting."""
    tags = [{"name": name, "status": "active"} for name in on]
    tags += [{"name": name, "status": "inactive"} for name in off]
    return _encode({"is_syncing": True, "tags": tags})


def segment_body(add: Sequence[str], remove: Sequence[str]) -> bytes:
    """Addresses to put on and take off a static segment; a side left out is not touched."""
    sides = {"members_to_add": add, "members_to_remove": remove}
    return _encode({side: emails for side, emails in sides.items() if emails})


def with_fields(fragment: bytes, more: Mapping[str, object]) -> bytes:
    """The fragment with further merge fields; those it already has win."""
    parts = _parts(fragment)
    return _joined(parts, {**more, **_merge_fields(parts)})


def without_fields(fragment: bytes, tags: Collection[str]) -> bytes:
    """The fragment without these merge fields."""
    parts = _parts(fragment)
    return _joined(parts, {tag: value for tag, value in _merge_fields(parts).items() if tag not in tags})


def field_tags(fragment: bytes) -> frozenset[str]:
    """The merge fields a fragment sets."""
    return frozenset(_merge_fields(_parts(fragment)))


def _parts(fragment: bytes) -> dict[str, object]:
    return msgspec.json.decode(b"{%b}" % fragment, type=dict[str, object])


def _merge_fields(parts: Mapping[str, object]) -> dict[str, object]:
    fields = parts.get("merge_fields")
    return fields if isinstance(fields, dict) else {}


def _joined(parts: dict[str, object], fields: Mapping[str, object]) -> bytes:
    merged = b'"merge_fields":' + _encode(fields) if fields else b""
    others = [b'"%b":%b' % (key.encode(), _encode(value)) for key, value in parts.items() if key != "merge_fields"]
    return b",".join(part for part in (merged, *others) if part)


def _object(head: bytes, fragment: bytes) -> bytes:
    return b"{%b,%b}" % (head, fragment) if fragment else b"{%b}" % head
