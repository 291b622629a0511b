"""The rows of an example Sage X3 folder, one class per node of the reference; stamps are seconds since 1970."""

import msgspec


class Row(msgspec.Struct, gc=False, kw_only=True):
    """What every row has: a key that is text, and its own two stamps."""

    id: str
    created: int
    stamp: int


class Partner(Row, gc=False, kw_only=True):
    """BPARTNER: names, country, language and flags shared by the customer and the supplier of one code."""

    active: bool
    names: tuple[str, str]
    short: str
    vat: str
    registration: str
    country: str
    currency: str
    language: str
    is_customer: bool
    is_supplier: bool
    prohibited: bool


class Customer(Row, gc=False, kw_only=True):
    """BPCUSTOMER; `id` is the partner's code."""

    active: bool
    category: str
    currency: str
    payment_term: str
    groups: tuple[str, ...]
    reps: tuple[str, ...]
    default_address: str  # id of an Address
    default_contact: str | None  # id of a Contact


class Supplier(Row, gc=False, kw_only=True):
    """BPSUPPLIER; `id` is the partner's code."""

    active: bool
    category: str
    currency: str
    payment_term: str
    groups: tuple[str, ...]
    default_address: str
    default_contact: str | None


class Address(Row, gc=False, kw_only=True):
    """BPADDRESS; `emails` are the slots WEB(0..4), each of which may hold several addresses or garbage."""

    owner: str
    code: str
    description: str
    lines: tuple[str, ...]
    postal_code: str
    city: str
    state: str
    country: str
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    website: str
    fax: str
    is_default: bool


class Contact(Row, gc=False, kw_only=True):
    """CONTACT: a person's role at one partner, with its own e-mail."""

    owner: str
    person: str
    email: str
    landline: str
    mobile: str
    position: str
    department: str
    address_code: str


class Person(Row, gc=False, kw_only=True):
    """CONTACTCRM: one human being, who may serve several partners."""

    title: str
    first_name: str
    last_name: str
    email: str
    landline: str
    mobile: str
    language: str
    country: str
    prohibited: bool


class Product(Row, gc=False, kw_only=True):
    """ITMMASTER."""

    description: str
    category: str
    status: str
    unit: str
    base_price: str | None


class Invoice(Row, gc=False, kw_only=True):
    """SINVOICE: any sales document of any company of the folder; `id` is its number."""

    company: str
    site: str
    category: str  # invoice | creditMemo | debitNote | creditNote | proforma
    type: str
    date: str  # YYYY-MM-DD
    bill_to: str
    sold_to: str
    currency: str
    excluding_tax: str
    including_tax: str
    status: str  # notPosted | posted | notUsed
    reference: str


class InvoiceLine(Row, gc=False, kw_only=True):
    """SINVOICED; `id` is number and line number."""

    invoice: str
    number: int
    product: str
    description: str
    quantity: str
    unit: str
    gross_price: str
    net_price: str
    excluding_tax: str
    including_tax: str
    bill_to: str
    date: str


class Named(Row, gc=False, kw_only=True):
    """A row of a small table: payment terms, companies."""

    name: str
    currency: str = ""
