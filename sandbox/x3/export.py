"""The source's present truth, flat, for an oracle that knows nothing of GraphQL or REST."""

from collections.abc import Iterator
from typing import Any

from sandbox.rows import Address, Contact
from sandbox.x3.state import Folder
from sandbox.x3.tables import Table


def export(folder: Folder, stream: str) -> Iterator[dict[str, Any]]:
    """Every row of a stream with all that belongs to it, in key order, texts as X3 stores them."""
    if stream == "customers":
        return _parties(folder, folder.customers, folder.customer_addresses, folder.customer_contacts)
    if stream == "suppliers":
        return _parties(folder, folder.suppliers, folder.supplier_addresses, folder.supplier_contacts)
    if stream == "invoices":
        return _invoices(folder)
    raise ValueError("stream is customers, suppliers or invoices")


def _parties(
    folder: Folder, owners: Table[Any], addresses: Table[Address], contacts: Table[Contact]
) -> Iterator[dict[str, Any]]:
    for code in owners.keys:
        owner, partner = owners.rows[code], folder.partners.rows[code]
        yield {
            "code": code, "name": partner.names[0], "name2": partner.names[1], "short_name": partner.short,
            "is_active": owner.active, "is_prohibited": partner.prohibited, "category": owner.category,
            "currency": owner.currency, "country": partner.country, "language": partner.language,
            "vat_number": partner.vat, "registration_number": partner.registration, "payment_term": owner.payment_term,
            "groups": owner.groups, "is_customer": partner.is_customer, "is_supplier": partner.is_supplier,
            "default_address": owner.default_address.rpartition("~")[2],
            "default_contact": (owner.default_contact or "").rpartition("~")[2] or None,
            "addresses": [_address(row) for row in addresses.group("owner", code)],
            "contacts": [_contact(folder, row) for row in contacts.group("owner", code)],
        }  # fmt: skip


def _address(row: Address) -> dict[str, Any]:
    return {
        "code": row.code, "description": row.description, "lines": row.lines, "postal_code": row.postal_code,
        "city": row.city, "state": row.state, "country": row.country, "emails": row.emails, "phones": row.phones,
        "website": row.website, "fax": row.fax, "is_default": row.is_default,
    }  # fmt: skip


def _contact(folder: Folder, row: Contact) -> dict[str, Any]:
    person = folder.persons.rows[row.person]
    return {
        "code": row.person, "email": row.email, "landline": row.landline, "mobile": row.mobile,
        "position": row.position, "department": row.department, "first_name": person.first_name,
        "last_name": person.last_name, "title": person.title, "relationship_email": person.email,
        "language": person.language, "country": person.country, "is_prohibited": person.prohibited,
    }  # fmt: skip


def _invoices(folder: Folder) -> Iterator[dict[str, Any]]:
    for number in folder.invoices.keys:
        row = folder.invoices.rows[number]
        yield {
            "number": number, "company": row.company, "site": row.site, "category": row.category, "type": row.type,
            "date": row.date, "customer": row.bill_to, "currency": row.currency, "status": row.status,
            "excluding_tax": row.excluding_tax, "including_tax": row.including_tax, "reference": row.reference,
            "lines": [
                {"number": line.number, "product": line.product, "description": line.description,
                 "quantity": line.quantity, "unit": line.unit, "net_price": line.net_price,
                 "excluding_tax": line.excluding_tax, "including_tax": line.including_tax}
                for line in folder.lines.group("invoice", number)
            ],
        }  # fmt: skip
