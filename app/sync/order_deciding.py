"""From a page of documents to rulings: what is remembered, what was taken back, who is billed."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.connectors.mailchimp.commerce_payloads import customer_body
from app.db import orders
from app.domain.invoice import Invoice, InvoicePage
from app.domain.order_planning import Buyer, Ruling, Step, credit_of, rule, rule_credit, settle
from app.domain.ordering import NOTHING_BACK, Credit, exact, why_not
from app.domain.party import Refusal
from app.domain.planning import UNKNOWN, Known, Outcome
from app.sync.order_buyers import Buyers
from app.sync.order_opened import OpenOrders
from app.sync.pages import Page
from app.sync.store_shelf import CUSTOMER


@dataclass(eq=False, slots=True)
class Parcel:
    """A page with what was ruled about it and what is to be remembered beside its records."""

    page: Page
    invoices: dict[str, Invoice]
    rulings: list[Ruling] = field(default_factory=list)
    taken: list[orders.Taken] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    also: list[str] = field(default_factory=list)  # invoices to look at because of what these credit memos do
    drifted: Counter[str] = field(default_factory=Counter)  # what a reconcile run found different in the store
    sent: asyncio.Event = field(default_factory=asyncio.Event)  # nothing of it is on its way to the store
    _open: int = 0

    def open(self, count: int) -> None:
        """So many orders are about to be sent."""
        self._open = count
        if not count:
            self.sent.set()

    def close(self) -> None:
        """One of them has been answered."""
        self._open -= 1
        if not self._open:
            self.sent.set()


def parcel_of(page: Page) -> Parcel:
    source = page.source
    return Parcel(page, {i.number: i for i in source.invoices} if isinstance(source, InvoicePage) else {})


class OrderDecider:
    """Rules about pages; several at a time, since no document is on two pages of a phase."""

    def __init__(self, opened: OpenOrders) -> None:
        self._opened = opened
        self._run = opened.run
        self._buyers = Buyers(opened)

    async def plan(self, parcel: Parcel) -> None:
        """Rule about every document of a page."""
        if self._opened.position.phase == "credits":
            await self._credits(parcel)
        else:
            await self._orders(parcel)
        refused = parcel.page.source.refused
        if refused:
            known = await self._known([refusal.code for refusal in refused])
            parcel.rulings += [_refused(refusal, known.get(refusal.code, UNKNOWN)) for refusal in refused]

    async def _known(self, numbers: Sequence[str]) -> dict[str, Known]:
        run = self._run
        async with run.database.transaction(run.tenant_id) as connection:
            return await orders.known_documents(connection, run.tenant_id, run.sync_id, numbers)

    async def _orders(self, parcel: Parcel) -> None:
        opened, numbers = self._opened, list(parcel.invoices)
        known, taken = await self._known(numbers), await self._taken_back(numbers)
        for number, invoice in parcel.invoices.items():
            credit = taken.get(number, NOTHING_BACK)
            parcel.rulings.append(rule(invoice, known.get(number, UNKNOWN), credit, opened.rules, opened.print))
        if opened.reconciler is not None:
            parcel.drifted = await opened.reconciler.compare(parcel.rulings)
        putting = [ruling for ruling in parcel.rulings if ruling.step in (Step.PUT, Step.RENEW)]
        buyers = await self._buyers.of(parcel.invoices[ruling.number].customer for ruling in putting)
        barred = [code for code, buyer in buyers.items() if buyer.reason is not None]
        there = await opened.shelf.known(CUSTOMER, barred) if barred else {}
        for ruling in putting:
            buyer = buyers[parcel.invoices[ruling.number].customer]
            settle(ruling, buyer, attempt(ruling, buyer), customer_known=buyer.code in there)

    async def _taken_back(self, originals: Sequence[str]) -> dict[str, Credit]:
        run = self._run
        if run.dry:  # nothing is remembered: what this run saw counts
            return {number: self._opened.credits_seen[number] for number in originals}
        async with run.database.transaction(run.tenant_id) as connection:
            return await orders.credits_of(connection, run.tenant_id, run.sync_id, originals)

    async def _credits(self, parcel: Parcel) -> None:
        run, rules = self._run, self._opened.rules
        known = await self._known(list(parcel.invoices))
        async with run.database.transaction(run.tenant_id) as connection:
            before = await orders.taken_back_by(connection, run.tenant_id, run.sync_id, list(parcel.invoices))
        counting = await self._counting({memo.reference for memo in parcel.invoices.values() if memo.reference})
        for number, memo in parcel.invoices.items():
            ruling = rule_credit(memo, known.get(number, UNKNOWN), rules, original_counts=memo.reference in counting)
            parcel.rulings.append(ruling)
            self._note(parcel, memo, ruling, before.get(number))

    async def _counting(self, references: set[str]) -> set[str]:
        """Those of these invoices that are orders here. They must be of the same sync, so of the same currency."""
        found = set()
        if references:
            async for page in self._opened.documents.by_codes(references, "others", lines=False):
                found |= {i.number for i in page.invoices if why_not(i, self._opened.rules) is None}
        return found

    def _note(self, parcel: Parcel, memo: Invoice, ruling: Ruling, before: orders.Taken | None) -> None:
        """What is to be remembered of a credit memo, and whose order it concerns."""
        after = None
        if ruling.original is not None:
            credit = credit_of(memo)
            after = orders.Taken(memo.number, ruling.original, exact(credit.total), exact(credit.tax))
            seen = self._opened.credits_seen
            if self._run.dry:
                total, tax = seen[ruling.original].total + credit.total, seen[ruling.original].tax + credit.tax
                seen[ruling.original] = Credit(total, tax)
        if after is not None and after != before:
            parcel.taken.append(after)
        elif after is None and before is not None:
            parcel.dropped.append(memo.number)
        if after != before and not self._opened.is_backfill:
            parcel.also += [each.original for each in (before, after) if each is not None]


def attempt(ruling: Ruling, buyer: Buyer) -> bytes:
    """16 bytes that change when the order or its customer does."""
    body = customer_body(buyer.customer) if buyer.customer is not None else (buyer.reason or "").encode()
    return hashlib.sha256((ruling.fingerprint or b"") + body).digest()[:16]


def _refused(refusal: Refusal, known: Known) -> Ruling:
    """A document that cannot be read is a dead letter until it reads well again; its order stays as it is."""
    again = known.state == "rejected" and known.reason == refusal.reason
    return Ruling(
        refusal.code,
        Step.NONE,
        Outcome.SKIPPED if again else Outcome.REJECTED,
        "refused_before" if again else refusal.reason,
        known=known,
        fingerprint=known.fingerprint,
        flags=known.flags,
        remember=not again,
        detail=refusal.message,
    )
