"""Compiles a mapping once per run into functions that turn a party into the members it should be."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

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
    absent: Collection[str] = (),
) -> CompiledMapping:
    """`types` are the audience's merge fields by tag; what is not among them is written as text, a whole address as
    an address. Fields in `absent`, which the audience lacks and nobody may add, are read but not written.

    Raises:
        InvalidDefinition: the mapping, the policy and the audience's merge fields do not fit each other.
    """
    selection = _selection(definition, filter)
    places = {name: place for place, name in enumerate((*selection.fields, *selection.contact_fields))}
    targets = {rule.target: suggested_type(rule, definition.stream) for rule in definition.fields}
    if inactive.action == "merge_field":
        _check_status_field(inactive, targets, types or {})
        targets[inactive.field] = "text"
    build = _builder(definition, inactive, places, types or {}, absent)
    carried = None if filter is None else compile_filter(filter, places)
    if definition.email.mode == "per_contact":
        by_contact = filter is not None and not set(filter.fields).isdisjoint(selection.contact_fields)
        members = per_contact(build, carried, selection, by_contact=by_contact)
    else:
        if selection.contact_fields:
            raise InvalidDefinition("/filter", "Fields of a contact need a mapping in per_contact mode.")
        members = per_party(build, carried, selection)
    targets = {target: type_ for target, type_ in targets.items() if target not in absent}
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
        only_prohibited=definition.email.mode == "per_party",
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
    absent: Collection[str],
) -> Build:
    """The function that puts one member together: the loop over compiled fields is the hot path of every run."""
    rules = [rule for rule in _rules(definition, places, types) if rule.target not in absent]
    plain = [rule for rule in rules if rule.is_plain]
    others, targets = [rule for rule in rules if not rule.is_plain], {rule.target: rule for rule in plain}
    texts = _picked([rule.place for rule in plain])
    cleared = frozenset(rule.target for rule in plain if rule.clears)
    tags = compile_tags(definition.tags, inactive, places)
    language_of = None if definition.language is None else _language(places[definition.language])
    flag, gone, there = inactive.field, inactive.value, inactive.active_value

    def build(key: str, party: Party, email: str, is_prohibited: bool, values: Values) -> Member:
        merge_fields: dict[str, MergeValue] = {}
        fill_fields: dict[str, MergeValue] = {}
        warnings: Warnings = []
        for target, text in zip(targets, texts(values), strict=True):
            if text is None:
                if target in cleared:
                    merge_fields[target] = ""
            elif text.__class__ is str and len(text) <= PLAIN and text.isprintable() and (stripped := text.strip()):
                merge_fields[target] = stripped
            else:
                _apply(targets[target], values, merge_fields, fill_fields, warnings)
        for rule in others:
            _apply(rule, values, merge_fields, fill_fields, warnings)
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


class _Rule(NamedTuple):
    """One compiled field. `place` is where a plain text stands, sent as it is; -1 when it has to be computed."""

    target: str
    place: int
    compute: Compute
    clears: bool
    is_fill: bool

    @property
    def is_plain(self) -> bool:
        return self.place >= 0 and not self.is_fill


def _apply(
    rule: _Rule,
    values: Values,
    merge_fields: dict[str, MergeValue],
    fill_fields: dict[str, MergeValue],
    warnings: Warnings,
) -> None:
    target, _, compute, clears, is_fill = rule
    try:
        value = compute(values, warnings)
    except Unusable as error:
        warnings.append((target, str(error)))
        return
    if not value and value != 0:
        if clears:
            merge_fields[target] = ""
    elif is_fill:
        fill_fields[target] = value
    else:
        merge_fields[target] = value


def _picked(places: Sequence[int]) -> Callable[[Values], Sequence[Any]]:
    """The values at these places, as a tuple whatever their number."""
    if len(places) > 1:
        return itemgetter(*places)
    return (lambda values: (values[places[0]],)) if places else (lambda _: ())


def _rules(definition: MappingDefinition, places: Places, types: Mapping[str, MergeType | str]) -> list[_Rule]:
    """In the order of the mapping. A whole address is never cleared: Mailchimp takes it complete or not at all."""
    rules = []
    for place, rule in enumerate(definition.fields):
        is_address = suggested_type(rule, definition.stream) == "address"
        merge_type = _merge_type(types.get(rule.target, "address" if is_address else "text"))
        compute = compile_field(rule, places, merge_type, f"/fields/{place}")
        clears = rule.when_blank == "clear" and merge_type.type != "address"
        place_of = plain_place(rule, places, merge_type)
        rules.append(_Rule(rule.target, place_of, compute, clears, rule.when_blank == "fill"))
    return rules


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
