"""The REST classes: which columns each has and where their values come from.

Column names follow the "X3 field" columns of the reference. What no source names is our choice: indexed columns are
written with a number (`BPAADDLIG1`, `WEB1`), the default contact's columns begin with `CNT`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec

from sandbox.rows import Address, Contact, Customer, Person, Supplier
from sandbox.x3.state import Folder
from sandbox.x3.tables import Joined, Table

Read = Callable[[Any], Any]


class RestClass(msgspec.Struct):
    """One class: its rows, its key column, and the columns of its facets.

    `narrow` are the columns of a $query facet that shows little; `references` get a `<COLUMN>_REF` on $details;
    `details` adds embedded arrays there.
    """

    name: str
    representations: tuple[str, ...]
    table: Table[Any]
    key: str
    columns: dict[str, Read]
    narrow: tuple[str, ...]
    references: tuple[str, ...] = ()
    details: Callable[[Any], dict[str, Any]] = lambda _: {}


def instant(seconds: int) -> str:
    """A date-time the way api1 writes it."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def menu(value: bool) -> int:
    """A yes/no local menu: 2 is yes."""
    return 2 if value else 1


def _stamps() -> dict[str, Read]:
    return {"CREDATTIM": lambda row: instant(row.created), "UPDDATTIM": lambda row: instant(row.stamp)}


def rest_classes(folder: Folder) -> dict[str, RestClass]:
    """Every class by name."""
    customer = _party(folder, folder.customers, folder.customer_addresses, folder.customer_contacts, "BPC")
    supplier = _party(folder, folder.suppliers, folder.supplier_addresses, folder.supplier_contacts, "BPS")
    stamps = ("CREDATTIM", "UPDDATTIM")
    classes = [
        RestClass(
            "BPCUSTOMER", ("BPCUSTOMER", "YMLCUST"), folder.customers, "BPCNUM", customer,
            ("BPCNUM", "BPCNAM", *stamps), ("CUR", "BCGCOD", "CRY", "LAN"),
            _people(folder, folder.customer_addresses, folder.customer_contacts),
        ),
        RestClass(
            "BPSUPPLIER", ("BPSUPPLIER", "YMLSUPP"), folder.suppliers, "BPSNUM", supplier,
            ("BPSNUM", "BPSNAM", *stamps), ("CUR", "BSGCOD", "CRY", "LAN"),
            _people(folder, folder.supplier_addresses, folder.supplier_contacts),
        ),
        RestClass(
            "BPARTNER", ("BPARTNER",), folder.partners, "BPRNUM",
            {
                "BPRNUM": attrgetter("id"), "BPRNAM": lambda row: row.names[0], "BPRNAM2": lambda row: row.names[1],
                "BPRSHO": attrgetter("short"), "CRY": attrgetter("country"), "CUR": attrgetter("currency"),
                "LAN": attrgetter("language"), "EECNUM": attrgetter("vat"), "CRN": attrgetter("registration"),
                "BPCFLG": lambda row: menu(row.is_customer), "BPSFLG": lambda row: menu(row.is_supplier),
                "BPRFBDMAG": lambda row: menu(row.prohibited), "ENAFLG": lambda row: menu(row.active), **_stamps(),
            },
            ("BPRNUM", "BPRNAM", *stamps),
        ),
        RestClass(
            "ITMMASTER", ("ITMMASTER",), folder.products, "ITMREF",
            {
                "ITMREF": attrgetter("id"), "ITMDES1": attrgetter("description"), "TCLCOD": attrgetter("category"),
                "ITMSTA": lambda row: 1 if row.status == "active" else 5, "SAU": attrgetter("unit"),
                "BASPRI": lambda row: float(row.base_price or 0), **_stamps(),
            },
            ("ITMREF", "ITMDES1", *stamps), ("TCLCOD", "SAU"),
        ),
        _invoices(folder),
        *_children(folder),
    ]  # fmt: skip
    return {one.name: one for one in classes}


def _party(
    folder: Folder, owners: Table[Any], addresses: Table[Address], contacts: Table[Contact], prefix: str
) -> dict[str, Read]:
    def partner(read: Read) -> Read:
        return lambda row: read(folder.partners.rows[row.id])

    def address(read: Read) -> Read:
        return lambda row: " " if (found := addresses.get(row.default_address)) is None else read(found)

    def contact(read: Read) -> Read:
        return lambda row: " " if (found := contacts.get(row.default_contact)) is None else read(found)

    def person(read: Read) -> Read:
        return contact(lambda row: read(folder.persons.rows[row.person]))

    columns: dict[str, Read] = {
        f"{prefix}NUM": attrgetter("id"),
        f"{prefix}NAM": partner(lambda row: row.names[0]),
        f"{prefix}NAM2": partner(lambda row: row.names[1]),
        f"{prefix}SHO": partner(attrgetter("short")),
        "BPCSTA" if prefix == "BPC" else "ENAFLG": lambda row: menu(row.active),
        "BCGCOD" if prefix == "BPC" else "BSGCOD": attrgetter("category"),
        "CUR": attrgetter("currency"),
        "PTE": attrgetter("payment_term"),
        "CRY": partner(attrgetter("country")),
        "LAN": partner(attrgetter("language")),
        "EECNUM": partner(attrgetter("vat")),
        "CRN": partner(attrgetter("registration")),
        "BPRFBDMAG": partner(lambda row: menu(row.prohibited)),
        "BPCFLG": partner(lambda row: menu(row.is_customer)),
        "BPSFLG": partner(lambda row: menu(row.is_supplier)),
        "BPAADD": address(attrgetter("code")),
        "BPADES": address(attrgetter("description")),
        "POSCOD": address(attrgetter("postal_code")),
        "CTY": address(attrgetter("city")),
        "SAT": address(attrgetter("state")),
        "BPACRY": address(attrgetter("country")),
        "CRYNAM": address(attrgetter("country")),
        "FCYWEB": address(attrgetter("website")),
        "FAX": address(attrgetter("fax")),
        "CNTNAM": contact(attrgetter("person")),
        "CNTWEB": contact(attrgetter("email")),
        "CNTTEL": contact(attrgetter("landline")),
        "CNTMOB": contact(attrgetter("mobile")),
        "CNTFNC": contact(attrgetter("position")),
        "CNTSRV": contact(attrgetter("department")),
        "CNTTTL": person(attrgetter("title")),
        "CNTFNA": person(attrgetter("first_name")),
        "CNTLNA": person(attrgetter("last_name")),
        "CNTLAN": person(attrgetter("language")),
        "CNTCRMWEB": person(attrgetter("email")),
        "CNTFBDMAG": person(lambda row: menu(row.prohibited)),
        **_stamps(),
    }
    for index in range(5):
        columns[f"WEB{index + 1}"] = address(_slot("emails", index))
        columns[f"{'TSC' if prefix == 'BPC' else 'TSS'}COD{index + 1}"] = _slot("groups", index)
    for index in range(3):
        columns[f"BPAADDLIG{index + 1}"] = address(_slot("lines", index))
    columns["TEL1"] = address(_slot("phones", 0))
    if prefix == "BPC":
        columns["REP1"], columns["REP2"] = _slot("reps", 0), _slot("reps", 1)
    return columns


def _slot(name: str, index: int) -> Read:
    read = attrgetter(name)
    return lambda row: values[index] if index < len(values := read(row)) else " "


def _people(folder: Folder, addresses: Table[Address], contacts: Table[Contact]) -> Callable[[Any], dict[str, Any]]:
    """The embedded arrays of a $details facet: BPADDRESS and CONTACT rows."""

    def details(row: Customer | Supplier) -> dict[str, Any]:
        return {
            "ADRTAB": [
                {
                    "BPAADD": a.code, "BPADES": a.description, "BPAADDFLG": menu(a.is_default), "BPAADDLIG": a.lines,
                    "POSCOD": a.postal_code, "CTY": a.city, "SAT": a.state, "CRY": a.country, "CRYNAM": a.country,
                    "WEB": a.emails, "TEL": a.phones, "FAX": a.fax, "FCYWEB": a.website,
                }
                for a in addresses.group("owner", row.id)
            ],
            "CNTTAB": [_contact(c, folder.persons.rows[c.person]) for c in contacts.group("owner", row.id)],
        }  # fmt: skip

    return details


def _contact(row: Contact, person: Person) -> dict[str, Any]:
    return {
        "CCNCRM": row.person, "WEB": row.email, "TEL": row.landline, "MOB": row.mobile, "CNTFNC": row.position,
        "CNTSRV": row.department, "CNTTTL": person.title, "CNTFNA": person.first_name, "CNTLNA": person.last_name,
        "CNTCRMWEB": person.email, "CNTLAN": person.language, "CNTFBDMAG": menu(person.prohibited),
    }  # fmt: skip


def _children(folder: Folder) -> list[RestClass]:
    """Addresses, contacts and persons as classes of their own, with stamps of their own."""
    addresses: Table[Address] = Joined([folder.customer_addresses, folder.supplier_addresses])
    contacts: Table[Contact] = Joined([folder.customer_contacts, folder.supplier_contacts])
    owned: dict[str, Read] = {"BPATYP": lambda _: 1, "BPANUM": attrgetter("owner")}
    stamps = ("CREDATTIM", "UPDDATTIM")
    address: dict[str, Read] = {
        **owned, "BPAADD": attrgetter("code"), "BPADES": attrgetter("description"),
        "BPAADDFLG": lambda row: menu(row.is_default), "POSCOD": attrgetter("postal_code"), "CTY": attrgetter("city"),
        "SAT": attrgetter("state"), "CRY": attrgetter("country"), "FAX": attrgetter("fax"),
        "FCYWEB": attrgetter("website"), **{f"WEB{n + 1}": _slot("emails", n) for n in range(5)}, **_stamps(),
    }  # fmt: skip
    contact: dict[str, Read] = {
        **owned, "CCNCRM": attrgetter("person"), "WEB": attrgetter("email"), "TEL": attrgetter("landline"),
        "MOB": attrgetter("mobile"), "CNTFNC": attrgetter("position"), "CNTSRV": attrgetter("department"), **_stamps(),
    }  # fmt: skip
    person: dict[str, Read] = {
        "CNTNUM": attrgetter("id"), "CNTTTL": attrgetter("title"), "CNTFNA": attrgetter("first_name"),
        "CNTLNA": attrgetter("last_name"), "WEB": attrgetter("email"), "MOB": attrgetter("mobile"),
        "CNTFBDMAG": lambda row: menu(row.prohibited), **_stamps(),
    }  # fmt: skip
    return [
        RestClass("BPADDRESS", ("BPADDRESS",), addresses, "BPANUM", address, ("BPATYP", "BPANUM", "BPAADD", *stamps)),
        RestClass("CONTACT", ("CONTACT",), contacts, "BPANUM", contact, ("BPATYP", "BPANUM", "CCNCRM", *stamps)),
        RestClass("CONTACTCRM", ("CONTACTCRM",), folder.persons, "CNTNUM", person, ("CNTNUM", "CNTLNA", *stamps)),
    ]


def _invoices(folder: Folder) -> RestClass:
    kinds = {"invoice": 1, "creditMemo": 2, "debitNote": 3, "creditNote": 4, "proforma": 5}
    states = {"notPosted": 1, "posted": 3, "notUsed": 2}

    def lines(row: Any) -> dict[str, Any]:
        return {
            "SIVSID": [
                {
                    "SIDLIN": line.number, "ITMREF": line.product, "ITMDES": line.description,
                    "QTY": float(line.quantity), "SAU": line.unit, "NETPRI": float(line.net_price),
                    "AMTNOTLIN": float(line.excluding_tax),
                }
                for line in folder.lines.group("invoice", row.id)
            ]
        }  # fmt: skip

    columns: dict[str, Read] = {
        "NUM": attrgetter("id"), "CPY": attrgetter("company"), "SALFCY": attrgetter("site"),
        "SIVTYP": attrgetter("type"), "INVTYP": lambda row: kinds[row.category],
        "INVSTA": lambda row: states[row.status], "INVDAT": attrgetter("date"), "BPCINV": attrgetter("bill_to"),
        "BPCORD": attrgetter("sold_to"), "CUR": attrgetter("currency"),
        "AMTNOT": lambda row: float(row.excluding_tax), "AMTATI": lambda row: float(row.including_tax),
        "SIVORI": attrgetter("reference"), **_stamps(),
    }  # fmt: skip
    return RestClass(
        "SINVOICEV", ("SINVOICEV", "EDISIHTR"), folder.invoices, "NUM", columns,
        ("NUM", "INVDAT", "BPCINV", "CREDATTIM", "UPDDATTIM"), ("CUR", "BPCINV"), lines,
    )  # fmt: skip
