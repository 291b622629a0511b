"""Reads a mapping's JSON into a MappingDefinition and refuses whatever could not mean anything."""

import re

from app.domain.defaults import DEFAULT_LANGUAGE, default_email, default_fields, default_tags
from app.domain.definition import EmailMode, EmailRule, FieldRule, MappingDefinition, TagRule
from app.domain.errors import InvalidDefinition
from app.domain.fields import Field
from app.domain.filters import parse_filter
from app.domain.shape import Node, printable
from app.domain.store_customers import DEFAULT_RULES, check_targets
from app.domain.streams import STREAMS, find_field
from app.domain.transforms import Transform, parse_transform

MOST_FIELDS = 80
"""A Mailchimp audience has 30 merge fields, 80 on Premium plans."""
MOST_TAGS = 50
MOST_SOURCES = 5
MOST_TRANSFORMS = 10

_TARGET = re.compile(r"[A-Z][A-Z0-9_]{0,9}")
_ORDERS = "invoices"


def parse_mapping(raw: object) -> MappingDefinition:
    """The mapping of CONTRACT section 4 (`name` is allowed and not kept); what is left out gets the stream's defaults.

    Raises:
        InvalidDefinition: with the JSON pointer of the first fault.
    """
    root = Node(raw)
    given = root.object(("name", "stream", "email", "fields", "tags", "language"), ("stream",))
    stream = root.get("stream").choice(STREAMS)
    if stream == _ORDERS:
        return _orders(root)
    email = _email(root.get("email"), stream)
    fields, tags = root.get("fields"), root.get("tags")
    language = root.get("language")
    if "language" not in given:
        language = Node(DEFAULT_LANGUAGE, language.pointer)
    return MappingDefinition(
        stream,
        email,
        default_fields(stream, email.mode) if fields.value is None else _fields(fields, stream, email.mode),
        default_tags(stream) if tags.value is None else _tags(tags, stream, email.mode),
        None if language.value is None else _source(language, stream, email.mode, ("text",)).name,
    )


def _orders(root: Node) -> MappingDefinition:
    """For invoices: address and fields are those of the billed customer, and fill the store's customer."""
    email = _email(root.get("email"), "customers")
    if email.mode != "per_party":
        raise InvalidDefinition("/email/mode", "An order belongs to one customer: per_party.")
    given = root.get("fields")
    fields = DEFAULT_RULES if given.value is None else _fields(given, "customers", email.mode)
    check_targets(fields)
    if root.get("tags").value or root.get("language").value is not None:
        name = "tags" if root.get("tags").value else "language"
        raise root.get(name).fail("Invoices become orders of a store, which has neither tags nor a language.")
    return MappingDefinition(_ORDERS, email, fields, (), None)


def _email(node: Node, stream: str) -> EmailRule:
    if node.value is None:
        return default_email()
    node.object(("sources", "mode"))
    mode: EmailMode = "per_party"
    if node.get("mode").value is not None and node.get("mode").choice(("per_party", "per_contact")) == "per_contact":
        mode = "per_contact"
    sources = node.get("sources")
    if sources.value is None:
        return default_email(mode)
    names = [_email_source(item, stream) for item in sources.items(10, least=0 if mode == "per_contact" else 1)]
    if len(set(names)) != len(names):
        raise sources.fail("Must not name a field twice.")
    return EmailRule(tuple(names), mode)


def _email_source(node: Node, stream: str) -> str:
    field = _known(node, stream)
    if field.type != "emails" or field.scope == "contact":
        known = (field.name for field in STREAMS[stream].fields if field.type == "emails" and field.scope == "party")
        raise node.fail(
            f"Must be one of {', '.join(known)}; in per_contact mode each contact's own e-mails are read by themselves."
        )
    return field.name


def _fields(node: Node, stream: str, mode: EmailMode) -> tuple[FieldRule, ...]:
    rules = tuple(_field_rule(item, stream, mode) for item in node.items(MOST_FIELDS))
    seen: set[str] = set()
    for place, rule in enumerate(rules):
        if rule.target in seen:
            raise InvalidDefinition(f"{node.child(place)}/target", f"{rule.target} has a field already.")
        seen.add(rule.target)
    return rules


def parse_target(node: Node) -> str:
    """A merge tag as Mailchimp has them: a capital, then at most nine capitals, digits and underscores."""
    target = node.text(10)
    if not _TARGET.fullmatch(target):
        raise node.fail("Must be a merge tag: A to Z, 0 to 9 and _, at most 10, a letter first.")
    if target == "EMAIL":
        raise node.fail("EMAIL is the address itself; say in email.sources where it comes from.")
    return target


def _field_rule(node: Node, stream: str, mode: EmailMode) -> FieldRule:
    given = node.object(("target", "source", "constant", "transforms", "when_blank"), ("target",))
    target = parse_target(node.get("target"))
    if (given.get("source") is None) == (given.get("constant") is None):
        raise node.fail("Must have either a source or a constant.")
    when_blank = "keep" if given.get("when_blank") is None else node.get("when_blank").choice(("clear", "keep", "fill"))
    transforms = _transforms(node.get("transforms"))
    if given.get("constant") is not None:
        if transforms:
            raise node.get("transforms").fail("A constant needs no transforms.")
        return FieldRule(target, constant=_constant(node.get("constant")), when_blank=when_blank)  # type: ignore[arg-type]  # one of the three
    sources = _sources(node.get("source"), stream, mode)
    if transforms and any(source.type == "address" for source in sources):
        raise node.get("transforms").fail("A whole address cannot be transformed.")
    return FieldRule(target, tuple(source.name for source in sources), None, transforms, when_blank)  # type: ignore[arg-type]  # one of the three


def _constant(node: Node) -> str | int | float:
    value = node.scalar(500)
    if isinstance(value, bool):
        raise node.fail("Must be a string or a number.")
    if isinstance(value, str) and not value.strip():
        raise node.fail("Must not be blank.")
    return value


def _transforms(node: Node) -> tuple[Transform, ...]:
    return () if node.value is None else tuple(parse_transform(item) for item in node.items(MOST_TRANSFORMS))


def _sources(node: Node, stream: str, mode: EmailMode) -> tuple[Field, ...]:
    """One field, or a list of fields that are joined by a blank (X3 splits long names over two)."""
    single = ("text", "boolean", "number", "date", "instant", "address")
    if not isinstance(node.value, list):
        return (_source(node, stream, mode, single),)
    return tuple(_source(item, stream, mode, single[:-1]) for item in node.items(MOST_SOURCES, least=1))


def _source(node: Node, stream: str, mode: EmailMode, types: tuple[str, ...]) -> Field:
    field = _known(node, stream)
    if field.scope == "contact" and mode == "per_party":
        raise node.fail(f"{field.name} needs email.mode per_contact; default_contact holds the same fields.")
    if field.type not in types:
        raise node.fail(f"A field of type {field.type} cannot be used here.")
    return field


def _known(node: Node, stream: str) -> Field:
    field = find_field(stream, node.text(120))
    if field is None:
        raise node.fail(f"Unknown field {printable(str(node.value))}; GET /v1/streams lists them.")
    return field


def _tags(node: Node, stream: str, mode: EmailMode) -> tuple[TagRule, ...]:
    rules: list[TagRule] = []
    for item in node.items(MOST_TAGS):
        item.object(("name", "when"), ("name",))
        name = parse_tag(item.get("name"))
        if any(rule.name.casefold() == name.casefold() for rule in rules):
            raise item.get("name").fail("The mapping has this tag already.")
        when = item.get("when")
        rules.append(
            TagRule(name, parse_filter(when.value, stream, pointer=when.pointer, contacts=mode == "per_contact"))
        )
    return tuple(rules)


def parse_tag(node: Node) -> str:
    """A tag's name: 1 to 100 characters, no blank at either end."""
    name = node.text(100)
    if name != name.strip():
        raise node.fail("Must not begin or end with a blank.")
    return name
