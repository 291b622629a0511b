"""Documents that people change in the stand-in X3: the right rows, the right stamps, totals that add up."""

import pytest

from sandbox.x3.export import export
from sandbox.x3.invoicing import InvoicePatch, LinePatch, delete_invoice, upsert_invoice
from sandbox.x3.state import X3State


def told(state: X3State, number: str) -> dict[str, object]:
    return next(row for row in export(state.folder, "invoices") if row["number"] == number)


def test_a_new_document_is_a_posted_invoice_with_totals_of_its_lines(x3_state: X3State) -> None:
    lines = (LinePatch(number=1000, quantity="1.5", net_price="10"), LinePatch(number=2000, amount="-3"))
    upsert_invoice(x3_state, InvoicePatch(number="N-1", lines=lines))

    row = told(x3_state, "N-1")
    assert (row["category"], row["status"], row["excluding_tax"], row["including_tax"]) == (
        "invoice",
        "posted",
        "12",
        "14.4",
    )


def test_a_line_that_is_worth_the_same_touches_itself_only(x3_state: X3State) -> None:
    upsert_invoice(x3_state, InvoicePatch(number="N-1", lines=(LinePatch(number=1000),), stamp=100))
    upsert_invoice(x3_state, InvoicePatch(number="N-1", lines=(LinePatch(number=1000, description="x"),), stamp=200))

    assert x3_state.folder.invoices.rows["N-1"].stamp == 100
    assert x3_state.folder.lines.rows["N-1~1000"].stamp == 200


def test_a_cancelled_document_keeps_its_lines_and_a_deleted_one_nothing(x3_state: X3State) -> None:
    upsert_invoice(x3_state, InvoicePatch(number="N-1", lines=(LinePatch(number=1000),)))
    upsert_invoice(x3_state, InvoicePatch(number="N-1", status="notUsed", stamp=300))
    assert x3_state.folder.invoices.rows["N-1"].stamp == 300
    assert told(x3_state, "N-1")["lines"]

    delete_invoice(x3_state, "N-1")
    with pytest.raises(StopIteration):
        told(x3_state, "N-1")
    assert x3_state.folder.lines.group("invoice", "N-1") == []
