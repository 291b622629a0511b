"""Compiles a mapping once per run into functions that turn a party into the members it should be."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from app.domain.definition import EmailRule, FieldRule, MappingDefinition, TagRule
from app.domain.errors import InvalidDefinition
from app.domain.filters import Filter, compile_filter
from app.domain.inactive import InactivePolicy, parse_inactive
from app.domain.languages import mailchimp_language
from app.domain.member import Member, MergeValue, subscriber_hash
from app.domain.membership import Build, Members, per_contact, per_party
from app.domain.merge_rules import PLAIN, Compute, Places, Values, compile_field, needed, plain_place, suggested_type
from app.domain.merge_values import MergeType, Warnings
from app.domain.parsing import parse_mapping
from app.domain.party import Party, Selection, Value
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
    per_contact: bool = False


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
    if definition.email.mode == "per_contact":
        by_contact = filter is not None and not set(filter.fields).isdisjoint(selection.contact_fields)
        members = per_contact(build, carried, selection, by_contact=by_contact)
    else:
        if selection.contact_fields:
            raise InvalidDefinition("/filter", "Fields of a contact need a mapping in per_contact mode.")
        members = per_party(build, carried, selection)
    tags = {rule.name for rule in definition.tags} | ({inactive.tag} if inactive.action == "tag" else set())
    contacts = definition.email.mode == "per_contact"
    return CompiledMapping(selection, members, targets, tuple(sorted(tags)), per_contact=contacts)


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
) -> Build:
    """The function that puts one member together: the loop over compiled fields is the hot path of every run."""
    rules = _rules(definition, places, types)
    tags = compile_tags(definition.tags, inactive, places)
    language_of = None if definition.language is None else _language(places[definition.language])
    flag, gone, there = inactive.field, inactive.value, inactive.active_value

    def build(key: str, party: Party, email: str, is_prohibited: bool, values: Values) -> Member:
        merge_fields: dict[str, MergeValue] = {}
        fill_fields: dict[str, MergeValue] = {}
        warnings: Warnings = []
        for target, place, compute, on_blank, is_fill in rules:
            value: MergeValue | None
            if place >= 0 and isinstance(text := values[place], str) and len(text) <= PLAIN and text.isprintable():
                value = text.strip()
            else:
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
) -> tuple[tuple[str, int, Compute, bool, bool], ...]:
    """(target, place of a plain text, compute, clear when blank, only to fill) per field. A whole address is never
    cleared: Mailchimp takes it complete or not at all."""
    rules = []
    for place, rule in enumerate(definition.fields):
        is_address = suggested_type(rule, definition.stream) == "address"
        merge_type = _merge_type(types.get(rule.target, "address" if is_address else "text"))
        compute = compile_field(rule, places, merge_type, f"/fields/{place}")
        clears = rule.when_blank == "clear" and merge_type.type != "address"
        place_of = plain_place(rule, places, merge_type)
        rules.append((rule.target, place_of, compute, clears, rule.when_blank == "fill"))
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
