"""Where the fields of sales documents and their lines live in X3's GraphQL schema; several candidates each.

Source: developer.sage.com/x3, GraphQL reference x3Sales/salesInvoice and salesInvoiceLine; reference/sage-x3.md 4.7.
"""

from collections.abc import Mapping

from app.connectors.sage_x3.paths import Candidates, Generation, Lane, Path, parse_path
from app.domain.errors import NeedsTenant

ROOTS: dict[Generation, str] = {"x3": "x3Sales", "xtremX3": "xtremX3Sales"}
NODE, LINE_NODE = "salesInvoice", "salesInvoiceLine"
HEADER_ROOT, HEADER_NODE = "xtremX3InvoicingData", "customerInvoiceHeader"
"""Where the older generation keeps the totals."""

STREAM, LINES = "invoices", "invoices.lines"
"""Names under which verification notes the paths it found, and settings.fields may set others."""

TOTALS = ("total_excluding_tax", "total_including_tax")

_HEAD: dict[str, Candidates] = {
    "number": ("id", "id.id", "_id"),
    "company": ("company.code",),
    "site": ("salesSite.code",),
    "category": ("category",),
    "status": ("status",),
    "date": ("invoiceDate",),
    "currency": ("currency.code",),
    "total_excluding_tax": ("totalAmountExcludingTax",),
    "total_including_tax": ("totalAmountIncludingTax",),
    "bill_to_customer": ("billToCustomer.code.code",),
    "sold_to_customer": ("soldToCustomer.code.code",),
    "customer_reference": ("customerSourceDocument",),
    "created_at": ("_createStamp",),
    "updated_at": ("_updateStamp",),
}
_LINE: dict[str, Candidates] = {
    "invoice": ("salesInvoice.id", "salesInvoice._id"),
    "company": ("salesInvoice.company.code",),
    "number": ("lineNumber",),
    "product": ("product.code",),
    "title": ("product.localizedDescription1", "product.description1"),
    "description": ("productDescriptionInUserLanguage",),
    "quantity": ("quantityInSalesUnitInvoiced",),
    "price": ("netPrice", "grossPrice"),
    "amount": ("lineAmountExcludingTax",),
}
VITAL = ("number", "company", "category", "status", "currency", "bill_to_customer")
VITAL_LINE = ("invoice", "number", "quantity", "amount")


def candidates(kind: str, overrides: Mapping[str, str]) -> dict[str, Candidates]:
    """Every field of the documents (STREAM) or their lines (LINES) and the paths that may hold it, best first."""
    table = dict(_HEAD if kind == STREAM else _LINE)
    table.update({name: (path,) for name, path in overrides.items()})
    return table


def resolve(
    kind: str, generation: Generation, overrides: Mapping[str, str], known: Mapping[str, str] | None
) -> dict[str, Path]:
    """One path per field. `known` is what verification found; without it the first candidate is taken on trust, and
    the totals of the older generation are looked for in its own node.

    Raises:
        NeedsTenant: a field without which no order can be made has no path.
    """
    if known is not None:
        chosen = {**known, **overrides}
    else:
        chosen = {name: paths[0] for name, paths in candidates(kind, overrides).items()}
        for name in TOTALS if generation == "xtremX3" and kind == STREAM else ():
            if name not in overrides:
                del chosen[name]
    missing = [name for name in (VITAL if kind == STREAM else VITAL_LINE) if name not in chosen]
    if missing:
        raise NeedsTenant("x3_invoices", f"This X3 does not offer {kind}.{missing[0]}; orders need it.")
    return {name: parse_path(path) for name, path in chosen.items()}


def lanes(head: Mapping[str, Path], line: Mapping[str, Path]) -> tuple[tuple[Lane, Path], ...]:
    """Nodes whose stamps tell of changed documents, with the path of each to the document's company."""
    return (
        (Lane(NODE, head["number"]), head["company"]),
        (Lane(LINE_NODE, line["invoice"]), line.get("company", parse_path("salesInvoice.company.code"))),
    )
