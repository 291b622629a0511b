"""A connection, its facts and a selection become a source of sales documents, over GraphQL or REST."""

from collections.abc import Mapping
from typing import Any

from app.connectors.sage_x3.access import open_access
from app.connectors.sage_x3.invoice_children import Children
from app.connectors.sage_x3.invoice_paths import LINES, ROOTS, STREAM, TOTALS, lanes, resolve
from app.connectors.sage_x3.invoice_rows import Heads, Lines
from app.connectors.sage_x3.invoices import InvoiceSource
from app.connectors.sage_x3.opening import _generation, _page_size
from app.connectors.sage_x3.paging import Pager, PageSize
from app.connectors.sage_x3.paths import Generation, Path
from app.connectors.sage_x3.patience import FOR_A_PERSON, FOR_A_RUN
from app.connectors.sage_x3.rest.invoices import RestInvoices
from app.connectors.sage_x3.rest.opening import open_rest_invoices
from app.connectors.sage_x3.settings import X3Settings, read_settings
from app.domain.errors import NeedsTenant
from app.domain.invoice import InvoiceSelection

PAGE_ROWS = 100
"""Documents per page at most: each is a call at Mailchimp, and a page should be written well within a slice."""

AnyInvoices = InvoiceSource | RestInvoices


def open_invoices(
    *,
    settings: Mapping[str, Any] | X3Settings,
    facts: Mapping[str, Any],
    selection: InvoiceSelection,
    interactive: bool = False,
    **given: Any,
) -> AnyInvoices:
    """As open_source(), for sales documents; `given` is the rest of what open_access() takes. Makes no call.

    Raises:
        NeedsTenant: settings or credential cannot work, or this X3 does not offer what orders need.
    """
    if given["kind"] == "rest_basic":
        return open_rest_invoices(
            settings=settings, facts=facts, selection=selection, most_rows=PAGE_ROWS, interactive=interactive, **given
        )
    read = read_settings(settings)
    generation = _generation(read, facts)
    verified = facts if facts.get("generation") == generation else {}
    head = _paths(STREAM, read, generation, verified)
    line = _paths(LINES, read, generation, verified)
    try:
        heads, lines = Heads(head, selection.fields), Lines(line)
    except (ValueError, KeyError) as error:
        raise NeedsTenant("x3_settings", f"settings.fields contradict each other: {error}.") from None
    patience = FOR_A_PERSON if interactive else FOR_A_RUN
    access = open_access(settings=read, facts=facts, patience=patience, **given)
    root, rows = ROOTS[generation], _page_size(read, facts)
    return InvoiceSource(
        root=root,
        graphql=access.graphql,
        pager=Pager(access.graphql, PageSize(min(rows, PAGE_ROWS)), read.filter_dialect),
        paths=head,
        heads=heads,
        children=Children(
            root,
            Pager(access.graphql, PageSize(rows), read.filter_dialect),
            lines,
            line["invoice"],
            separate_totals=any(name not in head for name in TOTALS) and generation == "xtremX3",
        ),
        lanes=lanes(head, line),
        companies=selection.companies,
    )


def _paths(kind: str, settings: X3Settings, generation: Generation, facts: Mapping[str, Any]) -> dict[str, Path]:
    known = (facts.get("paths") or {}).get(kind)
    overrides = settings.fields.get(kind, {})
    if known is not None and (facts.get("verified_fields") or {}).get(kind, {}) == overrides:
        overrides = {}  # the paths found include these, unless X3 does not have them
    return resolve(kind, generation, overrides, known)
