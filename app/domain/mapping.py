"""Compiles a mapping once per run into functions that turn a party into the members it should be."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from app.domain.addressing import bad_contact, contact_key, party_address, prohibited_addresses, without_address
from app.domain.definition import EmailRule, FieldRule, MappingDefinition, TagRule
from app.domain.emails import first_address
from app.domain.errors import InvalidDefinition
from app.domain.filters import Filter, Predicate, compile_filter
from app.domain.inactive import InactivePolicy, parse_inactive
from app.domain.languages import mailchimp_language
from app.domain.member import Member, MergeValue, Skip, subscriber_hash
from app.domain.merge_rules import Compute, Places, Values, compile_field, needed, suggested_type
from app.domain.merge_values import MergeType, Warnings
from app.domain.parsing import parse_mapping
from app.domain.party import Contact, Party, Selection, Value
from app.domain.tagging import compile_tags
from app.domain.values import Unusable, as_text

__all__ = [
    "CompiledMapping",
    "EmailRule",
    "FieldRule",
    "InactivePolicy",
    "MappingDefinition",
    "MergeType",
    "TagRule",
    "compile_mapping",
    "parse_inactive",
    "parse_mapping",
]

Members = Callable[[Party], Sequence[Member | Skip]]
_Build = Callable[[str, Party, str, bool, Values], Member]
_LanguageOf = Callable[[Values, Warnings], str | None]


class CompiledMapping(msgspec.Struct, frozen=True):
    """What a run needs of a mapping. `members(party)` is pure and never raises on a party that holds what
    `selection` asks for; it gives at least one Member or Skip.

    `targets` are the merge fields it writes with the type each should be created with, `tags` every tag it may
    put on or take off.
    """

    selection: Selection
    members: Members
    targets: Mapping[str, str]
    tags: tuple[str, ...]


def compile_mapping(
    definition: MappingDefinition,
    *,
    inactive: InactivePolicy,
    filter: Filter | None = None,  # noqa: A002 - the sync's own word for it
    types: Mapping[str, MergeType | str] | None = None,
) -> CompiledMapping:
    """`types` are the audience's merge fields by tag; what is not among them is written as text, a whole address as
    an address.

    Raises:
        InvalidDefinition: the mapping, the policy and the audience's merge fields do not fit each other.
    """
    selection = _selection(definition, filter)
    places = {name: place for place, name in enumerate((*selection.fields, *selection.contact_fields))}
    targets = {rule.target: suggested_type(rule, definition.stream) for rule in definition.fields}
    if inactive.action == "merge_field":
        _check_status_field(inactive, targets, types or {})
        targets[inactive.field] = "text"
    build = _builder(definition, inactive, places, types or {})
    carried = None if filter is None else compile_filter(filter, places)
    make = _per_contact if definition.email.mode == "per_contact" else _per_party
    tags = {rule.name for rule in definition.tags} | ({inactive.tag} if inactive.action == "tag" else set())
    return CompiledMapping(selection, make(build, carried, selection), targets, tuple(sorted(tags)))


def _selection(definition: MappingDefinition, filter_: Filter | None) -> Selection:
    """Only what is needed, every field once, in the order of first use."""
    wanted = dict.fromkeys(_named(definition, filter_))
    sources = definition.email.sources
    return Selection(
        definition.stream,
        sources,
        tuple(name for name in wanted if not name.startswith("contact.")),
        tuple(name for name in wanted if name.startswith("contact.")),
        contacts=definition.email.mode == "per_contact" or any(name.startswith("contacts.") for name in sources),
    )


def _named(definition: MappingDefinition, filter_: Filter | None) -> Iterable[str]:
    for rule in definition.fields:
        for source in rule.sources:
            yield from needed(source)
    for tag in definition.tags:
        yield from () if tag.when is None else tag.when.fields
    if definition.language is not None:
        yield definition.language
    if filter_ is not None:
        yield from filter_.fields


def _check_status_field(
    inactive: InactivePolicy, targets: Mapping[str, str], types: Mapping[str, MergeType | str]
) -> None:
    if inactive.field in targets:
        raise InvalidDefinition("/inactive/field", f"The mapping writes {inactive.field} already.")
    known = _merge_type(types.get(inactive.field, "text"))
    for name, value in (("value", inactive.value), ("active_value", inactive.active_value)):
        if known.type in ("radio", "dropdown") and value and value not in known.choices:
            raise InvalidDefinition(f"/inactive/{name}", f"Is not one of the choices of {inactive.field}.")
    if known.type not in ("text", "radio", "dropdown"):
        raise InvalidDefinition("/inactive/field", f"{inactive.field} is a {known.type} field; it must be a text.")


def _merge_type(given: MergeType | str) -> MergeType:
    return MergeType(given) if isinstance(given, str) else given


def _builder(
    definition: MappingDefinition,
    inactive: InactivePolicy,
    places: Places,
    types: Mapping[str, MergeType | str],
) -> _Build:
    """The function that puts one member together: the loop over compiled fields is the hot path of every run."""
    rules = _rules(definition, places, types)
    tags = compile_tags(definition.tags, inactive, places)
    language_of = None if definition.language is None else _language(places[definition.language])
    flag, gone, there = inactive.field, inactive.value, inactive.active_value

    def build(key: str, party: Party, email: str, is_prohibited: bool, values: Values) -> Member:
        merge_fields: dict[str, MergeValue] = {}
        fill_fields: dict[str, MergeValue] = {}
        warnings: Warnings = []
        for target, compute, on_blank, is_fill in rules:
            try:
                value = compute(values, warnings)
            except Unusable as error:
                warnings.append((target, str(error)))
                continue
            if not value and value != 0:
                if on_blank:
                    merge_fields[target] = ""
            elif is_fill:
                fill_fields[target] = value
            else:
                merge_fields[target] = value
        is_active = party.is_active
        if flag:
            merge_fields[flag] = there if is_active else gone
        on, off = tags(values, is_active)
        return Member(
            key,
            party.code,
            email,
            subscriber_hash(email),
            is_active,
            is_prohibited,
            merge_fields,
            fill_fields,
            on,
            off,
            None if language_of is None else language_of(values, warnings),
            tuple(warnings),
        )

    return build


def _rules(
    definition: MappingDefinition, places: Places, types: Mapping[str, MergeType | str]
) -> tuple[tuple[str, Compute, bool, bool], ...]:
    """(target, compute, clear when blank, only to fill) per field. A whole address is never cleared: Mailchimp
    takes it complete or not at all."""
    rules = []
    for place, rule in enumerate(definition.fields):
        is_address = suggested_type(rule, definition.stream) == "address"
        merge_type = _merge_type(types.get(rule.target, "address" if is_address else "text"))
        compute = compile_field(rule, places, merge_type, f"/fields/{place}")
        clears = rule.when_blank == "clear" and merge_type.type != "address"
        rules.append((rule.target, compute, clears, rule.when_blank == "fill"))
    return tuple(rules)


def _language(place: int) -> _LanguageOf:
    codes: dict[Value, str] = {}

    def language_of(values: Values, warnings: Warnings) -> str | None:
        value = values[place]
        if value is None or value in codes:
            return None if value is None else codes[value]
        try:
            text = as_text(value)
            known = None if text is None else mailchimp_language(text)
        except Unusable:
            text, known = "", None
        if known is not None and len(codes) < 100:
            codes[value] = known
        elif known is None and text is not None:
            warnings.append(("language", "a language Mailchimp does not know"))
        return known

    return language_of


def _per_party(build: _Build, carried: Predicate | None, selection: Selection) -> Members:
    sources = selection.email_sources

    def members(party: Party) -> Sequence[Member | Skip]:
        values = party.values
        code = party.code
        if carried is not None and not carried(values):
            return (Skip(code, code, "filtered", is_active=party.is_active),)
        email = party_address(party)
        if email is None:
            return (without_address(party, sources),)
        prohibited = party.is_prohibited
        if party.contacts and not prohibited:
            prohibited = email.lower() in prohibited_addresses(party.contacts)
        return (build(code, party, email, prohibited, values),)

    return members


def _per_contact(build: _Build, carried: Predicate | None, selection: Selection) -> Members:
    nobody: Values = (None,) * len(selection.contact_fields)
    sources = selection.email_sources

    def members(party: Party) -> Sequence[Member | Skip]:
        if carried is not None and not carried(party.values):
            return (Skip(party.code, party.code, "filtered", is_active=party.is_active),)
        found: dict[str, tuple[Contact, str]] = {}
        skips: list[Member | Skip] = []
        for contact in party.contacts:
            email = first_address(contact.emails)
            if email is not None:
                found.setdefault(email.lower(), (contact, email))
            elif (skip := bad_contact(party, contact)) is not None:
                skips.append(skip)
        barred = party.is_prohibited
        prohibited = set(prohibited_addresses(party.contacts))
        if found:
            return [
                build(
                    contact_key(party, contact),
                    party,
                    email,
                    barred or key in prohibited,
                    party.values + contact.values,
                )
                for key, (contact, email) in found.items()
            ] + skips
        email = party_address(party)
        if email is not None:
            member = build(party.code, party, email, barred or email.lower() in prohibited, party.values + nobody)
            return [member, *skips]
        return skips or (without_address(party, sources),)

    return members
