"""What is to be done for each sales document, given what we remember of it. Pure."""

import hashlib
from collections.abc import Callable
from enum import StrEnum

import msgspec

from app.domain.commerce import Order, StoreCustomer
from app.domain.invoice import Invoice
from app.domain.ordering import ZERO, Credit, Rules, exact, to_order, why_not
from app.domain.planning import UNKNOWN, Known, Outcome

IN_STORE = 256  # the store has an order of this number; flags of the ledger, above those of members
TAKEN_DOWN = 512  # and that order was cancelled by us


class Step(StrEnum):
    """The call (or calls) that carry a ruling."""

    NONE = "none"
    PUT = "put"
    RENEW = "renew"  # delete the cancelled order, then put it anew
    CANCEL = "cancel"
    CREDIT = "credit"  # a credit memo is noted; the order of its original carries it out


class Buyer(msgspec.Struct, frozen=True, gc=False):
    """The billed customer as the store should know it, or why it may not.

    reason: no_email | mailing_prohibited | forgotten | archived | customer_missing. `hash` is the subscriber hash of
    the address, `is_new` says that no member of the audience has it.
    """

    code: str
    customer: StoreCustomer | None = None
    hash: bytes | None = None
    reason: str | None = None
    is_new: bool = False


class Ruling(msgspec.Struct, gc=False):
    """What happens to one document; `outcome` and `reason` are expectations until the store has answered."""

    number: str
    step: Step
    outcome: Outcome
    reason: str | None = None
    known: Known = UNKNOWN
    order: Order | None = None
    fingerprint: bytes | None = None
    flags: int = 0
    remember: bool = True
    buyer: Buyer | None = None
    detail: str = ""
    field: str | None = None
    waits_for: str | None = None
    original: str | None = None  # of a credit memo that counts: the invoice it takes back

    @property
    def writes(self) -> bool:
        return self.step is not Step.NONE


Print = Callable[[Order], bytes]
"""16 bytes that change exactly when the order as sent, or the store it goes to, changes."""


def rule(invoice: Invoice, known: Known, credit: Credit, rules: Rules, print_: Print) -> Ruling:
    """A document that is no credit memo. Whether its customer permits a new order is asked afterwards."""
    reason = why_not(invoice, rules)
    if reason is not None:
        return _left_out(invoice.number, known, reason)
    order = to_order(invoice, credit)
    ruling = Ruling(
        invoice.number,
        Step.PUT,
        Outcome.UPDATED if known.flags & IN_STORE else Outcome.CREATED,
        known=known,
        order=order,
        fingerprint=print_(order),
        flags=(known.flags | IN_STORE) & ~TAKEN_DOWN,
    )
    if known.flags & TAKEN_DOWN:
        ruling.step = Step.RENEW
    elif known.flags & IN_STORE and known.state == "synced" and known.fingerprint == ruling.fingerprint:
        ruling.step, ruling.outcome, ruling.remember = Step.NONE, Outcome.UNCHANGED, False
    return ruling


def _left_out(number: str, known: Known, reason: str) -> Ruling:
    """It counts for nothing here (any more): an order that the store has is cancelled."""
    ruling = Ruling(number, Step.NONE, Outcome.SKIPPED, reason, known=known, flags=known.flags)
    if known.flags & IN_STORE and not known.flags & TAKEN_DOWN:
        ruling.step, ruling.flags = Step.CANCEL, known.flags | TAKEN_DOWN
    ruling.remember = ruling.writes or known.state != "skipped" or known.reason != reason
    return ruling


def settle(ruling: Ruling, buyer: Buyer, attempt: bytes, *, customer_known: bool) -> None:
    """Complete a ruling that would put an order: the customer must permit it, and what was refused once is not sent
    again before something about it changes. `attempt` tells one attempt from another: order and customer together.

    An order the store has already stays true to X3 whatever became of its customer, as long as the store knows that
    customer; forgotten people are left alone altogether.
    """
    ruling.buyer = buyer
    may_go_on = ruling.known.flags & IN_STORE and customer_known and buyer.reason != "forgotten"
    if buyer.reason is not None and not may_go_on:
        _skip(ruling, buyer.reason)
        ruling.waits_for = f"customer:{buyer.code}"
    elif ruling.known.state == "rejected" and ruling.known.fingerprint == attempt:
        _skip(ruling, "refused_before")
        ruling.remember = False


def _skip(ruling: Ruling, reason: str) -> None:
    known = ruling.known
    ruling.step, ruling.outcome, ruling.reason = Step.NONE, Outcome.SKIPPED, reason
    ruling.flags, ruling.fingerprint = known.flags, known.fingerprint
    ruling.remember = known.state != "skipped" or known.reason != reason


def refuse(ruling: Ruling, reason: str, message: str, field: str | None, attempt: bytes) -> None:
    """The store does not take it: a dead letter until the document or its customer changes."""
    ruling.outcome, ruling.reason, ruling.detail, ruling.field = Outcome.REJECTED, reason, message, field
    ruling.fingerprint, ruling.remember, ruling.flags = attempt, True, ruling.known.flags
    if ruling.buyer is not None:
        ruling.waits_for = f"customer:{ruling.buyer.code}"


def rule_credit(memo: Invoice, known: Known, rules: Rules, *, original_counts: bool) -> Ruling:
    """A credit memo: counted for its original when that is an order here, else skipped; never an order of its own."""
    reason = why_not(memo, rules)
    ruling = Ruling(memo.number, Step.NONE, Outcome.SKIPPED, reason, known=known)
    if reason is None and not original_counts:
        ruling.reason = "credit_memo_unreferenced"
        ruling.waits_for = f"document:{memo.reference}" if memo.reference else None
    if ruling.reason is not None:
        ruling.remember = known.state != "skipped" or known.reason != ruling.reason
        ruling.step = Step.CREDIT if known.state == "synced" else Step.NONE
        return ruling
    ruling.original = memo.reference
    ruling.fingerprint = credit_print(memo)
    if known.state == "synced" and known.fingerprint == ruling.fingerprint:
        ruling.outcome, ruling.remember = Outcome.UNCHANGED, False
        return ruling
    ruling.step = Step.CREDIT
    ruling.outcome = Outcome.UPDATED if known.state == "synced" else Outcome.CREATED
    return ruling


def credit_of(memo: Invoice) -> Credit:
    """What a credit memo takes back; X3 writes its amounts without a sign."""
    return Credit(abs(memo.including_tax), max(abs(memo.including_tax) - abs(memo.excluding_tax), ZERO))


def credit_print(memo: Invoice) -> bytes:
    """16 bytes that change when a credit memo's effect does."""
    credit = credit_of(memo)
    parts = (memo.reference, str(exact(credit.total)), str(exact(credit.tax)))
    return hashlib.sha256("\x1f".join(parts).encode()).digest()[:16]
