"""Every source field a mapping, filter or condition may name, with its type and what it means."""

from typing import Literal

import msgspec

FieldType = Literal["text", "boolean", "number", "date", "instant", "address", "emails"]
Scope = Literal["party", "contact", "invoice"]

ADDRESS_PARTS = ("line1", "line2", "line3", "city", "state", "postal_code", "country")
"""What the composite `default_address` expands to, in this order."""


class Field(msgspec.Struct, frozen=True):
    """`scope` contact: only in `per_contact` mode, one value per contact. Type `emails`: only in `email.sources`;
    `address`: only as the source of a field."""

    name: str
    type: FieldType
    description: str
    scope: Scope = "party"


def _of(scope: Scope, prefix: str, rows: str) -> tuple[Field, ...]:
    """Fields from lines of `name type description`."""
    split = (line.split(None, 2) for line in rows.strip().splitlines())
    return tuple(Field(prefix + name, type_, text, scope) for name, type_, text in split)  # type: ignore[arg-type]  # checked by a test


IDENTITY = _of(
    "party",
    "",
    """
    code text The X3 key of the customer or supplier
    name text Company name, first part
    name2 text Company name, second part (X3 splits names after 35 characters)
    short_name text Short company name
    is_active boolean Active in X3
    category text Category code of the customer or supplier
    currency text Currency code
    country text Country code of the business partner
    language text Language code of the business partner
    vat_number text European Union VAT number
    registration_number text Company registration number
    payment_term text Payment term code
    statistical_group_1 text Statistical group 1
    statistical_group_2 text Statistical group 2
    statistical_group_3 text Statistical group 3
    statistical_group_4 text Statistical group 4
    statistical_group_5 text Statistical group 5
    sales_rep_1 text Code of the first sales representative
    sales_rep_2 text Code of the second sales representative
    is_mailing_prohibited boolean Mailing prohibited for the business partner
    is_customer boolean The business partner is a customer
    is_supplier boolean The business partner is a supplier
    created_at instant When the record was made in X3
    updated_at instant When the record was last changed in X3
    """,
)

DEFAULT_ADDRESS = _of(
    "party",
    "default_address",
    """
    .code text Code of the default address
    .description text Label of the default address
    .line1 text First street line
    .line2 text Second street line
    .line3 text Third street line
    .city text City (X3 stores it in capitals)
    .state text State, province or county
    .postal_code text Postal code
    .country text Country code of the default address
    .country_name text Country name of the default address, in the API user's language
    .website text Web site
    .phone text First telephone number
    .fax text Fax number
    """,
)
WHOLE_ADDRESS = (Field("default_address", "address", "The whole default address, for a merge field of type address"),)

EMAILS = _of(
    "party",
    "",
    """
    default_address.emails emails E-mail slots of the default address
    addresses.emails emails E-mail slots of every address
    contacts.email emails E-mail of every contact in its role at this company
    contacts.relationship_email emails Personal e-mail of every contact
    default_contact.email emails E-mail of the default contact in its role at this company
    default_contact.relationship_email emails Personal e-mail of the default contact
    """,
)

_PERSON = """
    code text Code of the contact, unique within the company only
    first_name text First name
    last_name text Last name
    title text Form of address
    phone text Telephone number
    mobile text Mobile number
    position text Position, e.g. buyer or salesManager
    department text Department
    language text Language code of the contact
    is_mailing_prohibited boolean Mailing prohibited for the contact
    """

DEFAULT_CONTACT = _of("party", "default_contact.", _PERSON)

CONTACT = _of("contact", "contact.", _PERSON) + _of(
    "contact",
    "contact.",
    """
    email emails E-mail of the contact in its role at this company; read by itself in per_contact mode
    relationship_email emails Personal e-mail of the contact; read by itself in per_contact mode
    """,
)

INVOICE = _of(
    "invoice",
    "",
    """
    number text Invoice number
    company text Company code
    site text Sales site code
    category text invoice, creditMemo, debitNote, creditNote or proforma
    status text notPosted, posted or notUsed
    date date Invoice date
    currency text Currency code
    total_excluding_tax number Total without tax
    total_including_tax number Total with tax
    bill_to_customer text Code of the customer who is billed
    sold_to_customer text Code of the customer who ordered
    customer_reference text The customer's own reference
    created_at instant When the invoice was made in X3
    updated_at instant When the invoice was last changed in X3
    """,
)
