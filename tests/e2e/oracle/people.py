"""From exported parties to the people they stand for, or the reason why they stand for nobody."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.oracle.slots import addresses_in, first_address, says_something
from tests.e2e.oracle.values import (
    LANGUAGES,
    NOTHING,
    Row,
    Unusable,
    default_address,
    default_contact,
    field_value,
    is_met,
    merge_value,
)


@dataclass(frozen=True)
class Nobody:
    """A record without a member: no_email, bad_email or filtered."""

    key: str
    reason: str
    is_active: bool
    wrong: tuple[str, ...] = ()  # what the slots hold, for bad_email


@dataclass(frozen=True)
class Person:
    """A record with an address, and everything its member should hold. `fill` only where there is no value yet; of
    `kept` fields the record says nothing, so that they stay as they are."""

    key: str
    email: str
    is_active: bool
    is_prohibited: bool
    fields: Mapping[str, Any]
    fill: Mapping[str, Any]
    tags: frozenset[str]
    off: frozenset[str]
    language: str | None
    kept: frozenset[str] = frozenset()

    @property
    def content(self) -> tuple[Any, ...]:
        """Equal exactly when nothing we would send has changed."""
        fields = [sorted((name, str(value)) for name, value in part.items()) for part in (self.fields, self.fill)]
        return self.email, str(fields), self.tags, self.off, self.language


@dataclass(frozen=True)
class Rules:
    """What decides about a record: the mapping's JSON, the sync's filter and inactive policy, the audience's types."""

    mapping: Row
    inactive: Row = field(default_factory=lambda: {"action": "tag", "tag": "x3-inactive"})
    filter: Row | None = None
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def per_contact(self) -> bool:
        return bool(self.mapping["email"]["mode"] == "per_contact")


def candidates(rows: Iterable[Row], rules: Rules) -> list[Person | Nobody]:
    """One or several per record, in the order of their keys."""
    made = [one for row in rows for one in (_each_contact(row, rules) if rules.per_contact else _party(row, rules))]
    return sorted(made, key=lambda candidate: candidate.key)


def _party(row: Row, rules: Rules) -> Iterator[Person | Nobody]:
    if not is_met(rules.filter, row, NOTHING):
        yield Nobody(row["code"], "filtered", row["is_active"])
        return
    slots = list(_slots(row, rules.mapping["email"]["sources"]))
    email = first_address(slots)
    if email is None:
        yield _without(row["code"], row, slots)
        return
    prohibited = row["is_prohibited"] or default_contact(row).get("is_prohibited", False) or _barred(row, email)
    yield _person(row["code"], row, NOTHING, email, prohibited, rules)


def _each_contact(row: Row, rules: Rules) -> Iterator[Person | Nobody]:
    """A member per contact; two contacts of a company with one address are one; the company when nobody has any."""
    if not is_met(rules.filter, row, NOTHING):
        yield Nobody(row["code"], "filtered", row["is_active"])
        return
    found: dict[str, Person] = {}
    bad = []
    for contact in sorted(row["contacts"], key=lambda c: str(c["code"])):
        key, slots = f"{row['code']}/{contact['code']}", [contact["email"], contact["relationship_email"]]
        email = first_address(slots)
        if email is None:
            bad += [_without(key, row, slots)] if any(map(says_something, slots)) else []
        elif email.lower() not in found:
            prohibited = row["is_prohibited"] or _barred(row, email)
            found[email.lower()] = _person(key, row, contact, email, prohibited, rules)
    yield from (*found.values(), *bad)
    slots = list(_slots(row, rules.mapping["email"]["sources"]))
    if not found and ((email := first_address(slots)) is not None or not bad):
        if email is None:
            yield _without(row["code"], row, slots)
        else:
            yield _person(row["code"], row, NOTHING, email, row["is_prohibited"] or _barred(row, email), rules)


def _slots(row: Row, sources: Iterable[str]) -> Iterator[str]:
    """What the sources hold, in their order."""
    contacts = sorted(row["contacts"], key=lambda contact: str(contact["code"]))
    for source in sources:
        if source == "default_address.emails":
            yield from default_address(row).get("emails", ())
        elif source == "addresses.emails":
            for address in sorted(row["addresses"], key=lambda a: str(a["code"])):
                yield from address["emails"]
        elif source in ("contacts.email", "contacts.relationship_email"):
            yield from (contact[source.partition(".")[2]] for contact in contacts)
        else:
            yield default_contact(row).get(source.partition(".")[2], "")


def _barred(row: Row, email: str) -> bool:
    """Whether the address is a contact's who must not get mailings."""
    theirs = [c[slot] for c in row["contacts"] if c["is_prohibited"] for slot in ("email", "relationship_email")]
    return email.lower() in {address.lower() for slot in theirs for address in addresses_in(slot)}


def _without(key: str, row: Row, slots: Iterable[str]) -> Nobody:
    wrong = tuple(slot for slot in slots if says_something(slot))
    return Nobody(key, "bad_email" if wrong else "no_email", row["is_active"], wrong)


def _person(key: str, row: Row, contact: Row, email: str, prohibited: bool, rules: Rules) -> Person:
    fields: dict[str, Any] = {}
    fill: dict[str, Any] = {}
    for rule in rules.mapping["fields"]:
        target, kind = rule["target"], rules.types.get(rule["target"], "text")
        try:
            value = merge_value(rule, kind, row, contact)
        except Unusable:
            continue
        if value is None:
            fields |= {target: ""} if rule["when_blank"] == "clear" and kind != "address" else {}
        else:
            (fill if rule["when_blank"] == "fill" else fields)[target] = value
    on = {tag["name"] for tag in rules.mapping["tags"] if is_met(tag.get("when"), row, contact)}
    off = {tag["name"] for tag in rules.mapping["tags"]} - on
    policy = rules.inactive
    if policy["action"] == "tag":
        (off if row["is_active"] else on).add(policy["tag"])
    if policy["action"] == "merge_field":
        fields[policy["field"]] = policy["active_value"] if row["is_active"] else policy["value"]
    spoken = rules.mapping.get("language")
    code = field_value(row, contact, spoken) if spoken else None
    texts = {rule["target"] for rule in rules.mapping["fields"] if rules.types.get(rule["target"]) != "address"}
    return Person(
        key, email, row["is_active"], prohibited, fields, fill, frozenset(on), frozenset(off),
        LANGUAGES.get(code or ""), frozenset(texts - fields.keys() - fill.keys()),
    )  # fmt: skip
