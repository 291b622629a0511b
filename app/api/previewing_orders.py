"""A mapping of invoices tried on real documents: the orders they would become, before any sync's filter and store."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.api.deps import Access
from app.api.schemas.mappings import PreviewItem, PreviewPublic, PreviewRequest, PreviewWarning
from app.db.connections import Connection
from app.domain.definition import MappingDefinition
from app.domain.invoice import CREDITS, Invoice, InvoiceSelection
from app.domain.member import Member
from app.domain.order_mapping import DOCUMENT_FIELDS, compile_buyers
from app.domain.order_planning import credit_of
from app.domain.ordering import Rules, to_order, why_not
from app.sync.order_ledger import shown_order
from app.sync.order_ports import Documents


async def preview_orders(
    access: Access, body: PreviewRequest, definition: MappingDefinition, source: Connection
) -> PreviewPublic:
    """The given documents, or the first of the folder. Writes nothing."""
    opener, keys = access.resources.opener, access.keys
    reader = opener.invoices(keys, source, InvoiceSelection(DOCUMENT_FIELDS, None), interactive=True)
    customers, _ = compile_buyers(definition)
    invoices, items = await _read(reader, body)
    barred: dict[str, str | None] = {invoice.customer: "customer_missing" for invoice in invoices}
    async for page in opener.source(keys, source, customers.selection).by_codes(sorted(barred)):
        for party in page.parties:
            (made, *_) = customers.members(party)
            prohibited = isinstance(made, Member) and made.is_prohibited
            barred[party.code] = (
                "mailing_prohibited" if prohibited else None if isinstance(made, Member) else "no_email"
            )
    items = [*(_item(invoice, barred) for invoice in invoices), *items]
    found = {item.code for item in items}
    items += [_left_out(code, "not_found") for code in dict.fromkeys(body.codes or ()) if code not in found]
    return PreviewPublic(items=items, warnings=list(reader.warnings))


async def _read(reader: Documents, body: PreviewRequest) -> tuple[list[Invoice], list[PreviewItem]]:
    limit = len(body.codes) if body.codes else body.limit
    invoices: list[Invoice] = []
    refused: list[PreviewItem] = []
    pages = reader.by_codes(body.codes) if body.codes else reader.scan("others", None, None)
    async for page in pages:
        invoices += page.invoices[: limit - len(invoices)]
        refused += [_left_out(refusal.code, refusal.reason) for refusal in page.refused]
        if len(invoices) + len(refused) >= limit:
            break
    return invoices, refused[: max(0, limit - len(invoices))]


def _item(invoice: Invoice, barred: Mapping[str, str | None]) -> PreviewItem:
    """The store is not known here: an order is shown in the currency of its invoice."""
    source: dict[str, Any] = dict(zip(DOCUMENT_FIELDS, invoice.values, strict=True))
    source["lines"] = msgspec.to_builtins(invoice.lines)
    reason = why_not(invoice, Rules(lambda _: True, invoice.currency))
    if reason is None and invoice.category in CREDITS:
        return _credit(invoice, source)
    reason = reason or barred[invoice.customer]
    if reason is not None:
        return _left_out(invoice.number, reason, source)
    order = msgspec.to_builtins(shown_order(to_order(invoice)))
    return PreviewItem(
        code=invoice.number, source=source, member=None, order=order, warnings=[], decision="would_write"
    )


def _credit(memo: Invoice, source: dict[str, Any]) -> PreviewItem:
    if not memo.reference:
        return _left_out(memo.number, "credit_memo_unreferenced", source)
    message = f"Takes {credit_of(memo).total} {memo.currency} back of {memo.reference}, if that is an order."
    warning = PreviewWarning(target="customer_reference", message=message)
    return PreviewItem(
        code=memo.number, source=source, member=None, order=None, warnings=[warning], decision="would_write"
    )


def _left_out(code: str, reason: str, source: dict[str, Any] | None = None) -> PreviewItem:
    return PreviewItem(
        code=code, source=source or {}, member=None, order=None, warnings=[], decision=f"skipped:{reason}"
    )
