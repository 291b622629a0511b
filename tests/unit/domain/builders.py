"""Parties and compiled mappings for the domain's tests; what a test does not name is ordinary."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.filters import parse_filter
from app.domain.mapping import CompiledMapping, compile_mapping, parse_inactive, parse_mapping
from app.domain.member import Member, Skip
from app.domain.merge_values import MergeType
from app.domain.party import Contact, Party, Selection, Value

EMAIL = "ada@acme.test"


def a_mapping(
    *fields: Mapping[str, Any],
    inactive: object = None,
    filter_: object = None,
    types: Mapping[str, MergeType | str] | None = None,
    **parts: object,
) -> CompiledMapping:
    """A compiled mapping of customers with these fields; without tags, language and inactive mark unless named."""
    definition = {"stream": "customers", "fields": list(fields), "tags": [], "language": None} | parts
    return compile_mapping(
        parse_mapping(definition),
        inactive=parse_inactive({"action": "none"} if inactive is None else inactive),
        filter=parse_filter(filter_, "customers", contacts=True),
        types=types,
    )


def a_party(
    selection: Selection,
    values: Mapping[str, Value] | None = None,
    *,
    code: str = "C001",
    emails: Mapping[str, Sequence[str]] | None = None,
    contacts: Sequence[Contact] = (),
    is_active: bool = True,
    is_prohibited: bool = False,
) -> Party:
    """A party as the connector would give it for this selection; by default its first source holds one address."""
    slots = {selection.email_sources[0]: [EMAIL]} if emails is None and selection.email_sources else emails or {}
    return Party(
        code,
        is_active,
        is_prohibited,
        tuple(tuple(slots.get(source, ())) for source in selection.email_sources),
        tuple((values or {}).get(name) for name in selection.fields),
        tuple(contacts),
    )


def a_contact(
    selection: Selection,
    code: str,
    *emails: str,
    is_prohibited: bool = False,
    values: Mapping[str, Value] | None = None,
) -> Contact:
    return Contact(code, emails, is_prohibited, tuple((values or {}).get(name) for name in selection.contact_fields))


def the_member(mapping: CompiledMapping, party: Party) -> Member:
    (member,) = mapping.members(party)
    assert isinstance(member, Member)
    return member


def the_skip(mapping: CompiledMapping, party: Party) -> Skip:
    (skip,) = mapping.members(party)
    assert isinstance(skip, Skip)
    return skip


def value_of(value: Value, *, types: Mapping[str, MergeType | str] | None = None, **rule: object) -> Member:
    """The member of a party whose name is `value`, mapped to the field TEXT by this rule."""
    mapping = a_mapping({"target": "TEXT", "source": "name", **rule}, types=types)
    return the_member(mapping, a_party(mapping.selection, {"name": value}))
