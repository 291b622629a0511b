"""The streams that can be read and the fields each of them offers."""

import re

import msgspec

from app.domain.fields import CONTACT, DEFAULT_ADDRESS, DEFAULT_CONTACT, EMAILS, IDENTITY, INVOICE, WHOLE_ADDRESS, Field

_CUSTOM = re.compile(r"custom\.[a-z][a-z0-9_]{0,59}")


class Stream(msgspec.Struct, frozen=True):
    """`makes_members` is false for invoices: they become orders of a store."""

    name: str
    description: str
    fields: tuple[Field, ...]
    makes_members: bool = True


_PARTY = IDENTITY + DEFAULT_ADDRESS + WHOLE_ADDRESS + EMAILS + DEFAULT_CONTACT + CONTACT

STREAMS: dict[str, Stream] = {
    "customers": Stream("customers", "Customers with their addresses and contacts", _PARTY),
    "suppliers": Stream("suppliers", "Suppliers with their addresses and contacts", _PARTY),
    "invoices": Stream("invoices", "Sales invoices of chosen companies", INVOICE, makes_members=False),
}

_BY_NAME = {stream.name: {field.name: field for field in stream.fields} for stream in STREAMS.values()}


def find_field(stream: str, name: str) -> Field | None:
    """The field of that name, or None. `custom.<name>` is always a text: the connection says where it is read."""
    known = _BY_NAME[stream].get(name)
    if known is None and _CUSTOM.fullmatch(name):
        return Field(name, "text", "A field of this site, added in the connection's settings")
    return known
