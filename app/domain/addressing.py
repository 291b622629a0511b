"""Finds the addresses of a party or its contacts and says why when there is none."""

from collections.abc import Iterator, Sequence

from app.domain.emails import addresses, fault, first_address, is_garbage
from app.domain.member import Skip
from app.domain.party import Contact, Party


def party_address(party: Party) -> str | None:
    """The first valid address in the order of the sources, or None."""
    for slots in party.emails:
        if slots:
            found = first_address(slots)
            if found is not None:
                return found
    return None


def without_address(party: Party, sources: Sequence[str]) -> Skip:
    """`bad_email` when some slot holds something that is no address, `no_email` when all are blank."""
    for source, slots in zip(sources, party.emails, strict=False):
        for raw in filter(is_garbage, slots):
            return Skip(party.code, party.code, "bad_email", f"{source}: {fault(raw)}", party.is_active)
    return Skip(party.code, party.code, "no_email", is_active=party.is_active)


def bad_contact(party: Party, contact: Contact) -> Skip | None:
    """`bad_email` for a contact none of whose slots holds an address although one holds something, else None."""
    for raw in filter(is_garbage, contact.emails):
        return Skip(contact_key(party, contact), party.code, "bad_email", f"contact: {fault(raw)}", party.is_active)
    return None


def contact_key(party: Party, contact: Contact) -> str:
    return f"{party.code}/{contact.code}"


def prohibited_addresses(contacts: Sequence[Contact]) -> Iterator[str]:
    """Lower-cased addresses of contacts who must not get mailings: the flag is a person's, whatever slot we read."""
    for contact in contacts:
        if contact.is_prohibited:
            for raw in contact.emails:
                yield from map(str.lower, addresses(raw))
