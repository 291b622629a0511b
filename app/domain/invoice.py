"""What is read from Sage X3 for a store: sales documents with their lines, and pages of them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from app.domain.party import SourcePage, Value

CREDITS = ("creditMemo", "creditNote")
"""Categories of documents that take something back; everything else is read as a document of its own."""

Kind = Literal["credits", "others"]
"""Which documents a reading is about: those of CREDITS, or all the others."""


class InvoiceLine(msgspec.Struct, frozen=True, gc=False):
    """One line; `amount` is without tax, `product` and `title` are empty for lines of text.

    Money and quantities are exact: X3 writes them as decimal strings.
    """

    id: str
    product: str
    title: str
    quantity: Decimal
    price: Decimal | None
    amount: Decimal


class Invoice(msgspec.Struct, frozen=True, gc=False):
    """One sales document. `customer` is the code of who is billed, `reference` what the customer's document is called,
    which for a credit memo may be the number of the invoice it takes back.

    `values` stand in the order of InvoiceSelection.fields and serve filters; `lines` are empty where nobody asked.
    """

    number: str
    company: str
    category: str
    status: str
    day: date | None
    currency: str
    excluding_tax: Decimal
    including_tax: Decimal
    customer: str
    reference: str
    updated_at: datetime | None
    values: tuple[Value, ...]
    lines: tuple[InvoiceLine, ...] = ()

    @property
    def tax(self) -> Decimal:
        """X3 has no field for it: the difference of both totals."""
        return self.including_tax - self.excluding_tax


class InvoiceSelection(msgspec.Struct, frozen=True):
    """`fields` are those of the stream that a filter looks at. `companies` restricts readings by range and by stamp;
    None reads every company of the folder."""

    fields: tuple[str, ...]
    companies: tuple[str, ...] | None


class InvoicePage(SourcePage, frozen=True):
    """A page of documents in the order of their numbers; it holds no parties."""

    invoices: tuple[Invoice, ...] = ()
