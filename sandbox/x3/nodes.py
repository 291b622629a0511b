"""The nodes of the GraphQL schema: their properties, types, X3 columns, and where each value comes from.

Source: sections 3 and 4 of the Sage X3 reference. Type names are deliberately not the node names: a client has to
walk from a field to its type.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Literal

import msgspec

from sandbox.rows import Address, Contact, Customer, Invoice, InvoiceLine, Partner, Person, Product, Row, Supplier
from sandbox.x3.state import Folder, iso
from sandbox.x3.tables import Table

Generation = Literal["x3", "xtremX3"]
Get = Callable[[Any], Any]
ENUMS: dict[str, tuple[str, ...]] = {
    "InvoiceType": ("invoice", "creditMemo", "debitNote", "creditNote", "proforma"),
    "InvoiceStatus": ("notPosted", "posted", "notUsed"),
    "ProductStatus": ("active", "inDevelopment", "onShortage", "notRenewed", "obsolete", "notUsable"),
    "FunctionContact": ("ceo", "buyer", "salesManager", "purchasingManager", "other"),
    "EmailType": ("email", "other"),
    "PhoneType": ("landline", "other"),
    "CreditControl": ("check", "noCheck", "hold"),
}


class Field(msgspec.Struct, frozen=True):
    """One property: a leaf, a reference to one object, or a collection (with a `query` level of its own).

    `get` takes the owner and gives the value as it is sent; `raw` gives what filters and sorting compare instead,
    where that differs (seconds for stamps).
    """

    kind: Literal["leaf", "ref", "many"]
    type: str
    get: Get
    column: str = ""
    raw: Get | None = None


class Type(msgspec.Struct):
    """An object type; `fields` is filled after all types are known, for they refer to each other by name."""

    name: str
    fields: dict[str, Field]


class Node(msgspec.Struct):
    """A node that can be queried: where it hangs, its rows, and the filter paths an index answers.

    `key_paths` are paths whose value is the row's key; `group_paths` map a path to the table's group.
    """

    package: str
    name: str
    type: Type
    table: Table[Any]
    key_paths: tuple[str, ...] = ("_id",)
    group_paths: dict[str, str] = {}
    owner: Get | None = None  # the partner's code, for row refusals


class Schema(msgspec.Struct):
    """All types and nodes of one generation."""

    types: dict[str, Type]
    nodes: list[Node]


def leaf(type_: str, get: Get | str, column: str = "") -> Field:
    return Field("leaf", type_, attrgetter(get) if isinstance(get, str) else get, column)


def ref(type_: str, get: Get | str, column: str = "") -> Field:
    return Field("ref", type_, attrgetter(get) if isinstance(get, str) else get, column)


def many(type_: str, get: Get, column: str = "") -> Field:
    return Field("many", type_, get, column)


def stamp(attribute: str, column: str) -> Field:
    read = attrgetter(attribute)
    return Field("leaf", "Datetime", lambda row: iso(read(row)), column, read)


def _code_type(name: str, *names: str) -> Type:
    """A reference whose row is nothing but its code."""
    fields = {"_id": leaf("Id", str), "code": leaf("String", str)}
    fields |= {extra: leaf("String", str) for extra in names}
    return Type(name, fields)


@lru_cache(maxsize=64)
def _numbered(values: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    return tuple(enumerate(values, 1))


def _filled(values: tuple[str, ...]) -> list[tuple[int, str]]:
    """(index, value) of the slots in use; slot 1 is always shown, blank or not."""
    return [(index, value) for index, value in enumerate(values, 1) if index == 1 or value.strip()]


def _slots(name: str, prop: str, column: str, type_prop: str = "", enum: str = "", first: str = "") -> Type:
    fields = {
        "_id": leaf("Id", lambda item: str(item[0])),
        "denormalizedIndex": leaf("Int", itemgetter(0)),
        prop: leaf("String", itemgetter(1), column),
    }
    if type_prop:
        fields[type_prop] = leaf(enum, lambda item: first if item[0] == 1 else "other")
    return Type(name, fields)


def _system(generation: Generation) -> dict[str, Field]:
    fields = {
        "_id": leaf("Id", "id"),
        "_createStamp": stamp("created", "CREDATTIM"),
        "_updateStamp": stamp("stamp", "UPDDATTIM"),
    }
    if generation == "x3":
        fields["_etag"] = leaf("String", lambda row: f"{row.id}-{row.stamp}")
        fields["_createUser"] = ref("SystemUser", lambda _: "ADMIN", "CREUSR")
        fields["_updateUser"] = ref("SystemUser", lambda _: "ADMIN", "UPDUSR")
    return fields


def _values(items: Sequence[str]) -> list[tuple[int, str]]:
    return [(index, value) for index, value in enumerate(items, 1) if value.strip()]


def build(folder: Folder, generation: Generation) -> Schema:
    """The schema of one generation over one folder's tables."""
    g2 = generation == "x3"
    system = _system(generation)
    types = {
        t.name: t
        for t in (
            _code_type("SystemUser"),
            _code_type("MasterCurrency", "isoCode", "localizedDescription"),
            _code_type("StructureCountry", "countryName"),
            _code_type("MasterLanguage"),
            _code_type("MasterCategory", "localizedDescription"),
            _code_type("MasterPaymentTerm"),
            _code_type("MasterStatistic"),
            _code_type("MasterUnit"),
            _code_type("MasterInvoiceType"),
            _code_type("SystemSite", "name"),
            _slots("PartAddressLine", "addressLine", "BPAADDLIG"),
            _slots("PartAddressEmail", "addressEmail", "WEB", "emailType", "EmailType", "email"),
            _slots("PartAddressPhone", "addressPhoneNumber", "TEL", "phoneType", "PhoneType", "landline"),
            _slots("PartCompanyName", "companyName", "BPRNAM"),
            Type("PartStatisticalGroup", {
                "denormalizedIndex": leaf("Int", itemgetter(0)),
                "value": ref("MasterStatistic", itemgetter(1), "TSCCOD"),
            }),
            Type("PartSalesRep", {
                "denormalizedIndex": leaf("Int", itemgetter(0)),
                "salesRep": ref("MasterSalesRep", itemgetter(1), "REP"),
            }),
            Type("MasterSalesRep", {
                "_id": leaf("Id", str), "code": ref("MasterStatistic", str), "name": leaf("String", str),
            }),
        )
    }  # fmt: skip
    partner_of = folder.partners.rows.__getitem__
    types["MasterBusinessPartner"] = Type("MasterBusinessPartner", system | _partner_fields(folder, g2))
    for side, addresses, contacts, owners in (
        ("Customer", folder.customer_addresses, folder.customer_contacts, folder.customers),
        ("Supplier", folder.supplier_addresses, folder.supplier_contacts, folder.suppliers),
    ):
        types[f"Master{side}Address"] = Type(f"Master{side}Address", system | _address_fields(side, owners.get))
        types[f"Master{side}Contact"] = Type(
            f"Master{side}Contact", system | _contact_fields(side, owners.get, folder.persons.get)
        )
        fields = _customer_fields if side == "Customer" else _supplier_fields
        types[f"Master{side}"] = Type(
            f"Master{side}",
            system | _shared_fields(partner_of, side, addresses, contacts, g2) | fields(addresses, contacts, g2),
        )
    types["MasterContactRelationship"] = Type("MasterContactRelationship", system | _person_fields())
    types["MasterProduct"] = Type("MasterProduct", system | _product_fields())
    types["SystemCompany"] = Type("SystemCompany", system | _named_fields())
    types["InvoicingPaymentTerm"] = Type("InvoicingPaymentTerm", system | _named_fields())
    types["SalesInvoice"] = Type("SalesInvoice", system | _invoice_fields(folder, g2))
    types["SalesInvoiceLine"] = Type("SalesInvoiceLine", system | _line_fields(folder))
    if not g2:
        types["InvoiceHeader"] = Type("InvoiceHeader", system | _total_fields() | {"id": leaf("String", "id", "NUM")})
    return Schema(types, _nodes(folder, types, generation))


def _nodes(folder: Folder, types: dict[str, Type], generation: Generation) -> list[Node]:
    def prefix(package: str) -> str:
        return f"{generation}{package}"

    master, own = prefix("MasterData"), attrgetter("id")
    nodes = [Node(master, "businessPartner", types["MasterBusinessPartner"], folder.partners, ("_id", "code"), {}, own)]
    for side, rows, addresses, contacts in (
        ("customer", folder.customers, folder.customer_addresses, folder.customer_contacts),
        ("supplier", folder.suppliers, folder.supplier_addresses, folder.supplier_contacts),
    ):
        upper = side.capitalize()
        by_owner = {f"{side}.code.code": "owner", f"{side}._id": "owner"}
        table: Table[Any] = rows
        nodes += [
            Node(master, side, types[f"Master{upper}"], table, ("_id", "code.code", "code._id"), {}, own),
            Node(
                master, f"{side}Address", types[f"Master{upper}Address"], addresses, ("_id",), by_owner,
                attrgetter("owner"),
            ),
            Node(
                master, f"{side}Contact", types[f"Master{upper}Contact"], contacts, ("_id",),
                by_owner | {"code.code": "person", "code._id": "person"}, attrgetter("owner"),
            ),
        ]  # fmt: skip
    sales = prefix("Sales")
    nodes += [
        Node(master, "contactRelationship", types["MasterContactRelationship"], folder.persons, ("_id", "code")),
        Node(master, "product", types["MasterProduct"], folder.products, ("_id", "code")),
        Node(prefix("System"), "company", types["SystemCompany"], folder.companies, ("_id", "code")),
        Node(prefix("InvoicingData"), "paymentTerm", types["InvoicingPaymentTerm"], folder.terms, ("_id", "code")),
        Node(sales, "salesInvoice", types["SalesInvoice"], folder.invoices, ("_id", "id")),
        Node(
            sales, "salesInvoiceLine", types["SalesInvoiceLine"], folder.lines, ("_id",),
            {"salesInvoice.id": "invoice", "salesInvoice._id": "invoice"},
        ),
    ]  # fmt: skip
    if "InvoiceHeader" in types:
        invoicing = prefix("InvoicingData")
        nodes.append(Node(invoicing, "customerInvoiceHeader", types["InvoiceHeader"], folder.invoices, ("_id", "id")))
    return nodes


def _partner_fields(folder: Folder, g2: bool) -> dict[str, Field]:
    fields = {
        "code": leaf("String", "id", "BPRNUM"),
        "isActive": leaf("Boolean", "active", "ENAFLG"),
        "shortCompanyName": leaf("String", "short", "BPRSHO"),
        "europeanUnionVatNumber": leaf("String", "vat", "EECNUM"),
        "siteIdentificationNumber": leaf("String", "registration", "CRN"),
        "country": ref("StructureCountry", "country", "CRY"),
        "currency": ref("MasterCurrency", "currency", "CUR"),
        "language": ref("MasterLanguage", "language", "LAN"),
        "isCustomer": leaf("Boolean", "is_customer", "BPCFLG"),
        "isSupplier": leaf("Boolean", "is_supplier", "BPSFLG"),
        "isProspect": leaf("Boolean", lambda _: False, "PPTFLG"),
        "isSalesRep": leaf("Boolean", lambda _: False, "REPFLG"),
        "isPhysicalPerson": leaf("Boolean", lambda _: False, "LEGETT"),
        "isMailingProhibited": leaf("Boolean", "prohibited", "BPRFBDMAG"),
    }
    if g2:
        fields["companyName1"] = leaf("String", lambda row: row.names[0], "BPRNAM(0)")
        fields["companyName2"] = leaf("String", lambda row: row.names[1], "BPRNAM(1)")
    else:
        fields["companyNames"] = many("PartCompanyName", lambda row: _numbered(row.names), "BPRNAM")
    return fields


def _shared_fields(
    partner_of: Callable[[str], Partner], side: str, addresses: Table[Address], contacts: Table[Contact], g2: bool
) -> dict[str, Field]:
    """What customer and supplier have in common; names and country live in the partner row."""
    group_addresses, group_contacts = addresses.group, contacts.group
    return {
        "code": ref(
            "MasterBusinessPartner", lambda row: partner_of(row.id), "BPCNUM" if side == "Customer" else "BPSNUM"
        ),
        "isActive": leaf("Boolean", "active", "BPCSTA" if side == "Customer" else "ENAFLG"),
        "companyName1" if g2 else "companyName": leaf("String", lambda row: partner_of(row.id).names[0], "BPRNAM(0)"),
        "companyNames": many("PartCompanyName", lambda row: _filled(partner_of(row.id).names), "BPRNAM"),
        "shortCompanyName": leaf("String", lambda row: partner_of(row.id).short, "BPRSHO"),
        "currency": ref("MasterCurrency", "currency", "CUR"),
        "country": ref("StructureCountry", lambda row: partner_of(row.id).country, "CRY"),
        "language": ref("MasterLanguage", lambda row: partner_of(row.id).language, "LAN"),
        "paymentTerm": ref("MasterPaymentTerm", "payment_term", "PTE"),
        "statisticalGroups": many("PartStatisticalGroup", lambda row: _values(row.groups), "TSCCOD"),
        "addresses": many(f"Master{side}Address", lambda row: group_addresses("owner", row.id)),
        "contacts": many(f"Master{side}Contact", lambda row: group_contacts("owner", row.id)),
    }


def _customer_fields(addresses: Table[Address], contacts: Table[Contact], g2: bool) -> dict[str, Field]:
    return {
        "customerCategory" if g2 else "category": ref("MasterCategory", "category", "BCGCOD"),
        "salesReps": many("PartSalesRep", lambda row: _values(row.reps), "REP"),
        "defaultAddress": ref("MasterCustomerAddress", lambda row: addresses.get(row.default_address), "BPAADD"),
        "defaultContact": ref("MasterCustomerContact", lambda row: contacts.get(row.default_contact), "CNTNAM"),
        "creditControl": leaf("CreditControl", lambda _: "check", "OSTCTL"),
        "authorizedCreditAmount": leaf("Decimal", lambda _: "0", "OSTAUZ"),
    }


def _supplier_fields(addresses: Table[Address], contacts: Table[Contact], g2: bool) -> dict[str, Field]:
    fields = {
        "category": ref("MasterCategory", "category", "BSGCOD"),
        "addressByDefault": ref("MasterSupplierAddress", lambda row: addresses.get(row.default_address), "BPAADD"),
    }
    if g2:
        fields["defaultContact"] = ref("MasterSupplierContact", lambda row: contacts.get(row.default_contact), "CNTNAM")
    else:
        fields["defaultContact"] = leaf("String", lambda row: (row.default_contact or "").partition("~")[2], "CNTNAM")
    return fields


def _address_fields(side: str, owner: Callable[[str | None], Customer | Supplier | None]) -> dict[str, Field]:
    return {
        side.lower(): ref(f"Master{side}", lambda row: owner(row.owner), "BPANUM"),
        "code": leaf("String", "code", "BPAADD"),
        "description": leaf("String", "description", "BPADES"),
        "isDefault": leaf("Boolean", "is_default", "BPAADDFLG"),
        "isValid": leaf("Boolean", lambda _: True, "ADRVAL"),
        "addressLines": many("PartAddressLine", lambda row: _filled(row.lines), "BPAADDLIG"),
        "zipCode": leaf("String", "postal_code", "POSCOD"),
        "city": leaf("String", "city", "CTY"),
        "state": leaf("String", "state", "SAT"),
        "country": ref("StructureCountry", "country", "CRY"),
        "countryName": leaf("String", "country", "CRYNAM"),
        "addressEmails": many("PartAddressEmail", lambda row: _filled(row.emails), "WEB"),
        "addressPhoneNumbers": many("PartAddressPhone", lambda row: _filled(row.phones), "TEL"),
        "fax": leaf("String", "fax", "FAX"),
        "website": leaf("String", "website", "FCYWEB"),
    }


def _contact_fields(
    side: str, owner: Callable[[str | None], Customer | Supplier | None], person: Callable[[str | None], Person | None]
) -> dict[str, Field]:
    def of_person(type_: str, name: str, column: str = "") -> Field:
        read = attrgetter(name)
        return leaf(type_, lambda row: None if (who := person(row.person)) is None else read(who), column)

    return {
        side.lower(): ref(f"Master{side}", lambda row: owner(row.owner), "BPANUM"),
        "code": ref("MasterContactRelationship", lambda row: person(row.person), "CCNCRM"),
        "email": leaf("String", "email", "WEB"),
        "landline": leaf("String", "landline", "TEL"),
        "cellPhone": leaf("String", "mobile", "MOB"),
        "position": leaf("FunctionContact", "position", "CNTFNC"),
        "department": leaf("String", "department", "CNTSRV"),
        "defaultAddress": leaf("String", "address_code", "BPAADD"),
        "relationshipEmail": of_person("String", "email", "WEB"),
        "relationshipTitle": of_person("String", "title", "CNTTTL"),
        "relationshipFirstName": of_person("String", "first_name", "CNTFNA"),
        "relationshipLastName": of_person("String", "last_name", "CNTLNA"),
        "relationshipLandline": of_person("String", "landline"),
        "relationshipCellPhone": of_person("String", "mobile"),
        "relationshipIsMailingProhibited": of_person("Boolean", "prohibited"),
        "relationshipLanguage": ref("MasterLanguage", lambda row: getattr(person(row.person), "language", None)),
        "relationshipCountry": ref("StructureCountry", lambda row: getattr(person(row.person), "country", None)),
    }


def _person_fields() -> dict[str, Field]:
    return {
        "code": leaf("String", "id", "CNTNUM"),
        "title": leaf("String", "title", "CNTTTL"),
        "firstName": leaf("String", "first_name", "CNTFNA"),
        "lastName": leaf("String", "last_name", "CNTLNA"),
        "email": leaf("String", "email", "WEB"),
        "language": ref("MasterLanguage", "language", "LAN"),
        "isMailingProhibited": leaf("Boolean", "prohibited"),
    }


def _product_fields() -> dict[str, Field]:
    return {
        "code": leaf("String", "id", "ITMREF"),
        "description1": leaf("String", "description", "ITMDES1"),
        "localizedDescription1": leaf("String", "description", "ITMDES1"),
        "productCategory": ref("MasterCategory", "category", "TCLCOD"),
        "productStatus": leaf("ProductStatus", "status", "ITMSTA"),
        "salesUnit": ref("MasterUnit", "unit", "SAU"),
        "basePrice": leaf("Decimal", "base_price", "BASPRI"),
    }


def _named_fields() -> dict[str, Field]:
    return {
        "code": leaf("String", "id"),
        "name": leaf("String", "name"),
        "currency": ref("MasterCurrency", lambda row: row.currency or None, "CUR"),
    }


def _total_fields() -> dict[str, Field]:
    return {
        "totalAmountExcludingTax": leaf("Decimal", "excluding_tax", "AMTNOT"),
        "totalAmountIncludingTax": leaf("Decimal", "including_tax", "AMTATI"),
    }


def _invoice_fields(folder: Folder, g2: bool) -> dict[str, Field]:
    def address(row: Invoice) -> Address | None:
        return folder.customer_addresses.get(f"{row.bill_to}~MAIN")

    fields = {
        "id": leaf("String", "id", "NUM"),
        "company": ref("SystemCompany", lambda row: folder.companies.get(row.company), "CPY"),
        "salesSite": ref("SystemSite", "site", "FCY"),
        "category": leaf("InvoiceType", "category", "INVTYP"),
        "invoiceType" if g2 else "customerInvoiceType": ref("MasterInvoiceType", "type", "SIVTYP"),
        "invoiceDate": leaf("Date", "date", "INVDAT"),
        "billToCustomer": ref("MasterCustomer", lambda row: folder.customers.get(row.bill_to), "BPCINV"),
        "soldToCustomer": ref("MasterCustomer", lambda row: folder.customers.get(row.sold_to), "BPCORD"),
        "payByBusinessPartner": ref("MasterBusinessPartner", lambda row: folder.partners.get(row.bill_to), "BPR"),
        "currency": ref("MasterCurrency", "currency", "CUR"),
        "status": leaf("InvoiceStatus", "status", "INVSTA"),
        "customerSourceDocument": leaf("String", "reference"),
        "billToCustomerCity": leaf("String", lambda row: getattr(address(row), "city", " ")),
        "billToCustomerPostalCode": leaf("String", lambda row: getattr(address(row), "postal_code", " ")),
        "billToCustomerCountry": ref("StructureCountry", lambda row: getattr(address(row), "country", None)),
    }
    return fields | _total_fields() if g2 else fields


def _line_fields(folder: Folder) -> dict[str, Field]:
    invoice_of: Callable[[InvoiceLine], Invoice | None] = lambda row: folder.invoices.get(row.invoice)  # noqa: E731 - one of many getters
    product_of: Callable[[InvoiceLine], Product | None] = lambda row: folder.products.get(row.product)  # noqa: E731 - one of many getters
    return {
        "salesInvoice": ref("SalesInvoice", invoice_of, "NUM"),
        "lineNumber": leaf("Int", "number", "SIDLIN"),
        "product": ref("MasterProduct", product_of, "ITMREF"),
        "productDescriptionInUserLanguage": leaf("String", "description", "ITMDES"),
        "quantityInSalesUnitInvoiced": leaf("Decimal", "quantity", "QTY"),
        "salesUnit": ref("MasterUnit", "unit", "SAU"),
        "grossPrice": leaf("Decimal", "gross_price"),
        "netPrice": leaf("Decimal", "net_price", "NETPRI"),
        "lineAmountExcludingTax": leaf("Decimal", "excluding_tax", "AMTNOTLIN"),
        "lineAmountIncludingTax": leaf("Decimal", "including_tax"),
        "billToCustomer": ref("MasterCustomer", lambda row: folder.customers.get(row.bill_to), "BPCINV"),
        "invoiceDate": leaf("Date", "date", "INVDAT"),
    }


def owner_code(row: Row) -> str:
    """The partner a row belongs to: its own code, or its owner's."""
    return str(getattr(row, "owner", row.id))
