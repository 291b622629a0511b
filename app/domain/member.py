"""What an audience should hold for a party or a contact."""

import hashlib

import msgspec

MergeValue = str | int | float | dict[str, str]


def subscriber_hash(email: str) -> bytes:
    """The 16 bytes of MD5 over the trimmed, lower-cased address; Mailchimp's member id is their hex form.

    Source: Marketing API, "Methods and parameters" (subscriber_hash).
    """
    return hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).digest()


class Member(msgspec.Struct, frozen=True, gc=False):
    """One member as the mapping wants it; carries no status: consent is not ours to map.

    `key` identifies it in the ledger: the X3 code, or `code/contact` in per_contact mode. `merge_fields` hold only
    what is to be sent (blank fields under `clear` as "", under `keep` left out); `fill_fields` are sent to new
    members and to known ones only where the member has no value. `warnings` are (target, what happened) pairs,
    e.g. a text cut at 255 bytes.
    """

    key: str
    code: str
    email: str  # trimmed, domain lower-cased, syntactically valid
    hash: bytes
    is_active: bool
    is_prohibited: bool
    merge_fields: dict[str, MergeValue]
    fill_fields: dict[str, MergeValue]
    tags: tuple[str, ...]  # names that must be on; sorted
    tags_off: tuple[str, ...]  # names the mapping knows and that must be off; sorted
    language: str | None
    warnings: tuple[tuple[str, str], ...] = ()


class Skip(msgspec.Struct, frozen=True, gc=False):
    """A party or contact that becomes no member, and why.

    reason: no_email | bad_email | mailing_prohibited | filtered | contact_gone (the party has it no longer)
    """

    key: str
    code: str
    reason: str
    detail: str = ""
    is_active: bool = True
