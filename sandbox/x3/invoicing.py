"""Documents people enter, post, correct and cancel in X3: friendly fields in, rows touched out."""

from decimal import Decimal

import msgspec

from sandbox.rows import Invoice, InvoiceLine
from sandbox.x3.state import Folder, X3State


class LinePatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One line; what is left out stays, or is ordinary for a new one. `amount` defaults to quantity times price."""

    number: int
    product: str | None = None
    description: str | None = None
    quantity: str | None = None
    net_price: str | None = None
    amount: str | None = None


class InvoicePatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may be changed at a document; one that is not there is made, as a posted invoice unless it says otherwise.

    `lines` are changed or added by their number, `drop_lines` removed. A changed line gets a stamp of its own; the
    document gets one when a field of it, totals included, changes. Tax is a fifth unless `including_tax` is given.
    """

    number: str
    company: str | None = None
    customer: str | None = None
    category: str | None = None
    status: str | None = None
    currency: str | None = None
    date: str | None = None
    reference: str | None = None
    including_tax: str | None = None
    lines: tuple[LinePatch, ...] = ()
    drop_lines: tuple[int, ...] = ()
    stamp: int | None = None


def upsert_invoice(state: X3State, patch: InvoicePatch) -> None:
    """Make or change one document."""
    folder, now = state.folder, patch.stamp if patch.stamp is not None else int(state.now())
    if patch.number not in folder.invoices.rows:
        folder.invoices.put(_new(folder, patch, now))
    row = folder.invoices.rows[patch.number]
    for number in patch.drop_lines:
        folder.lines.remove(f"{row.id}~{number}")
    for line in patch.lines:
        _line(folder, row, line, now)
    changes = {
        "company": patch.company, "bill_to": patch.customer, "category": patch.category, "status": patch.status,
        "currency": patch.currency, "date": patch.date, "reference": patch.reference,
    } | _totals(folder, row, patch)  # fmt: skip
    changed = {name: value for name, value in changes.items() if value is not None and getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        folder.invoices.touch(row, now)


def delete_invoice(state: X3State, number: str) -> None:
    """Delete one document with its lines: no trace stays. Raises KeyError."""
    state.folder.invoices.remove(number)
    for line in state.folder.lines.group("invoice", number):
        state.folder.lines.remove(line.id)


def _new(folder: Folder, patch: InvoicePatch, now: int) -> Invoice:
    customer = patch.customer or folder.customers.keys[0]
    return Invoice(
        id=patch.number, created=now, stamp=now, company=patch.company or "FR10", site="FR011",
        category=patch.category or "invoice", type="INV", date=patch.date or "2026-01-31", bill_to=customer,
        sold_to=customer, currency=patch.currency or "EUR", excluding_tax="0", including_tax="0",
        status=patch.status or "posted", reference=patch.reference or " ",
    )  # fmt: skip


def _line(folder: Folder, invoice: Invoice, patch: LinePatch, now: int) -> None:
    key = f"{invoice.id}~{patch.number}"
    row = folder.lines.get(key)
    if row is None:
        product = folder.products.rows[patch.product or folder.products.keys[0]]
        row = InvoiceLine(
            id=key, created=now, stamp=now, invoice=invoice.id, number=patch.number, product=product.id,
            description=product.description, quantity="1", unit="UN", gross_price="10", net_price="10",
            excluding_tax="10", including_tax="12", bill_to=invoice.bill_to, date=invoice.date,
        )  # fmt: skip
        folder.lines.put(row)
    row.product = row.product if patch.product is None else patch.product
    row.description = row.description if patch.description is None else patch.description
    row.quantity = row.quantity if patch.quantity is None else patch.quantity
    row.net_price = row.net_price if patch.net_price is None else patch.net_price
    amount = Decimal(row.quantity) * Decimal(row.net_price) if patch.amount is None else Decimal(patch.amount)
    row.excluding_tax, row.including_tax = _written(amount), _written(amount * 6 / 5)
    folder.lines.touch(row, now)


def _totals(folder: Folder, row: Invoice, patch: InvoicePatch) -> dict[str, str | None]:
    if not patch.lines and not patch.drop_lines:
        return {"including_tax": patch.including_tax}
    without = sum((Decimal(line.excluding_tax) for line in folder.lines.group("invoice", row.id)), Decimal(0))
    return {"excluding_tax": _written(without), "including_tax": patch.including_tax or _written(without * 6 / 5)}


def _written(amount: Decimal) -> str:
    """As X3 writes decimals: to the cent, without needless zeros."""
    text = f"{amount:.2f}"
    return text.rstrip("0").rstrip(".")
