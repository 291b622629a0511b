"""Changes people make in X3: friendly fields in, rows touched out, each with a stamp of its own."""

from typing import Any

import msgspec

from sandbox.rows import Address, Contact, Customer, Partner, Person, Supplier
from sandbox.x3.state import X3State
from sandbox.x3.tables import Table


class PartyPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may be changed at a customer or supplier; a field left out stays as it is.

    Only the rows that hold a changed field get a new stamp: an e-mail touches the address alone, a name or the
    mailing-prohibited flag the partner alone. `touch_parent` also stamps the customer or supplier row.
    `contact_*` change the default contact (made when there is none); `stamp` sets the stamp (a late commit, an
    upgraded row) instead of now.
    """

    code: str
    name: str | None = None
    name2: str | None = None
    is_active: bool | None = None
    is_prohibited: bool | None = None
    emails: tuple[str, ...] | None = None
    address_code: str = "MAIN"
    line1: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    language: str | None = None
    category: str | None = None
    currency: str | None = None
    contact_email: str | None = None
    contact_first_name: str | None = None
    contact_last_name: str | None = None
    contact_relationship_email: str | None = None
    contact_is_prohibited: bool | None = None
    touch_parent: bool = False
    stamp: int | None = None


class _Side(msgspec.Struct):
    """The tables of one role."""

    owners: Table[Any]
    addresses: Table[Address]
    contacts: Table[Contact]


def _side(state: X3State, stream: str) -> _Side:
    folder = state.folder
    if stream == "customers":
        return _Side(folder.customers, folder.customer_addresses, folder.customer_contacts)
    return _Side(folder.suppliers, folder.supplier_addresses, folder.supplier_contacts)


def upsert_party(state: X3State, stream: str, patch: PartyPatch) -> None:
    """Create or change one customer or supplier."""
    side, now = _side(state, stream), patch.stamp if patch.stamp is not None else int(state.now())
    if patch.code not in side.owners.rows:
        _create(state, stream, side, patch, now)
    partner = state.folder.partners.rows[patch.code]
    owner = side.owners.rows[patch.code]
    _set(state.folder.partners, partner, now, names=_names(partner, patch), prohibited=patch.is_prohibited,
         language=patch.language)  # fmt: skip
    _set(side.owners, owner, now, active=patch.is_active, category=patch.category, currency=patch.currency)
    if patch.touch_parent:
        side.owners.touch(owner, now)
    _address(side, patch, now)
    _contact(state, side, owner, patch, now)


def delete_party(state: X3State, stream: str, code: str) -> None:
    """Delete one customer or supplier with its addresses and contacts: no trace stays. Raises KeyError."""
    side = _side(state, stream)
    side.owners.remove(code)
    for table in (side.addresses, side.contacts):
        for row in table.group("owner", code):
            table.remove(row.id)
    other = state.folder.suppliers if stream == "customers" else state.folder.customers
    if code not in other.rows:
        state.folder.partners.remove(code)


def _names(partner: Partner, patch: PartyPatch) -> tuple[str, str] | None:
    if patch.name is None and patch.name2 is None:
        return None
    first = partner.names[0] if patch.name is None else patch.name
    return first, partner.names[1] if patch.name2 is None else patch.name2


def _set(table: Table[Any], row: Any, now: int, **values: Any) -> None:
    """Set what is given and differs; a row that changed gets the stamp."""
    changed = {name: value for name, value in values.items() if value is not None and getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        table.touch(row, now)


def _create(state: X3State, stream: str, side: _Side, patch: PartyPatch, now: int) -> None:
    code, country = patch.code, patch.country or "FR"
    if code not in state.folder.partners.rows:
        state.folder.partners.put(
            Partner(
                id=code, created=now, stamp=now, active=True, names=(patch.name or code, " "), short=code[:10], vat=" ",
                registration=" ", country=country, currency=patch.currency or "EUR", language=patch.language or "FRA",
                is_customer=stream == "customers", is_supplier=stream == "suppliers", prohibited=False,
            )
        )  # fmt: skip
    side.addresses.put(
        Address(
            id=f"{code}~{patch.address_code}", created=now, stamp=now, owner=code, code=patch.address_code,
            description=" ", lines=(patch.line1 or " ", " ", " "), postal_code=patch.postal_code or " ",
            city=patch.city or " ", state=patch.state or " ", country=country, emails=(" ",) * 5, phones=(" ", " "),
            website=" ", fax=" ", is_default=True,
        )
    )  # fmt: skip
    shared: dict[str, Any] = {
        "id": code, "created": now, "stamp": now, "active": True, "category": patch.category or "DOM",
        "currency": patch.currency or "EUR", "payment_term": "FR30NET", "groups": ("NEW",),
        "default_address": f"{code}~{patch.address_code}", "default_contact": None,
    }  # fmt: skip
    side.owners.put(Customer(**shared, reps=()) if stream == "customers" else Supplier(**shared))


def _address(side: _Side, patch: PartyPatch, now: int) -> None:
    row = side.addresses.get(f"{patch.code}~{patch.address_code}")
    if row is None:
        return
    emails = None if patch.emails is None else (*patch.emails, *(" ",) * 5)[:5]
    lines = None if patch.line1 is None else (patch.line1, *row.lines[1:])
    _set(side.addresses, row, now, emails=emails, lines=lines, city=patch.city, state=patch.state,
         postal_code=patch.postal_code, country=patch.country)  # fmt: skip


def _contact(state: X3State, side: _Side, owner: Any, patch: PartyPatch, now: int) -> None:
    wanted = (patch.contact_email, patch.contact_first_name, patch.contact_last_name, patch.contact_relationship_email,
              patch.contact_is_prohibited)  # fmt: skip
    if all(value is None for value in wanted):
        return
    row = side.contacts.get(owner.default_contact)
    if row is None:
        person = f"N{len(state.folder.persons) + 1:08d}"
        state.folder.persons.put(
            Person(id=person, created=now, stamp=now, title="", first_name=" ", last_name=" ", email=" ", landline=" ",
                   mobile=" ", language="FRA", country="FR", prohibited=False)
        )  # fmt: skip
        row = Contact(id=f"{owner.id}~{person}", created=now, stamp=now, owner=owner.id, person=person, email=" ",
                      landline=" ", mobile=" ", position="other", department="", address_code="MAIN")  # fmt: skip
        side.contacts.put(row)
        owner.default_contact = row.id
        side.owners.touch(owner, now)
    _set(side.contacts, row, now, email=patch.contact_email)
    _set(state.folder.persons, state.folder.persons.rows[row.person], now, first_name=patch.contact_first_name,
         last_name=patch.contact_last_name, email=patch.contact_relationship_email,
         prohibited=patch.contact_is_prohibited)  # fmt: skip
