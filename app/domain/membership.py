"""Who becomes a member: the party itself, or each of its contacts."""

from collections.abc import Callable, Sequence

from app.domain.addressing import bad_contact, contact_key, party_address, prohibited_addresses, without_address
from app.domain.emails import first_address
from app.domain.filters import Predicate
from app.domain.member import Member, Skip
from app.domain.party import Contact, Party, Selection, Value

Members = Callable[[Party], Sequence[Member | Skip]]
Build = Callable[[str, Party, str, bool, tuple[Value, ...]], Member]
"""Puts a member together from key, party, address, mailing-prohibited flag and values."""


def per_party(build: Build, carried: Predicate | None, selection: Selection) -> Members:
    """One member per party: filter first, then the first valid address of its sources."""
    sources = selection.email_sources

    def members(party: Party) -> Sequence[Member | Skip]:
        if carried is not None and not carried(party.values):
            return (_filtered(party, party.code),)
        email = party_address(party)
        if email is None:
            return (without_address(party, sources),)
        prohibited = party.is_prohibited
        if party.contacts and not prohibited:
            prohibited = email.lower() in prohibited_addresses(party.contacts)
        return (build(party.code, party, email, prohibited, party.values),)

    return members


def per_contact(build: Build, carried: Predicate | None, selection: Selection, *, by_contact: bool) -> Members:
    """One member per contact with an address; contacts that share one collapse to the first, and to the stricter
    mailing-prohibited flag. The party itself becomes the member when no contact has an address.

    With `by_contact` the filter looks at each contact's own fields, and at blank ones for the party itself.
    """
    nobody: tuple[Value, ...] = (None,) * len(selection.contact_fields)
    sources = selection.email_sources

    def members(party: Party) -> Sequence[Member | Skip]:
        if carried is not None and not by_contact and not carried(party.values):
            return (_filtered(party, party.code),)
        found, bad = _reachable(party)
        barred = set(prohibited_addresses(party.contacts))
        if found:
            return [*each(party, found, barred), *bad]
        return [itself(party, barred), *bad] if party_address(party) is not None or not bad else bad

    def each(party: Party, found: Sequence[tuple[Contact, str]], barred: set[str]) -> Sequence[Member | Skip]:
        chosen: dict[str, Member | Skip] = {}
        for contact, email in found:
            values, key, address = party.values + contact.values, contact_key(party, contact), email.lower()
            if by_contact and carried is not None and not carried(values):
                chosen[key] = _filtered(party, key)
            elif address not in chosen:
                chosen[address] = build(key, party, email, party.is_prohibited or address in barred, values)
        return list(chosen.values())

    def itself(party: Party, barred: set[str]) -> Member | Skip:
        values = party.values + nobody
        if carried is not None and not carried(values):
            return _filtered(party, party.code)
        email = party_address(party)
        if email is None:
            return without_address(party, sources)
        return build(party.code, party, email, party.is_prohibited or email.lower() in barred, values)

    return members


def _reachable(party: Party) -> tuple[list[tuple[Contact, str]], list[Skip]]:
    """Contacts with a valid address, and a skip for each whose slots hold only garbage."""
    found: list[tuple[Contact, str]] = []
    bad: list[Skip] = []
    for contact in party.contacts:
        email = first_address(contact.emails)
        if email is not None:
            found.append((contact, email))
        elif (skip := bad_contact(party, contact)) is not None:
            bad.append(skip)
    return found, bad


def _filtered(party: Party, key: str) -> Skip:
    return Skip(key, party.code, "filtered", is_active=party.is_active)
