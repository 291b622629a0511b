"""What happens to a document, by what is remembered of it: nothing twice, nothing forgotten, nobody against consent."""

import hashlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.mailchimp.commerce_payloads import order_body
from app.domain.commerce import Order, StoreCustomer
from app.domain.order_planning import (
    IN_STORE,
    TAKEN_DOWN,
    Buyer,
    Ruling,
    Step,
    credit_of,
    refuse,
    rule,
    rule_credit,
    settle,
)
from app.domain.ordering import NOTHING_BACK, Credit, to_order
from app.domain.planning import UNKNOWN, Known, Outcome
from tests.unit.domain.test_ordering import RULES, an_invoice

D = Decimal
ADA = Buyer("C1", StoreCustomer("C1", "ada@acme.test"), b"h" * 16)


def print_(order: Order) -> bytes:
    return hashlib.sha256(order_body(order)).digest()[:16]


def standing(**given: Any) -> Known:
    """What is remembered of an invoice whose order is in the store as it should be."""
    return Known(**{"state": "synced", "fingerprint": print_(to_order(an_invoice())), "flags": IN_STORE, **given})


def ruled(known: Known = UNKNOWN, credit: Credit = NOTHING_BACK, **given: Any) -> Ruling:
    return rule(an_invoice(**given), known, credit, RULES, print_)


def test_a_new_invoice_is_put_and_one_that_is_there_is_left_alone() -> None:
    new, same = ruled(), ruled(standing())

    assert (new.step, new.outcome, new.flags) == (Step.PUT, Outcome.CREATED, IN_STORE)
    assert (same.step, same.outcome, same.remember) == (Step.NONE, Outcome.UNCHANGED, False)


@pytest.mark.parametrize(
    "changed", [{"including_tax": D("121")}, {"customer": "C2"}, {"day": None}, {"lines": ()}], ids=str
)
def test_any_change_of_the_order_is_put(changed: dict[str, Any]) -> None:
    ruling = rule(msgspec.structs.replace(an_invoice(), **changed), standing(), NOTHING_BACK, RULES, print_)

    assert (ruling.step, ruling.outcome) == (Step.PUT, Outcome.UPDATED)


def test_a_credit_memo_changes_what_the_order_is_worth() -> None:
    ruling = ruled(standing(), Credit(D(20), D(4)))

    assert ruling.order is not None
    assert (ruling.step, ruling.order.total, ruling.order.financial_status) == (Step.PUT, D(100), "partially_refunded")


def test_an_order_that_counts_no_more_is_cancelled_once() -> None:
    first = ruled(standing(), status="notUsed")
    again = ruled(Known(state="skipped", reason="cancelled", flags=first.flags), status="notUsed")
    never = ruled(status="notUsed")

    assert (first.step, first.outcome, first.reason) == (Step.CANCEL, Outcome.SKIPPED, "cancelled")
    assert first.flags == IN_STORE | TAKEN_DOWN
    assert (again.step, again.remember) == (Step.NONE, False)
    assert (never.step, never.flags, never.remember) == (Step.NONE, 0, True)


def test_a_cancelled_order_that_counts_again_is_made_anew() -> None:
    ruling = ruled(standing(state="skipped", reason="cancelled", flags=IN_STORE | TAKEN_DOWN))

    assert (ruling.step, ruling.outcome, ruling.flags) == (Step.RENEW, Outcome.UPDATED, IN_STORE)


@pytest.mark.parametrize("reason", ["no_email", "mailing_prohibited", "forgotten", "archived", "customer_missing"])
def test_a_customer_who_may_not_be_told_of_gets_no_order_and_it_waits(reason: str) -> None:
    ruling = ruled()
    settle(ruling, Buyer("C1", reason=reason), b"a" * 16, customer_known=False)

    assert (ruling.step, ruling.outcome, ruling.reason) == (Step.NONE, Outcome.SKIPPED, reason)
    assert (ruling.waits_for, ruling.flags) == ("customer:C1", 0)


@pytest.mark.parametrize(("reason", "goes_on"), [("no_email", True), ("archived", True), ("forgotten", False)])
def test_an_order_in_the_store_stays_true_except_for_the_forgotten(reason: str, goes_on: bool) -> None:
    ruling = ruled(standing(), including_tax=D(300))
    settle(ruling, Buyer("C1", reason=reason), b"a" * 16, customer_known=True)

    assert (ruling.step is Step.PUT) is goes_on


def test_an_order_goes_to_no_customer_the_store_does_not_know() -> None:
    ruling = ruled(standing(), including_tax=D(300))
    settle(ruling, Buyer("C1", reason="no_email"), b"a" * 16, customer_known=False)

    assert ruling.step is Step.NONE


def test_what_was_refused_is_tried_again_only_when_something_about_it_changed() -> None:
    ruling = ruled()
    settle(ruling, ADA, b"a" * 16, customer_known=False)
    refuse(ruling, "invalid_address", "No.", "customer", b"a" * 16)
    known = Known(state="rejected", reason="invalid_address", fingerprint=ruling.fingerprint, flags=ruling.flags)
    same, other = ruled(known), ruled(known)
    settle(same, ADA, b"a" * 16, customer_known=False)
    settle(other, ADA, b"b" * 16, customer_known=False)

    assert (ruling.outcome, ruling.waits_for, ruling.flags) == (Outcome.REJECTED, "customer:C1", 0)
    assert (same.step, same.reason, same.remember) == (Step.NONE, "refused_before", False)
    assert (other.step, other.outcome) == (Step.PUT, Outcome.CREATED)


def a_memo(**given: Any) -> Any:
    return an_invoice(category="creditMemo", reference="FR10-0", **given)


def test_a_credit_memo_counts_for_the_order_it_names_and_never_becomes_one() -> None:
    first = rule_credit(a_memo(), UNKNOWN, RULES, original_counts=True)
    known = Known(state="synced", fingerprint=first.fingerprint)
    same = rule_credit(a_memo(), known, RULES, original_counts=True)
    other = rule_credit(a_memo(including_tax=D(1)), known, RULES, original_counts=True)

    assert (first.step, first.outcome, first.original, first.order) == (Step.CREDIT, Outcome.CREATED, "FR10-0", None)
    assert (same.step, same.outcome) == (Step.NONE, Outcome.UNCHANGED)
    assert other.outcome is Outcome.UPDATED


def test_a_credit_memo_of_nothing_we_know_waits_for_it() -> None:
    lost = rule_credit(a_memo(), UNKNOWN, RULES, original_counts=False)
    nameless = rule_credit(an_invoice(category="creditNote"), UNKNOWN, RULES, original_counts=False)
    withdrawn = rule_credit(a_memo(status="notUsed"), Known(state="synced"), RULES, original_counts=True)

    assert (lost.outcome, lost.reason, lost.waits_for) == (
        Outcome.SKIPPED,
        "credit_memo_unreferenced",
        "document:FR10-0",
    )
    assert nameless.waits_for is None
    assert (withdrawn.step, withdrawn.reason) == (Step.CREDIT, "cancelled")


@given(st.decimals("-1000", "1000", places=2), st.decimals("-1000", "1000", places=2))
def test_a_credit_memo_takes_back_whatever_sign_x3_writes(with_tax: Decimal, without: Decimal) -> None:
    credit = credit_of(a_memo(including_tax=with_tax, excluding_tax=without))
    order = to_order(an_invoice(), credit)

    assert credit.total == abs(with_tax)
    assert credit.tax >= 0
    assert order.tax is not None
    assert 0 <= order.tax <= order.total <= D(120)
